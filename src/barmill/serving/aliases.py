"""What stands beside the champion of a model: who answers a share, who forecasts unheard, and who answers in its place."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from barmill.errors import nearest
from barmill.serving.refusals import Refusal

Alias = Literal["canary", "shadow", "fallback"]
ALIASES: tuple[Alias, ...] = ("canary", "shadow", "fallback")


@dataclass(frozen=True, slots=True)
class Assigned:
    """What an operator gave an alias.

    version : as in `Ask.version`, of this model; for "fallback" also "model@version"
    share : of the requests that it gets
    """

    version: str
    share: float = 1.0

    @property
    def model(self) -> str:
        """Another model's name; empty for this one."""
        return self.version.rpartition("@")[0]

    @property
    def of_model(self) -> str:
        """The version without the model."""
        return self.version.rpartition("@")[2]


class Holder(NamedTuple):
    """A version that has an alias."""

    model: str
    version: str
    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class AliasStatus:
    """An alias that somebody gave.

    by : the version that has it now; None where none has
    reason : why none has it
    """

    alias: Alias
    given: Assigned
    by: Holder | None
    reason: str = ""


def known_alias(alias: str) -> Alias:
    """`alias`, if there is one of that name. Raises Refusal."""
    for known in ALIASES:
        if alias == known:
            return known
    mend = nearest(alias[:40], ALIASES)
    raise Refusal("invalid", "unknown_alias", "alias", f"is '{alias[:40]}'", expected=f"one of {', '.join(ALIASES)}", mend=mend)


def assigned_of(alias: Alias, version: str, share: float | None) -> Assigned:
    """What an alias is to be given. share : None where it was not said, which a canary's must be

    Raises Refusal naming `version` or `share`.
    """
    given = Assigned(version, 1.0 if share is None else float(share))
    if given.model and alias != "fallback":
        raise Refusal(
            "invalid", "foreign_alias", "version", f"names the model '{given.model[:64]}'", expected="a version of the same model"
        )
    if not given.of_model:
        raise Refusal("invalid", "no_version", "version", "is empty", expected="such as 1.3.0, latest or 3")
    if alias == "canary" and share is None:
        raise Refusal("invalid", "no_share", "share", "is missing", expected="the share of requests that a canary answers, such as 0.1")
    if not 0 < given.share <= 1:
        raise Refusal("invalid", "bad_share", "share", f"is {given.share:g}", expected="more than 0, at most 1")
    if alias == "fallback" and given.share != 1:
        mend = "Leave it out."
        raise Refusal("invalid", "bad_share", "share", f"is {given.share:g}", expected="none: a fallback answers whatever fails", mend=mend)
    return given


__all__ = ["ALIASES", "Alias", "AliasStatus", "Assigned", "Holder", "assigned_of", "known_alias"]
