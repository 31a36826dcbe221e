"""Whether one version may answer where another did."""

from collections.abc import Iterable

from barmill.errors import BundleError
from barmill.serving.aliases import Alias
from barmill.serving.refusals import Refusal
from barmill.serving.served import ServedModel
from barmill.serving.versions import precedence


def check_compatible(served: ServedModel, others: Iterable[ServedModel]) -> None:
    """Raise BundleError naming the first difference from one of `others`, versions of the same major: who speaks to one speaks to all."""
    for other in others:
        difference = first_difference(served, other)
        if difference:
            mend = "Give a bundle that asks for something else, or answers something else, a new major version."
            raise BundleError(served.label, f"is not compatible with {other.label}: {difference}", mend=mend)


def first_difference(one: ServedModel, other: ServedModel) -> str:
    """The first thing in which two versions differ for who calls them, in words; empty if nothing."""
    mine, theirs = one.bundle, other.bundle
    for what, here, there in (
        ("symbol", mine.instrument.symbol, theirs.instrument.symbol),
        ("timeframe", str(mine.timeframe), str(theirs.timeframe)),
        ("calendar", mine.instrument.calendar, theirs.instrument.calendar),
    ):
        if here != there:
            return f"{what} {here} against {there}"
    features = mine.plan.first_difference(theirs.plan)
    if features:
        return f"features at {features}"
    if mine.outputs != theirs.outputs:
        return f"outputs {', '.join(mine.outputs)} against {', '.join(theirs.outputs)}"
    return ""


def lacking(other: ServedModel, asked: Iterable[str]) -> tuple[str, ...]:
    """The outputs `asked` that `other` does not give."""
    return tuple(name for name in asked if name not in other.bundle.outputs)


def check_covers(other: ServedModel, champion: ServedModel) -> None:
    """Raise Refusal unless `other` could answer whatever the champion is asked."""
    lacks = lacking(other, champion.bundle.outputs)
    if lacks:
        found = f"{other.label} does not give {', '.join(lacks)}"
        raise Refusal("conflict", "outputs_missing", "version", found, expected=f"all that {champion.label} gives")
    mine, theirs = other.bundle, champion.bundle
    if (mine.instrument.symbol, mine.timeframe.ms) != (theirs.instrument.symbol, theirs.timeframe.ms):
        found = f"{other.label} is of {mine.instrument.symbol} {mine.timeframe}"
        raise Refusal("conflict", "other_instrument", "version", found, expected=f"{theirs.instrument.symbol} {theirs.timeframe}")


def check_may_stand_beside(other: ServedModel, champion: ServedModel, alias: Alias) -> None:
    """Raise Refusal unless `other` may have an alias beside the champion.

    A canary answers who names no version, and who does keeps to the major version that it began with.
    """
    check_covers(other, champion)
    if alias == "canary" and precedence(other.version).major != precedence(champion.version).major:
        found, mend = f"{other.label} is of another major version", "It has a route of its own; or let it be the shadow."
        raise Refusal("conflict", "other_major", "version", found, expected=f"one that goes with {champion.label}", mend=mend)


__all__ = ["check_compatible", "check_covers", "check_may_stand_beside", "first_difference", "lacking"]
