"""`barmill data`: check, import, describe, simulate, resample, join and export bars."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from barmill.cli.export_npz import export_npz

if TYPE_CHECKING:
    from barmill.market import Finding, Instrument

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command("export-npz", epilog="Example: barmill data export-npz runs/aria train_m15.npz")(export_npz)

FILE = Annotated[Path, typer.Argument(help="Bars: .parquet, .csv, .npz, .arrow or .feather.", show_default=False)]
SYMBOL = Annotated[str | None, typer.Option(help="Symbol, or the rows to take from a file of several.")]
INSTRUMENT = Annotated[Path | None, typer.Option(help="YAML file that describes the instrument.")]
TIMEFRAME = Annotated[str | None, typer.Option(help="Length of the bars, such as 5m; found from their steps if not given.")]
TIME_UNIT = Annotated[str | None, typer.Option(help="Unit of integer times: s, ms, us or ns; detected if not given.")]
COLUMN = Annotated[list[str] | None, typer.Option(metavar="OURS=THEIRS", help="Name a column, such as close=settle. Repeatable.")]
JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]

FAILED_CHECK = 2  # the exit code of bad input


@app.command(epilog="Example: barmill data check FILUSDT_um_1m.parquet")
def check(
    file: FILE,
    symbol: SYMBOL = None,
    instrument: INSTRUMENT = None,
    timeframe: TIMEFRAME = None,
    time_unit: TIME_UNIT = None,
    column: COLUMN = None,
    json_: JSON = False,
) -> None:
    """Check bars and print every finding; ends with 2 if one of them is an error."""
    from barmill.market import check_source

    checked = check_source(file, symbol, _instrument(instrument), timeframe, columns=_columns(column), time_unit=time_unit)
    if json_:
        _print_json(checked.to_json())
    else:
        _say(f"{checked.place}: {checked.symbol} {checked.timeframe or 'of unknown length'}, {checked.n_rows:,} rows")
        for note in checked.notes:
            _say(f"  {note}")
        _findings_table(checked.findings)
        _say("bars can be used" if checked.is_valid else f"bars cannot be used{_cure(checked.findings)}")
    if not checked.is_valid:
        raise typer.Exit(FAILED_CHECK)


@app.command(
    "import", epilog="Example: barmill data import raw.csv BTCUSDT_1m.parquet --symbol BTCUSDT --repair sort --repair drop-duplicates"
)
def import_(
    file: FILE,
    out: Annotated[Path, typer.Argument(help="Parquet file to write.", show_default=False)],
    repair: Annotated[list[str] | None, typer.Option(help="A repair to make; see the list with --repair list. Repeatable.")] = None,
    quarantine: Annotated[Path | None, typer.Option(help="File for what is set aside; beside OUT if not given.")] = None,
    symbol: SYMBOL = None,
    instrument: INSTRUMENT = None,
    timeframe: TIMEFRAME = None,
    time_unit: TIME_UNIT = None,
    column: COLUMN = None,
    json_: JSON = False,
) -> None:
    """Read, repair only what is named, check, and write Parquet; rows taken out are kept in a quarantine file."""
    from barmill.market import REPAIRS, import_bars

    if repair == ["list"]:
        for name, does in REPAIRS.items():
            print(f"{name:<26}{does}")
        return
    report = import_bars(
        file,
        out,
        tuple(repair or ()),
        symbol=symbol,
        instrument=_instrument(instrument),
        timeframe=timeframe,
        columns=_columns(column),
        time_unit=time_unit,
        quarantine=quarantine,
    )
    if json_:
        _print_json(report.to_json())
        return
    for note in report.bars.notes:
        _say(f"  {note}")
    for finding in report.bars.findings:
        _say(f"  {finding.severity} {finding.code} {finding.message}")
    for name, count in report.set_aside.items():
        _say(f"  {name}: {count:,} rows set aside")
    for name, count in report.changed.items():
        _say(f"  {name}: {count:,} rows changed")
    print(f"{report.destination}: {len(report.bars):,} of {report.rows_read:,} rows")
    if report.quarantine:
        print(f"{report.quarantine}: what was set aside or changed, with the reasons")


@app.command(epilog="Example: barmill data describe EURUSD_1m_2019.parquet --json")
def describe(
    file: FILE,
    symbol: SYMBOL = None,
    instrument: INSTRUMENT = None,
    timeframe: TIMEFRAME = None,
    time_unit: TIME_UNIT = None,
    column: COLUMN = None,
    json_: JSON = False,
) -> None:
    """Range, gaps against the calendar, sessions, prices, volume and what a trade costs."""
    from barmill.market import Bars
    from barmill.market import describe as describe_bars

    bars = Bars.read(file, symbol, _instrument(instrument), timeframe, columns=_columns(column), time_unit=time_unit)
    about = describe_bars(bars)
    if json_:
        _print_json(about)
    else:
        _description(about)


@app.command(epilog="Example: barmill data simulate sim.parquet --bars 100000 --seed 7")
def simulate(
    out: Annotated[Path, typer.Argument(help="Parquet file to write.", show_default=False)],
    bars: Annotated[int, typer.Option(help="How many bars.")] = 60_000,
    seed: Annotated[int, typer.Option(help="Seed; the same one gives the same bars.")] = 7,
    strength: Annotated[float, typer.Option(help="Size of the planted edge, 0 (none) to 3.")] = 1.0,
    horizon: Annotated[int, typer.Option(help="Bars that the oracle looks ahead.")] = 60,
    symbol: Annotated[str, typer.Option(help="Built-in instrument whose tick size and calendar are used.")] = "SIM",
    start: Annotated[str, typer.Option(help="Day of the first bar, UTC.")] = "2024-01-01",
    timeframe: Annotated[str, typer.Option(help="Length of the bars.")] = "1m",
    missing_share: Annotated[float, typer.Option(help="Share of the bars that a thin market leaves out.")] = 0.0,
    oracle: Annotated[Path | None, typer.Option(help="Parquet file for what could at best be forecast.")] = None,
    json_: JSON = False,
) -> None:
    """Draw bars of a simulated market with a planted edge of known size."""
    from barmill.market import simulate as draw
    from barmill.market import write_oracle

    simulation = draw(bars, seed, strength, horizon, symbol, start, timeframe, missing_share)
    simulation.bars.write(out)
    if oracle is not None:
        write_oracle(simulation, oracle)
    made = {
        "path": str(out),
        "oracle": str(oracle) if oracle else None,
        "symbol": symbol,
        "timeframe": str(simulation.bars.timeframe),
        "rows": len(simulation.bars),
        "strength": strength,
        "horizon": horizon,
        "seed": seed,
        "fingerprint": simulation.bars.fingerprint,
    }
    if json_:
        _print_json(made)
    else:
        print(f"{out}: {simulation.bars!r}")
        _say("try next: " + f"barmill data describe {out}")


@app.command(epilog="Example: barmill data resample FILUSDT_um_1m.parquet FILUSDT_1h.parquet --to 1h")
def resample(
    file: FILE,
    out: Annotated[Path, typer.Argument(help="Parquet file to write.", show_default=False)],
    to: Annotated[str, typer.Option(help="The longer timeframe, such as 5m or 1h.")],
    anchor: Annotated[str, typer.Option(help="Count longer bars from the epoch or from the open of each session.")] = "epoch",
    symbol: SYMBOL = None,
    instrument: INSTRUMENT = None,
    timeframe: TIMEFRAME = None,
    time_unit: TIME_UNIT = None,
    column: COLUMN = None,
    json_: JSON = False,
) -> None:
    """Make longer bars, on the grid of the Unix epoch or of the calendar's sessions; an unfinished last one is left out."""
    from barmill.errors import InputError
    from barmill.market import Bars
    from barmill.market import resample as to_longer

    if anchor not in ("epoch", "session"):
        raise InputError("--anchor", f"is '{anchor}'", expected="epoch or session")
    bars = Bars.read(file, symbol, _instrument(instrument), timeframe, columns=_columns(column), time_unit=time_unit)
    longer = to_longer(bars, to, anchor)
    longer.write(out)
    if json_:
        made = {"path": str(out), "symbol": longer.instrument.symbol, "timeframe": str(longer.timeframe), "rows": len(longer)}
        _print_json({**made, "anchor": longer.anchor, "from_rows": len(bars), "fingerprint": longer.fingerprint})
    else:
        print(f"{out}: {longer!r}")


@app.command(epilog="Example: barmill data join FILUSDT_um_1m.parquet joined.parquet --recipe recipe.yaml")
def join(
    file: FILE,
    out: Annotated[Path, typer.Argument(help="Parquet file to write.", show_default=False)],
    recipe: Annotated[Path, typer.Option(help="The recipe whose `series` are joined.")],
    symbol: SYMBOL = None,
    instrument: INSTRUMENT = None,
    timeframe: TIMEFRAME = None,
    time_unit: TIME_UNIT = None,
    column: COLUMN = None,
    json_: JSON = False,
) -> None:
    """Add the columns of a recipe's second series, each as of the time at which it was known: what a bundle trained on them needs."""
    from barmill.errors import RecipeError
    from barmill.market import Bars
    from barmill.pipeline import read_recipe, with_series

    completed = read_recipe(recipe)
    if not completed.series:
        raise RecipeError(str(recipe), "it names no series", mend="Add `series:` to it; there is nothing to join otherwise.")
    bars = Bars.read(file, symbol, _instrument(instrument), timeframe, columns=_columns(column), time_unit=time_unit)
    joined = with_series(bars, completed, recipe.parent)
    joined.write(out)
    added = [name for name in joined.frame.columns if name not in bars.frame.columns]
    if json_:
        _print_json({"path": str(out), "rows": len(joined), "columns": added, "fingerprint": joined.fingerprint})
    else:
        for note in joined.notes[len(bars.notes) :]:
            _say(f"  {note}")
        print(f"{out}: {joined!r} with {', '.join(added)}")


def _instrument(path: Path | None) -> "Instrument | None":
    from barmill.market import Instrument

    return Instrument.read(path) if path else None


def _columns(given: list[str] | None) -> dict[str, str]:
    from barmill.errors import InputError

    chosen: dict[str, str] = {}
    for text in given or ():
        ours, mark, theirs = text.partition("=")
        if not (ours and mark and theirs):
            raise InputError(f"--column {text}", "this names no column", expected="OURS=THEIRS, such as close=settle")
        chosen[ours.strip()] = theirs.strip()
    return chosen


def _cure(findings: "tuple[Finding, ...]") -> str:
    from barmill.market import repairs_for

    named = " ".join(f"--repair {name}" for name in repairs_for(findings))
    return f"; `barmill data import` can mend some of it: {named}" if named else ""


def _findings_table(findings: "tuple[Finding, ...]") -> None:
    from rich.table import Table

    if not findings:
        print("no findings")
        return
    table = Table("code", "severity", "check", "count", "finding", title_justify="left", show_edge=False, pad_edge=False)
    table.columns[3].justify = "right"
    for each in findings:
        table.add_row(each.code, each.severity, each.name, f"{each.count:,}", f"{each.message}. {each.mend}".replace("?.", "?").strip())
    _print(table)


def _description(about: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(show_header=False, show_edge=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for key, value in about.items():
        if key in ("notes", "findings"):
            for each in value:
                _say(f"  {each if isinstance(each, str) else each['message']}")
        else:
            for name, text in _rows(key, value):
                table.add_row(name, text)
    _print(table)


def _rows(key: str, value: Any) -> list[tuple[str, str]]:
    """The lines that say `value`: one, or one for each part."""
    name = key.replace("_", " ").replace(" bps", ", bps").replace(" utc", " UTC")
    if isinstance(value, dict):
        return [(f"{name}: {below}", text) for part, each in value.items() for below, text in _rows(part, each)]
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            return [(name, "; ".join(", ".join(f"{part} {each}" for part, each in entry.items()) for entry in value))]
        return [(name, " ".join(_text(each) for each in value) or "none")]
    return [(name, _text(value))]


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _print(table: Any) -> None:
    from barmill.cli.terminal import output_console

    output_console(160).print(table)


def _say(text: str) -> None:
    import sys

    print(text, file=sys.stderr)


def _print_json(value: Any) -> None:
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
