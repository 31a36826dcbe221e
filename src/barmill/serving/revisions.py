"""Who asks several servers or workers can refuse to be answered by two versions at once.

A request may name the only bundle that is to answer it, by its digest or the first digits of that: any other does not. Over HTTP it does so
in the header `X-Model-Revision`, which every answer has too; over gRPC in metadata of that name, and answers say their `digest`.
"""

import re

from barmill.serving.answers import Ask
from barmill.serving.refusals import Refusal

NAME = "x-model-revision"
FEWEST_DIGITS = 12  # as logs and messages show a digest

_DIGEST = re.compile(r"[0-9a-f]{12,64}")


def check_revision(ask: Ask, digest: str) -> None:
    """Raise Refusal (precondition) where the bundle of `digest` would answer, or did, and another one is wanted."""
    wanted = ask.revision
    if wanted is None:
        return
    if _DIGEST.fullmatch(wanted) is None:
        expected = f"a digest, or its first {FEWEST_DIGITS} digits or more"
        raise Refusal("precondition", "other_revision", NAME, f"is {wanted[:80]!r}", expected=expected)
    if not digest.startswith(wanted):
        mend = "Ask a server that serves it, or let the digest of its answers say which version you count on."
        found, expected = f"{digest[:12]}.. would answer", f"{wanted[:12]}.."
        raise Refusal("precondition", "other_revision", NAME, found, expected=expected, mend=mend)


__all__ = ["FEWEST_DIGITS", "NAME", "check_revision"]
