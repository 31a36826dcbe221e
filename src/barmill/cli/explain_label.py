"""`barmill explain label`: the arithmetic of one label, as a spreadsheet would have it."""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from barmill.labels import LabelExplanation
    from barmill.labels.explanation import LabelOutcome, Step

_LINES = 120  # bars printed, half of them from each end; --json has all
_RETURNS = 2  # steps that come after the exit: gross and net
_NO_RECIPE = "{name: labels, base_models: [{name: logistic}]}"  # the defaults of everything else


def label(
    time: Annotated[str, typer.Argument(help="A time in UTC, such as 2023-10-02T14:30, or a row of the bars.")],
    bars: Annotated[Path | None, typer.Option(help="A file of bars; those that the recipe names, if left out.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="The recipe whose labels are meant; the defaults if left out.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Lay a value over it: labels.horizon=30.")] = None,
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
    weight: Annotated[bool, typer.Option("--weight", help="Also how much the label counts, among all labels of these bars.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how the decision at a time was labelled: entry, ATR, costs, levels, each bar until the exit, gross and net.

    Explained is the decision at the close of the last bar that has closed by that time. Every number is printed to its last
    digit, and every line of arithmetic gives its number in float64, as a spreadsheet would.
    """
    import json

    from barmill.errors import InputError
    from barmill.labels import explain_label
    from barmill.market import Bars
    from barmill.pipeline import read_recipe
    from barmill.pipeline.inputs import gather_inputs
    from barmill.pipeline.recipe_reading import recipe_from_text

    if recipe is None:
        if bars is None:
            raise InputError("barmill explain label", "neither --bars nor --recipe is given", mend="Say of which bars.")
        config = recipe_from_text(_NO_RECIPE, "--set", set_ or ()).labels
        found = Bars.read(bars, symbol=symbol)
    else:
        whole = read_recipe(recipe, set_ or ())
        config, found = whole.labels, gather_inputs(whole, bars, symbol, recipe.parent).bars
    told = explain_label(time, found, config, weight=weight)
    print(json.dumps(told.to_json(), indent=2, ensure_ascii=False) if json_ else "\n".join(_lines(told)))


def _lines(told: "LabelExplanation") -> list[str]:
    from barmill.market.times import utc_text

    config = told.config
    levels = f", up {config.k_up!r} ATR, down {config.k_down!r} ATR of {config.atr_window} bars, costs {config.cost_mode}"
    rule = f"{config.method.replace('_', ' ')}, {config.side}, {config.horizon} bars{levels if config.method == 'triple_barrier' else ''}"
    lines = [
        f"label       {rule}",
        f"decision    row {told.row:,}, {utc_text(told.open_time)}, at its close, {utc_text(told.decided_at)}",
    ]
    if told.entry_row is not None and told.entry_time is not None:
        lines.append(f"entry       p = {told.entry_price!r}, the open of row {told.entry_row:,}, {utc_text(told.entry_time)}")
    before = told.steps if told.outcome is None else told.steps[:-_RETURNS]
    if before:
        letters = f"s = {config.side_sign}, a the ATR, c the round trip, x the exit price"
        lines += ["", f"arithmetic  {letters}", *chain.from_iterable(map(_step, before))]
    if told.bars:
        lines += ["", *_bars(told)]
    if told.outcome is None:
        return [*lines, "", f"no label    {told.why_not}"]
    return [*lines, "", *_outcome(told, told.outcome)]


def _step(step: "Step") -> list[str]:
    return [f"{step.name:<24}= {step.formula}", f"{'':<24}= {step.filled}", f"{'':<24}= {step.value!r}"]


def _bars(told: "LabelExplanation") -> list[str]:
    """A table: each bar after the decision, and what was tested of it."""
    from barmill.market.times import utc_text

    alive = told.weight.alive[1:] if told.weight else ()
    heads = ["row", "opens", "open", "high", "low", "close", *(["alive"] if alive else []), "tested"]
    rows = [
        [f"{bar.row:,}", utc_text(bar.open_time), *map(repr, (bar.open, bar.high, bar.low, bar.close)), *counted, bar.tested]
        for bar, counted in zip(told.bars, [[str(count)] for count in alive] or [[]] * len(told.bars), strict=True)
    ]
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    drawn = ["  ".join([*map(str.rjust, row[:-1], widths), row[-1]]) for row in [heads, *rows]]
    if len(rows) <= _LINES:
        return drawn
    half = _LINES // 2
    return [*drawn[: half + 1], f"({len(rows) - _LINES} bars between are left out here; --json has them)", *drawn[-half:]]


def _outcome(told: "LabelExplanation", outcome: "LabelOutcome") -> list[str]:
    from barmill.market.times import utc_text

    lines = [
        f"exit        x = {outcome.exit_price!r}, row {outcome.exit_row:,}, {utc_text(outcome.exit_time)}, by {outcome.barrier}",
        *chain.from_iterable(map(_step, told.steps[-_RETURNS:])),
        f"label       {outcome.label:+d} ({outcome.class_name})".replace("+0", "0"),
    ]
    if told.weight is not None:
        found = told.weight
        over = f"rows {told.row:,} ({found.alive[0]} alive) to {outcome.exit_row:,}"
        lines += [
            f"uniqueness  {found.uniqueness!r}, the mean of 1/alive over {over}",
            f"weight      {found.weight!r} = {found.uniqueness!r}/{found.mean_uniqueness!r}, the mean of {found.n_labels:,} labels",
        ]
    same = "the same, to the last digit" if told.as_made else "something else: please report this"
    return [*lines, f"as trained  make_labels gives {same}"]
