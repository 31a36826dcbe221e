"""Which version an answer is of, as a header: who asks several servers or workers can refuse to be answered by two versions at once.

`X-Model-Revision` on an answer is the digest of the bundle that made it. On a request it is the digest, or its first digits, of the only
bundle that may: any other does not answer.
"""

import re
from functools import lru_cache

from barmill.serving.contract import Forecasting
from barmill.serving.http.routing import Request
from barmill.serving.http.statuses import JSON, Header, RimRefusal

NAME = "x-model-revision"
FEWEST_DIGITS = 12  # as logs and messages show a digest

_DIGEST = re.compile(r"[0-9a-f]{12,64}")


@lru_cache(maxsize=64)
def headers_of(digest: str, kind: Header = JSON) -> tuple[Header, ...]:
    """The headers of an answer, made once for each version."""
    return (kind, (NAME.encode(), digest.encode()))


def check_before(plane: Forecasting, request: Request) -> None:
    """Raise RimRefusal (412) before anything is done, such as a bar taken, where another version would answer than is wanted."""
    wanted = request.headers.model_revision
    if wanted is None:
        return
    if _DIGEST.fullmatch(wanted) is None:
        expected = f"a digest, or its first {FEWEST_DIGITS} digits or more"
        raise RimRefusal(412, "conflict", "other_revision", NAME, f"is {wanted[:80]!r}", expected=expected)
    with plane.lease(request.ask) as served:
        check_answered(request, served.bundle.digest)


def check_answered(request: Request, digest: str) -> None:
    """Raise RimRefusal (412) where an answer is of another version than is wanted: it was swapped, or somebody stood in for it."""
    wanted = request.headers.model_revision
    if wanted is not None and not digest.startswith(wanted):
        mend = "Ask a server that serves it, or let the answers' own header say which version you count on."
        raise RimRefusal(412, "conflict", "other_revision", NAME, f"{digest[:12]}.. would answer", expected=f"{wanted[:12]}..", mend=mend)


__all__ = ["FEWEST_DIGITS", "NAME", "check_answered", "check_before", "headers_of"]
