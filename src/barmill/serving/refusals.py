"""What a server says no with: one tree, which HTTP and gRPC each translate in one table."""

from typing import Literal

from barmill.errors import BarmillError

Kind = Literal[
    "malformed",  # not readable at all: no JSON, NaN, a key twice, too deep
    "unauthorised",  # no key, or none that is known
    "forbidden",  # a key without the scope
    "not_found",  # no such model, version, stream or route
    "conflict",  # a bar that is a duplicate, out of order or after a gap
    "precondition",  # another bundle would answer than the request says must
    "too_large",  # more bytes, rows or depth than the limits
    "unsupported",  # a content type or encoding that is not spoken
    "invalid",  # readable, and not what the model's schema asks for
    "too_many",  # more requests than the rate allows
    "unavailable",  # not ready, overloaded, shutting down; try again
    "timed_out",  # not answered before the deadline
    "failed",  # no model of the chain gave an answer that may be given out
]


class Refusal(BarmillError):
    """A request that is not answered with a forecast.

    Parameters
    ----------
    kind : one of `Kind`
    code : str, snake_case, stable, for programs: "unknown_feature", "bar_out_of_order"
    place : str, the field, as precise as it can be named: "inputs[0].shape", "bars[3].high"
    retry_after : float, seconds after which to try again, 0 where that does not help
    """

    def __init__(
        self, kind: Kind, code: str, place: str, found: str, *, expected: str = "", mend: str = "", retry_after: float = 0.0
    ) -> None:
        self.kind: Kind = kind
        self.code = code
        self.retry_after = retry_after
        super().__init__(place, found, expected=expected, mend=mend)


__all__ = ["Kind", "Refusal"]
