"""The JSON of a bundle's parts: read from verified bytes, refused in words that name the file, written in one spelling."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from barmill.artefacts import canonical_json
from barmill.bundles.manifest import PARTS
from barmill.bundles.strict_json import parse_canonical
from barmill.errors import BundleCorruption, BundleError

MEND = "Publish the run again with this version of Barmill."


def read_part(files: Mapping[str, bytes], part: str, place: str) -> Any:
    """The JSON value of the part, such as "metrics"."""
    return parse_canonical(files[PARTS[part]], f"{place}/{PARTS[part]}")


@contextmanager
def reading(place: str) -> Generator[None]:
    """Turn what a part with unexpected content raises into BundleCorruption naming the file."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise BundleCorruption(place, f"has another content than was expected ({error})", mend=MEND) from error


def part_bytes(part: str, value: Any) -> bytes:
    """`value` as the canonical JSON of a part. Raises BundleError for what JSON cannot hold, such as NaN."""
    try:
        return canonical_json(value)
    except (TypeError, ValueError) as error:
        raise BundleError(part, f"cannot be written as JSON: {error}", expected="plain values without NaN or infinity") from error


__all__ = ["MEND", "part_bytes", "read_part", "reading"]
