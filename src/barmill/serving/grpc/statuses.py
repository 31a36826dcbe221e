"""The one table from why a server refuses to the status codes of gRPC, and how a refusal is written."""

from collections.abc import Mapping
from types import MappingProxyType

import grpc

from barmill.serving.refusals import Kind, Refusal

CODES: Mapping[Kind, grpc.StatusCode] = MappingProxyType(
    {
        "malformed": grpc.StatusCode.INVALID_ARGUMENT,
        "unauthorised": grpc.StatusCode.UNAUTHENTICATED,
        "forbidden": grpc.StatusCode.PERMISSION_DENIED,
        "not_found": grpc.StatusCode.NOT_FOUND,
        "conflict": grpc.StatusCode.FAILED_PRECONDITION,
        "precondition": grpc.StatusCode.FAILED_PRECONDITION,
        "too_large": grpc.StatusCode.RESOURCE_EXHAUSTED,
        "unsupported": grpc.StatusCode.UNIMPLEMENTED,
        "invalid": grpc.StatusCode.INVALID_ARGUMENT,
        "too_many": grpc.StatusCode.RESOURCE_EXHAUSTED,
        "unavailable": grpc.StatusCode.UNAVAILABLE,
        "timed_out": grpc.StatusCode.DEADLINE_EXCEEDED,
        "failed": grpc.StatusCode.INTERNAL,
    }
)
CODE, FIELD, PUSHBACK = "barmill-code", "barmill-field", "grpc-retry-pushback-ms"  # trailing metadata; the last is what gRPC's clients obey

_LONGEST = 2000  # a status travels in headers, of which clients take 8 KiB in all
_LONGEST_FIELD = 200


def details_of(refusal: Refusal) -> str:
    """The refusal in words."""
    text = str(refusal)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}.."


def trailers_of(refusal: Refusal) -> tuple[tuple[str, str], ...]:
    """The same for programs: its code, the field, and when to try again."""
    field = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in refusal.place[:_LONGEST_FIELD])
    found = ((CODE, refusal.code), (FIELD, field))
    return (*found, (PUSHBACK, str(round(1000 * refusal.retry_after)))) if refusal.retry_after > 0 else found


__all__ = ["CODE", "CODES", "FIELD", "PUSHBACK", "details_of", "trailers_of"]
