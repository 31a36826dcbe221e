"""`barmill features report`: a page that shows what the features of a set look like on a file of bars."""

from pathlib import Path
from typing import Annotated, Any

import typer


def feature_report(
    bars: Annotated[Path, typer.Argument(help="A file of bars.")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("features.html"),
    set_: Annotated[str, typer.Option("--set", metavar="NAME", help="A feature set.")] = "core",
    timeframes: Annotated[str | None, typer.Option(metavar="1m,5m,...", help="Timeframes, the bars' own first.")] = None,
    add: Annotated[list[str] | None, typer.Option(metavar="FEATURE", help="One more feature, such as rsi_28@1h; may be repeated.")] = None,
    train: Annotated[float, typer.Option(help="Share of the bars that is train; what comes after is test.", min=0.01, max=0.99)] = 0.7,
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
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
    from barmill.features import FeaturePlan, warm_kernels
    from barmill.market import Bars

    read = Bars.read(bars, symbol=symbol)
    plan = FeaturePlan.build(
        base=read.timeframe,
        timeframes=[part.strip() for part in timeframes.split(",")] if timeframes else None,
        set=set_,
        add=add or (),
        needs=(),
        sources=read.frame.columns,
        calendar=read.instrument.calendar,
    )
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
