"""`barmill predict`: forecast with a bundle, of the last bar, of all bars, or of each bar as it closes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import polars as pl

    from barmill.bundles import Bundle
    from barmill.bundles.stream import ForecastRow
    from barmill.market import Bars


def predict(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle's version, or of a model (its current version).")],
    bars: Annotated[
        str, typer.Option(help="A file of bars, with the history that warms up the features; '-' for lines of JSON on standard input.")
    ],
    all_: Annotated[
        bool, typer.Option("--all", help="Forecast every bar, as CSV (or lines of JSON with --json), not the last alone.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with bars that are appended, a line of JSON for each.")] = False,
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print lines of JSON.")] = False,
    until_idle: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="End --follow once no bar has come for so long.", min=0)
    ] = None,
    band_state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keep what an adaptive band has learned from outcomes in this file after each bar, and go on from it."
        ),
    ] = None,
) -> None:
    """Forecast from raw bars: of the last bar, of --all bars, or, with --follow, of each bar as it is appended.

    A followed file is CSV or lines of JSON that grow, or Parquet that is replaced; its first bars are history, forecast only with --all.
    Lines on standard input ('--bars -', which follows by itself) look like
    {"open_time": 1690848000000, "open": 1.0, "high": 1.2, "low": 0.9, "close": 1.1, "volume": 42}.

    Example: barmill predict runs/quickstart/bundle/lightgbm --bars bars.parquet --all > forecasts.csv
    """
    from barmill.bundles import Bundle

    loaded = Bundle.load(bundle)
    if follow or bars == "-":
        _follow(loaded, bars, symbol, with_history=all_, until_idle=until_idle, band_state=band_state)
        return
    if band_state is not None:
        from barmill.errors import InputError

        raise InputError("--band-state", "is given without --follow", mend="Follow bars, or leave it out: the band then walks through all.")
    from barmill.bundles.bars_for import read_bars_for

    offered = read_bars_for(loaded, Path(bars), symbol)
    if all_:
        _print_all(loaded, offered, as_json=json_)
    else:
        _print_last(loaded, offered, as_json=json_)


def _print_all(bundle: "Bundle", bars: "Bars", *, as_json: bool) -> None:
    import sys

    forecast = bundle.forecast(bars)
    print(f"{len(forecast)} bars forecast, {forecast.n_not_ready} not ready (warming up)", file=sys.stderr)
    print(_json_lines(forecast.frame) if as_json else forecast.frame.write_csv(), end="")


def _print_last(bundle: "Bundle", bars: "Bars", *, as_json: bool) -> None:
    import sys

    from barmill.errors import DataError

    frame = bundle.forecast(bars, since=int(bars.open_time[-1])).frame
    if frame.is_empty():
        mend = f"Give more history: {bundle.needed_bars} bars without gaps give a forecast, {bundle.settled_bars} the settled one."
        raise DataError(f"{bars.instrument.symbol}, {len(bars)} bars", "the last bar is not ready", mend=mend)
    if len(bars) < bundle.settled_bars:
        note = f"note: {len(bars)} bars of history; averages forget where it began after {bundle.settled_bars}"
        print(note, file=sys.stderr)
    print(_json_lines(frame) if as_json else _summary(bundle, frame.row(0, named=True)), end="")


def _json_lines(frame: "pl.DataFrame") -> str:
    return frame.write_ndjson()


def _summary(bundle: "Bundle", row: "ForecastRow") -> str:
    from datetime import UTC, datetime

    opened, known = (datetime.fromtimestamp(row[name] / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC") for name in ("open_time", "known_at"))
    lines = [
        f"bundle    {bundle.manifest.name} {bundle.manifest.version} ({bundle.digest[:12]}), {bundle.instrument.symbol} {bundle.timeframe}",
        f"bar       {opened}, known at {known}",
        *_answers(bundle, row),
    ]
    return "\n".join(lines) + "\n"


def _answers(bundle: "Bundle", row: "ForecastRow") -> list[str]:
    """A line for each output: probabilities, returns in basis points, what another question asks in its own unit; not each number of
    an embedding."""
    outputs = [name for name in bundle.outputs if not name.startswith("embedding_")]
    width = max(9, *map(len, outputs))
    in_bps = bundle.pipeline.volatility is not None
    lines = [
        f"{name:<{width}} {row[name] * 1e4:+.2f} bps" if in_bps and not name.startswith("p_") else f"{name:<{width}} {row[name]:.4f}"
        for name in outputs
    ]
    n_hidden = len(bundle.outputs) - len(outputs)
    return [*lines, f"{'embedding':<{width}} {n_hidden} numbers, told with --json"] if n_hidden else lines


def _follow(
    bundle: "Bundle", bars: str, symbol: str | None, *, with_history: bool, until_idle: float | None, band_state: Path | None
) -> None:
    import json
    import os
    import sys

    from barmill.bundles.following import follow_file, follow_lines
    from barmill.bundles.kept_band import KeptBand

    kept = None if band_state is None else KeptBand(band_state)
    stream = bundle.stream() if kept is None else kept.stream(bundle)

    def tell(row: "ForecastRow") -> None:
        print(json.dumps(row), flush=True)
        if kept is not None:
            kept.keep(stream)

    try:
        if bars == "-":
            follow_lines(stream, sys.stdin.buffer, tell, symbol=symbol)
        else:
            follow_file(stream, Path(bars), tell, symbol=symbol, with_history=with_history, until_idle=until_idle)
        if kept is not None:
            kept.keep(stream)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    except BrokenPipeError:
        # The reader of our lines has gone, which is how `| head` ends us. Python would complain while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
