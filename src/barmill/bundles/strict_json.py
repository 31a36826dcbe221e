"""JSON of a bundle: read from memory, refused unless it is exactly what Barmill writes."""

import json
from typing import Any

from barmill.artefacts import canonical_json
from barmill.errors import BundleCorruption


def parse_canonical(data: bytes, place: str) -> Any:
    """The value of `data`, which must be canonical JSON without duplicate keys.

    One value has one spelling, so there is nothing to smuggle in whitespace, escapes or a second key of the same name
    that another parser would prefer. Raises BundleCorruption naming `place`.
    """
    try:
        value = json.loads(data.decode("utf-8", "strict"), object_pairs_hook=_unique_keys)
        canonical = canonical_json(value)
    except _DuplicateKey as error:
        raise BundleCorruption(place, f"key {error.args[0]!r} stands twice", mend=_MEND) from error
    except (ValueError, RecursionError) as error:
        raise BundleCorruption(place, "is not JSON", expected="canonical JSON in UTF-8", mend=_MEND) from error
    if canonical != data:
        raise BundleCorruption(place, "is JSON but not canonical", expected="sorted keys, no spaces, plain UTF-8", mend=_MEND)
    return value


class _DuplicateKey(Exception):
    """A key that stands twice in one object."""


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _DuplicateKey(next(name for name in names if names.count(name) > 1))
    return found


_MEND = "Copy the bundle again from where it was published."

__all__ = ["parse_canonical"]
