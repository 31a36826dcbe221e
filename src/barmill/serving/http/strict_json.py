"""JSON of strangers: checked for depth, encoding and keys that come twice, and decoded into typed values.

A key that comes twice is found without a second parse in the usual case: outside of strings each key has one colon, so a body with as
many colons as its decoded value has keys names none twice. Only where the counts differ (a colon in a string, or a key twice) is it
parsed again, by the standard library, which shows every pair.
"""

import json
import re
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from barmill.serving.refusals import Refusal

MAX_DEPTH = 32
MAX_CONTAINERS = 1 << 17  # arrays and objects of one body, twice as many as bars may be: each takes thirty times its two bytes
MAX_KEYS = 1 << 12  # of each array or object, on the whole: no row has as many features
MAX_VALUES = 1 << 20  # of one body: numbers as they are written fill the largest body with fewer

Decoded = TypeVar("Decoded")

_PATH = re.compile(r" - at `(key in )?\$?(?P<path>[^`]*)`$")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # in and out, as int8
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[{]}")


class StrictJson(Generic[Decoded]):
    """Decodes bodies into one type.

    Parameters
    ----------
    type : what msgspec decodes into
    keys : how many keys of objects there are in a decoded value
    max_depth : arrays and objects in one another
    """

    def __init__(self, type: Any, keys: Callable[[Decoded], int], max_depth: int = MAX_DEPTH) -> None:
        self._decode: Callable[[bytes], Decoded] = msgspec.json.Decoder(type).decode
        self._keys = keys
        self._max_depth = max_depth

    def decode(self, body: bytes) -> Decoded:
        """`body` as the type. Raises Refusal: malformed for what is no JSON, invalid for JSON that says something else, too large."""
        containers = body.count(b"[") + body.count(b"{")
        if containers > self._max_depth:
            _check_count("arrays and objects", containers, MAX_CONTAINERS)
            check_depth(body, self._max_depth)
        colons = body.count(b":")
        if colons > MAX_KEYS:
            _check_count("keys", colons, MAX_KEYS * containers)
        if len(body) > MAX_VALUES:
            _check_count("values", body.count(b","), MAX_VALUES)
        try:
            decoded = self._decode(body)
        except msgspec.ValidationError as error:
            raise _refused(error, body) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refusal("malformed", "malformed_json", "body", _told(error), mend="Send JSON as RFC 8259 has it, in UTF-8.") from error
        if colons != self._keys(decoded):
            parse_whole(body)
        if not body.isascii():
            _check_utf8(body)
        return decoded


def _check_count(what: str, count: int, most: int) -> None:
    """Raise Refusal (too large) before anything is built: while it is, nothing else of this process runs."""
    if count > most:
        mend = "Ask for fewer rows at a time."
        raise Refusal("too_large", "too_many_values", "body", f"has {count:,} {what}", expected=f"at most {most:,}", mend=mend)


def check_depth(body: bytes, most: int) -> None:
    """Raise Refusal if arrays and objects of `body` lie deeper in one another than `most`, from one scan that builds nothing."""
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    seen = np.frombuffer(bare, dtype=np.uint8)
    in_string = np.bitwise_and(np.cumsum(seen == ord('"'), dtype=np.int32), 1).astype(bool)
    steps = np.frombuffer(seen[~in_string].tobytes().translate(_STEPS, _NO_BRACKETS), dtype=np.int8)
    depth = int(np.cumsum(steps, dtype=np.int32).max(initial=0))
    if depth > most:
        raise Refusal("malformed", "too_deep", "body", f"objects and arrays lie {depth} deep in one another", expected=f"at most {most}")


def parse_whole(body: bytes) -> Any:
    """`body` parsed by the standard library. Raises Refusal (malformed) for a key that comes twice, or a number that is none."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise Refusal("malformed", "duplicate_key", _shown(twice), "comes twice in one object", mend="Say it once.")
        return found

    try:
        return json.loads(body, object_pairs_hook=unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal("malformed", "malformed_json", "body", "is no JSON", mend="Send JSON as RFC 8259 has it, in UTF-8.") from error


def _no_constant(word: str) -> None:
    raise ValueError(word)


def _check_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Refusal("malformed", "not_utf8", "body", f"byte {error.start} is no UTF-8", mend="Send JSON in UTF-8.") from error


def _told(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} of a string is no UTF-8"
    return "is too deep" if isinstance(error, RecursionError) else str(error)


def _refused(error: msgspec.ValidationError, body: bytes) -> Refusal:
    """What msgspec found, with the path in our words: `$.bars[3]` is `bars[3]`, and `[...]` is the key that it does not say."""
    text = str(error)
    found = _PATH.search(text)
    message = _PATH.sub("", text)
    if message == "Number out of range":
        place = _place(found, body, float)
        return Refusal("malformed", "number_out_of_range", place, "is no number that 64 bits hold", expected="a finite one")
    parse_whole(body)  # a key twice, or a number that is none further on, is malformed before it is invalid
    place = _place(found, body, None)
    message = message[:1].lower() + message[1:]
    return Refusal("invalid", "invalid_body", place, message, mend="/v1/models/NAME/schema says what the model takes.")


def _place(found: "re.Match[str] | None", body: bytes, of: type | None) -> str:
    path = found["path"].lstrip(".") if found else ""
    if "[...]" in path:
        path = _named(path, body) if of is None else path.partition("[...]")[0]
    return path or "body"


def _named(path: str, body: bytes) -> str:
    """`features[...]`, in which msgspec leaves out the key, with the first key along that path whose value is no number."""
    places = list(_places(json.loads(body), re.findall(r"[^.\[\]]+|\.\.\.", path), ""))
    bad = [place for place, value in places if isinstance(value, bool) or not isinstance(value, int | float)]
    return next(iter([*bad, *(place for place, _ in places)]), path)


def _places(value: Any, steps: list[str], place: str) -> Generator[tuple[str, Any]]:
    """What lies at a path in which a step may be any key, and where."""
    if not steps:
        yield place, value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        for name in value if step == "..." else [step] if step in value else []:
            yield from _places(value[name], rest, f"{place}.{_shown(name)}".lstrip("."))
    elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
        yield from _places(value[int(step)], rest, f"{place}[{step}]")


def _shown(name: str) -> str:
    return name if len(name) <= 80 else name[:77] + "..."


__all__ = ["MAX_DEPTH", "StrictJson", "check_depth", "parse_whole"]
