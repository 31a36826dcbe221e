"""`barmill demo`: the quickstart recipe on simulated bars, with what to try next."""

from pathlib import Path
from typing import Annotated

import typer


def demo(out: Annotated[Path, typer.Option(help="The run folder.")] = Path("runs/quickstart")) -> None:
    """Train three models on simulated bars, make a forecast, write a report, and say what to try next.

    Example: barmill demo
    """
    from barmill.cli.terminal import Terminal
    from barmill.factory import train
    from barmill.pipeline import recipe_file

    terminal = Terminal()
    terminal.said("Simulating a market with a known edge, training three models on it, and judging them on bars they never saw.")
    run = train(recipe_file("quickstart"), out=out, listener=terminal)
    terminal.result(run)
    bars = run.bars_file
    forecast = run.bundle.forecast(run.bars).frame.tail(1).to_dicts()[0]
    terminal.forecast(forecast)
    terminal.next_steps(run, bars)
