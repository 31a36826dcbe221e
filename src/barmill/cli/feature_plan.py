"""What the commands on features have in common: their options, and the plan that these ask for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from barmill.features import FeaturePlan
    from barmill.market import Bars

SetName = Annotated[str, typer.Option("--set", metavar="NAME", help="A feature set.")]
Timeframes = Annotated[
    str | None, typer.Option(metavar="1m,5m,...", help="Timeframes, the bars' own first; those that the set is meant for if left out.")
]
Add = Annotated[list[str] | None, typer.Option(metavar="FEATURE", help="One more feature, such as rsi_28@1h; may be repeated.")]
Remove = Annotated[list[str] | None, typer.Option(metavar="FEATURE", help="A feature of the set that is not wanted; may be repeated.")]
Anchor = Annotated[str, typer.Option(help="Count longer bars from the epoch or from the open of each session.")]
Symbol = Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")]


def split(timeframes: str | None) -> tuple[str, ...] | None:
    """The timeframes of a list with commas."""
    return tuple(part.strip() for part in timeframes.split(",")) if timeframes else None


def plan_for(
    bars: "Bars", set_: str, timeframes: str | None, add: Sequence[str] | None, remove: Sequence[str] | None, anchor: str
) -> "FeaturePlan":
    """The plan on these bars. Raises InputError for an anchor that there is not; RecipeError as `FeaturePlan.build`."""
    from barmill.errors import InputError
    from barmill.features import FeaturePlan

    if anchor not in ("epoch", "session"):
        raise InputError("--anchor", f"is '{anchor}'", expected="epoch or session")
    return FeaturePlan.build(
        base=bars.timeframe,
        timeframes=split(timeframes),
        set=set_,
        add=add or (),
        remove=remove or (),
        needs=(),
        sources=bars.frame.columns,
        calendar=bars.instrument.calendar,
        anchor=anchor,
    )
