"""`barmill features report`: a page that shows what the features of a set look like on a file of bars."""

from pathlib import Path
from typing import Annotated, Any

import typer

from barmill.cli.feature_plan import Add, Anchor, Remove, SetName, Symbol, Timeframes, plan_for


def feature_report(
    bars: Annotated[Path, typer.Argument(help="A file of bars.")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("features.html"),
    set_: SetName = "core",
    timeframes: Timeframes = None,
    add: Add = None,
    remove: Remove = None,
    anchor: Anchor = "epoch",
    train: Annotated[float, typer.Option(help="Share of the bars that is train; what comes after is test.", min=0.01, max=0.99)] = 0.7,
    symbol: Symbol = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the flags of every feature as JSON.")] = False,
) -> None:
    """Draw the features of a set: distribution, stationarity, memory, likeness, missing rows, and drift from train to test.

    Train is the first part of the bars by time. Features that learn do so on it alone. The page is one file that loads nothing.
    """
    import json

    import numpy as np

    from barmill.artefacts import write_bytes
    from barmill.cli.progress_line import ProgressLine
    from barmill.console import FeatureSubject, render_features
    from barmill.evaluation import feature_flags, profile_features
    from barmill.features import warm_kernels
    from barmill.market import Bars

    read = Bars.read(bars, symbol=symbol)
    plan = plan_for(read, set_, timeframes, add, remove, anchor)
    cut = max(1, int(train * len(read)))
    before, after = np.arange(cut), np.arange(cut, len(read))
    progress = ProgressLine()
    try:
        warm_kernels(progress, plan.features)
        table = (plan.fit(read, [(0, cut - 1)], progress) if plan.unfitted else plan).compute(read, progress)
        profile = profile_features(table.values, table.names, before, after, progress)
    finally:
        progress.end()
    subject = FeatureSubject(set_, set_, read.instrument.symbol, str(read.timeframe), read.open_time, before, after)
    write_bytes(out, render_features(profile, subject))
    flags = feature_flags(profile)
    flagged: dict[str, Any] = {name: {flag.kind.code: flag.evidence for flag in own} for name, own in flags.items()}
    if json_:
        print(json.dumps({"file": str(out), "bars": len(read), "features": flagged}, indent=2))
        return
    print(f"{out}: {len(flagged)} features of {len(read):,} bars, {sum(map(bool, flagged.values()))} of them flagged")
