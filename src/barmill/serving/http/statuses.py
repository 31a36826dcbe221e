"""What HTTP says of a refusal: one table of statuses, and one form of body."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from barmill.errors import BarmillError, InputError
from barmill.serving.refusals import Kind, Refusal

STATUSES: Mapping[Kind, int] = {
    "malformed": 400,
    "unauthorised": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "precondition": 412,
    "too_large": 413,
    "unsupported": 415,
    "invalid": 422,
    "too_many": 429,
    "unavailable": 503,
    "timed_out": 504,
    "failed": 500,
}

Header = tuple[bytes, bytes]
JSON: Header = (b"content-type", b"application/json")


class RimRefusal(Refusal):
    """A refusal that only HTTP knows: another method, a slow body, a header that is too long."""

    def __init__(self, status: int, kind: Kind, code: str, place: str, found: str, *, expected: str = "", mend: str = "") -> None:
        self.status = status
        super().__init__(kind, code, place, found, expected=expected, mend=mend)


class Reply(NamedTuple):
    """An answer, whole. `close`: the connection is not used again, since what is still on it was not read."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = (JSON,)
    close: bool = False


def as_refusal(error: BarmillError) -> Refusal:
    """`error` as a refusal: what the floors below say of input is invalid, anything else is a failure of ours."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, InputError):
        return Refusal("invalid", "invalid_input", error.place, error.found, expected=error.expected, mend=error.mend)
    return Refusal("failed", "failed", "", "no forecast could be made", mend="The server's log says why, under the request's id.")


def refused(refusal: Refusal, *, close: bool = False) -> Reply:
    """The answer that says no: `{"error", "code", "field"}`, with Retry-After and WWW-Authenticate where they help."""
    status = refusal.status if isinstance(refusal, RimRefusal) else STATUSES[refusal.kind]
    headers = [JSON]
    if refusal.retry_after > 0:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(refusal.retry_after))))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 405:
        headers.append((b"allow", refusal.expected.encode()))
    return Reply(status, error_body(str(refusal), refusal.code, refusal.place), tuple(headers), close)


def error_body(message: str, code: str, field: str) -> bytes:
    """The body of every answer that is not one of success."""
    body = {"error": message, "code": code, "field": field}
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # a lone surrogate, which no UTF-8 can say
        return orjson.dumps({name: value.encode("utf-8", "replace").decode() for name, value in body.items()})


__all__ = ["JSON", "STATUSES", "Header", "Reply", "RimRefusal", "as_refusal", "error_body", "refused"]
