"""`barmill explain`: why a value is what it is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from barmill.cli.explain_label import label
from barmill.cli.explain_split import split

if TYPE_CHECKING:
    from barmill.features.explanation import Explanation, ShownBar

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command(epilog="Example: barmill explain label 2023-10-02T14:30 --bars FILUSDT_um_1m.parquet --set labels.horizon=30")(label)
app.command(epilog="Example: barmill explain split recipes/crypto-1m.yaml --set cross_validation.method=cpcv")(split)

_LINES = 30  # bars printed; --json has all that were asked for


@app.command(epilog="Example: barmill explain feature rsi_14@1h 2023-10-02T14:30 --bars FILUSDT_um_1m.parquet")
def feature(
    name: Annotated[str, typer.Argument(help="A feature, such as rsi_14 or macd_12_26_9@5m.")],
    time: Annotated[str, typer.Argument(help="A time in UTC, such as 2023-10-02T14:30, or a row of the bars.")],
    bars: Annotated[Path, typer.Option(help="A file of bars.")],
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
    show: Annotated[int | None, typer.Option(metavar="BARS", help="How many bars to show; those that matter, if left out.", min=1)] = None,
    anchor: Annotated[str, typer.Option(help="Count longer bars from the epoch or from the open of each session.")] = "epoch",
    fit_until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Features that learn do so on the bars that have closed by this time.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a feature's value at a time was computed from, and the arithmetic.

    Explained is what is known at that time: the value at the last bar that has closed by then.
    """
    import json

    from barmill.errors import InputError
    from barmill.features import explain_feature
    from barmill.market import Bars

    if anchor not in ("epoch", "session"):
        raise InputError("--anchor", f"is '{anchor}'", expected="epoch or session")
    told = explain_feature(name, time, Bars.read(bars, symbol=symbol), shown=show, anchor=anchor, fit_until=fit_until)
    print(json.dumps(told.to_json(), indent=2, ensure_ascii=False) if json_ else "\n".join(_lines(told)))


def _lines(told: "Explanation") -> list[str]:
    from barmill.market.times import utc_text

    spec = told.feature.spec
    params = ", ".join(f"{name} {value}" for name, value in told.feature.params.model_dump().items())
    lines = [
        f"feature     {told.feature.name}, version {spec.version}" + (f" ({params})" if params else ""),
        f"formula     {spec.formula}",
        f"unit        {spec.unit}",
        f"source      {spec.source}",
        f"bar         row {told.row:,}, {utc_text(told.open_time)}, known at {utc_text(told.known_at)}",
        f"value       {told.waiting or repr(told.value)}",
        *_arithmetic(told),
    ]
    lines += ["", *_bars(told)] if told.bars else ["", f"no bar of {told.timeframe} has closed by then"]
    return lines if told.waiting else [*lines, "", *_proof(told)]


def _arithmetic(told: "Explanation") -> list[str]:
    lines: list[str] = []
    if told.written is not None:
        terms = ", ".join(f"{name} = {value:.10g}" for name, value in told.written.terms.items())
        lines += [f"            = {told.written.formula}, {terms}", f"            = {told.written.filled}"]
    if told.bars and told.bars[-1].arguments:
        lines += [f"argument    {name} = {value!r}" for name, value in told.bars[-1].arguments.items()]
    return [*lines, *(f"running     {name} = {value:.10g}" for name, value in told.running.items())]


def _bars(told: "Explanation") -> list[str]:
    """A table: when each closed, what was read of it, and how much it matters."""
    shown = told.bars[-_LINES:]
    names = [*shown[0].columns, *shown[0].arguments]
    rows = [["closed", *names, "influence"], *(_row(bar) for bar in shown)]
    if told.waiting:
        rows = [row[:-1] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    what = "" if told.waiting else f"; influence of {told.moved}"
    lines = [f"{len(told.bars):,} of {told.n_bars:,} closed bars of {told.timeframe}{what}"]
    if len(told.bars) > len(shown):
        lines.append(f"({len(told.bars) - len(shown)} earlier ones are left out here; --json has them)")
    return lines + ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _row(bar: "ShownBar") -> list[str]:
    from barmill.market.times import utc_text

    numbers = [*bar.columns.values(), *bar.arguments.values()]
    return [utc_text(bar.close_time), *(f"{number:.8g}" for number in numbers), f"{bar.influence:+.3g}"]


def _proof(told: "Explanation") -> list[str]:
    """Whether the bars shown give the value."""
    count = f"the last {len(told.bars):,} bars" if len(told.bars) > 1 else "the last bar"
    if told.same_bits:
        lines = [f"from {count} alone: the same, to the bit"]
    else:
        lines = [f"from {count} alone: {told.recomputed!r}, {told.recomputed - told.value:+.3g} away"]
    if told.weight_before is not None:
        lines.append(f"about {told.weight_before:.2g} of the weight lies on bars before them")
    if told.bars_needed is not None and told.bars_needed != len(told.bars):
        every = " (all there are)" if told.bars_needed == told.n_bars else ""
        lines.append(f"from the last {told.bars_needed:,} bars{every}: the same, to the bit")
    return lines
