"""`barmill features`: what can be computed, and computing it from a file of bars."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from barmill.cli.feature_plan import Add, Anchor, Remove, SetName, Symbol, Timeframes, plan_for, split
from barmill.cli.feature_report import feature_report

if TYPE_CHECKING:
    from barmill.features import Feature, FeaturePlan
    from barmill.market import Bars, Timeframe

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OptionalSet = Annotated[str | None, typer.Option("--set", metavar="NAME", help="A feature set, such as core.")]


@app.command("list", epilog="Example: barmill features list --set core")
def list_(set_: OptionalSet = None, timeframes: Timeframes = None, json_: Json = False) -> None:
    """List every feature with usual parameters, or those of a set: family, timeframe, warm-up, inputs, formula, source.

    The numbers in a name are its parameters: rsi_28 is rsi with a window of 28 bars, rsi_28@1h the same on closed hours.
    """
    import json

    from barmill.features import FEATURES, Feature, usual_feature
    from barmill.market import Timeframe

    base = Timeframe.parse((split(timeframes) or ("1m",))[0])
    if set_ is None:
        features: tuple[Feature, ...] = tuple(map(usual_feature, FEATURES.values()))
        columns = tuple(feature.name for feature in features)
    else:
        plan = _plan(base, timeframes, set_)
        features, columns = plan.features, plan.names
    described = [_described(column, feature, base) for column, feature in zip(columns, features, strict=True)]
    if json_:
        print(json.dumps(described, indent=2, ensure_ascii=False))
        return
    headings = ("column", "feature", "family", "timeframe", "warm-up", "inputs", "unit", "formula", "source")
    rows = [[_cell(entry[heading]) for heading in headings] for entry in described]
    widths = [max(len(row[i]) for row in [list(headings), *rows]) for i in range(len(headings))]
    for row in [list(headings), ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print("\nWarm-up is in base bars. --json adds the parameters and the version of each.")


@app.command(epilog="Example: barmill features build FILUSDT_um_1m.parquet --out features.parquet --timeframes 1m,5m,1h")
def build(
    bars: Annotated[Path, typer.Argument(help="A file of bars.")],
    out: Annotated[Path, typer.Option(help="The file to write: .parquet, or .npy for the values alone.")],
    set_: SetName = "core",
    timeframes: Timeframes = None,
    add: Add = None,
    remove: Remove = None,
    anchor: Anchor = "epoch",
    fit_until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Features that learn do so on the bars before this time, such as 2023-10-01.")
    ] = None,
    float32: Annotated[bool, typer.Option("--float32", help="Write float32 instead of float64: half the size.")] = False,
    symbol: Symbol = None,
    json_: Json = False,
) -> None:
    """Compute features from a file of bars and write them as Parquet: a row per bar, known at its close_time.

    Rows of the warm-up are kept, as NaN, and counted.
    """
    import json
    import sys

    from barmill.cli.progress_line import ProgressLine
    from barmill.features import warm_kernels
    from barmill.market import Bars

    read = Bars.read(bars, symbol=symbol)
    plan = plan_for(read, set_, timeframes, add, remove, anchor)
    progress = ProgressLine()
    warm_kernels(progress, plan.features)
    if plan.unfitted:
        plan = _fitted(plan, read, fit_until)
    written = plan.write(read, out, dtype="float32" if float32 else "float64", progress=progress)
    progress.end()
    result = {
        "file": str(out),
        "bars": len(written.ready),
        "features": len(plan.names),
        "ready": int(written.ready.sum()),
        "not_ready": int((~written.ready).sum()),
        "warmup_bars": plan.warmup_bars,
        "schema_hash": plan.schema_hash,
    }
    if json_:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['file']}: {result['features']} features of {result['bars']:,} bars, schema {plan.schema_hash[:12]}")
    print(f"{result['not_ready']:,} rows are not ready (the warm-up is {plan.warmup_bars} bars)", file=sys.stderr)


app.command("report", epilog="Example: barmill features report FILUSDT_um_1m.parquet --set charter --out charter.html")(feature_report)


def _plan(base: "Timeframe", timeframes: str | None, set_: str) -> "FeaturePlan":
    from barmill.features import COLUMNS, FeaturePlan

    return FeaturePlan.build(base=base, timeframes=split(timeframes), set=set_, needs=(), sources=tuple(COLUMNS))


def _fitted(plan: "FeaturePlan", bars: "Bars", until: str | None) -> "FeaturePlan":
    """The plan with what it learns from the bars before `until`."""
    import numpy as np

    from barmill.errors import InputError

    names = ", ".join(feature.name for feature in plan.unfitted)
    if until is None:
        raise InputError("--fit-until", f"is not given, and {names} must be fitted", mend="Say up to when the training bars go.")
    try:
        end = np.datetime64(until, "ms").astype(np.int64)
    except ValueError as error:
        raise InputError("--fit-until", f"is '{until}'", expected="a time such as 2023-10-01 or 2023-10-01T12:00, UTC") from error
    count = int(np.searchsorted(bars.close_time, end, side="right"))
    return plan.fit(bars, [(0, count - 1)] if count else [])


def _described(column: str, feature: "Feature", base: "Timeframe") -> dict[str, Any]:
    spec = feature.spec
    return {
        "column": column,
        "feature": feature.name,
        "family": spec.family,
        "timeframe": str(feature.timeframe or base),
        "params": feature.params.model_dump(),
        "version": spec.version,
        "warm-up": feature.warmup_bars(base),
        "inputs": [*spec.inputs, *(arg.name for arg in feature.args)],
        "unit": spec.unit,
        "scale": feature.scale,
        "fitted": bool(feature.learned),
        "formula": spec.formula,
        "source": spec.source,
    }


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownVariableType]
