"""`barmill data export-npz`: bars, or the samples of a run, for programs that read NumPy's .npz."""

from pathlib import Path
from typing import Annotated, Any

import typer


def export_npz(
    source: Annotated[Path, typer.Argument(help="The folder of a finished run, or a file of bars.", show_default=False)],
    out: Annotated[Path, typer.Argument(help=".npz file to write.", show_default=False)],
    bundle: Annotated[
        list[Path] | None, typer.Option(help="A bundle whose forecasts of every row are added; SOURCE is an .npz then. Repeatable.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="What the bars are of, if the file's name does not say it.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a compressed .npz without pickle: of a run its samples, forecasts and bars; of a file its bars; of an .npz all that is in it,
    with the forecasts of bundles."""
    import json

    from barmill.errors import InputError

    if out.suffix.lower() != ".npz":
        raise InputError(str(out), "is no name of an npz file", expected="a name that ends in .npz")
    made = _scored(source, bundle, out) if bundle else _samples(source, out) if source.is_dir() else _bars(source, symbol, out)
    if json_:
        print(json.dumps({"path": str(out), **made}, indent=2))
    else:
        print(f"{out}: " + ", ".join(f"{name} {value}" for name, value in made.items()))


def _samples(run: Path, out: Path) -> dict[str, Any]:
    from barmill.pipeline import PreparedSamples, Run

    samples = PreparedSamples.of_run(Run(run))
    samples.write(out)
    return {"samples": len(samples), "features": len(samples.names), "forecasts": len(samples.forecasts), "bars": len(samples.bars)}


def _bars(source: Path, symbol: str | None, out: Path) -> dict[str, Any]:
    from barmill.market import Bars, write_bars_npz

    bars = Bars.read(source, symbol)
    write_bars_npz(bars, out)
    return {"bars": len(bars), "fingerprint": bars.fingerprint}


def _scored(source: Path, bundles: list[Path], out: Path) -> dict[str, Any]:
    from barmill.pipeline import score_npz

    return {"scores": " ".join(score_npz(source, bundles, out))}


__all__ = ["export_npz"]
