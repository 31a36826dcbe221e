"""`barmill features`: what can be computed, and computing it from a file of bars."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from barmill.features import Feature, FeaturePlan

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SetName = Annotated[str | None, typer.Option("--set", metavar="NAME", help="A feature set, such as core.")]
Timeframes = Annotated[
    str | None, typer.Option(metavar="1m,5m,...", help="Timeframes, the bars' own first; 1m,5m,15m on minutes, else their own.")
]


@app.command("list", epilog="Example: barmill features list --set core")
def list_(set_: SetName = None, timeframes: Timeframes = None, json_: Json = False) -> None:
    """List every feature with usual parameters, or those of a set: family, timeframe, warm-up, inputs, formula, source.

    The numbers in a name are its parameters: rsi_28 is rsi with a window of 28 bars, rsi_28@1h the same on closed hours.
    """
    import json

    from barmill.features import FEATURES, Feature, usual_feature
    from barmill.market import Timeframe

    base = Timeframe.parse(timeframes.split(",")[0] if timeframes else "1m")
    if set_ is None:
        features: tuple[Feature, ...] = tuple(map(usual_feature, FEATURES.values()))
    else:
        features = _plan(str(base), timeframes, set_, (), ()).features
    described = [_described(feature, str(base), feature.warmup_bars(base)) for feature in features]
    if json_:
        print(json.dumps(described, indent=2, ensure_ascii=False))
        return
    headings = ("name", "family", "timeframe", "warm-up", "inputs", "unit", "formula")
    rows = [[_cell(entry[heading]) for heading in headings] for entry in described]
    widths = [max(len(row[i]) for row in [list(headings), *rows]) for i in range(len(headings))]
    for row in [list(headings), ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print("\nWarm-up is in base bars. --json adds the parameters, the version and the source of each.")


@app.command(epilog="Example: barmill features build FILUSDT_um_1m.parquet --out features.parquet --timeframes 1m,5m,1h")
def build(
    bars: Annotated[Path, typer.Argument(help="A file of bars.")],
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
    set_: Annotated[str, typer.Option("--set", metavar="NAME", help="A feature set.")] = "core",
    timeframes: Timeframes = None,
    add: Annotated[list[str] | None, typer.Option(metavar="FEATURE", help="One more feature, such as rsi_28@1h; may be repeated.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="FEATURE", help="A feature of the set that is not wanted; may be repeated.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
    json_: Json = False,
) -> None:
    """Compute features from a file of bars and write them as Parquet: a row per bar, known at its close_time.

    Rows of the warm-up are kept, as NaN, and counted.
    """
    import io
    import json
    import sys

    from barmill.artefacts import write_bytes
    from barmill.features import warm_kernels
    from barmill.market import Bars

    read = Bars.read(bars, symbol=symbol)
    plan = _plan(str(read.timeframe), timeframes, set_, add or (), remove or ())
    progress = _Line()
    warm_kernels(progress)
    table = plan.compute(read, progress)
    progress.end()
    buffer = io.BytesIO()
    table.to_frame().write_parquet(buffer)
    write_bytes(out, buffer.getvalue())
    n_ready = int(table.ready.sum())
    result = {
        "file": str(out),
        "bars": len(table),
        "features": len(plan.names),
        "ready": n_ready,
        "not_ready": len(table) - n_ready,
        "warmup_bars": plan.warmup_bars,
        "schema_hash": plan.schema_hash,
    }
    if json_:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['file']}: {result['features']} features of {result['bars']:,} bars, schema {plan.schema_hash[:12]}")
    print(f"{result['not_ready']:,} rows are not ready (the warm-up is {plan.warmup_bars} bars)", file=sys.stderr)


def _plan(
    base: str, timeframes: str | None, set_: str, add: "list[str] | tuple[str, ...]", remove: "list[str] | tuple[str, ...]"
) -> "FeaturePlan":
    from barmill.features import FeaturePlan

    usual = ("1m", "5m", "15m") if base == "1m" else (base,)
    chosen = tuple(part.strip() for part in timeframes.split(",")) if timeframes else usual
    return FeaturePlan.build(base=base, timeframes=chosen, set=set_, add=add, remove=remove, needs=())


def _described(feature: "Feature", base: str, warmup: int) -> dict[str, Any]:
    spec = feature.spec
    return {
        "name": feature.name,
        "family": spec.family,
        "timeframe": str(feature.timeframe or base),
        "params": feature.params.model_dump(),
        "version": spec.version,
        "warm-up": warmup,
        "inputs": list(spec.inputs),
        "unit": spec.unit,
        "scale": feature.scale,
        "formula": spec.formula,
        "source": spec.source,
    }


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownVariableType]


class _Line:
    """Progress on one line of a terminal; silent elsewhere."""

    def update(self, done: int, total: int, note: str = "") -> None:
        import sys

        if sys.stderr.isatty():
            print(f"\r\x1b[K{done:,} of {total:,} {note}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        import sys

        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr)
