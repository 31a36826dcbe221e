"""`barmill report`: make the report of a run again."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    out: Annotated[Path | None, typer.Option(help="Where to write it; report.html in the run folder if left out.")] = None,
) -> None:
    """Make the report of a run again, and the page of its features beside it, from what is in the folder; nothing is judged anew.

    Example: barmill report runs/crypto-1m
    """
    from barmill.artefacts import write_bytes
    from barmill.console import render_pages

    place = out or run / "report.html"
    for name, page in render_pages(run).items():
        written = place if name == "report.html" else place.parent / name
        write_bytes(written, page)
        print(written)
