"""`barmill report`: make the report of a run again."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    out: Annotated[Path | None, typer.Option(help="Where to write it; report.html in the run folder if left out.")] = None,
) -> None:
    """Make the report of a run again, from the figures in its folder; nothing is computed or judged anew.

    Example: barmill report runs/crypto-1m
    """
    from barmill.artefacts import write_bytes
    from barmill.console import render_report

    place = out or run / "report.html"
    write_bytes(place, render_report(run))
    print(place)
