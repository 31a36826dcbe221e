"""`barmill compare`: the models of one run, or of several, side by side."""

from pathlib import Path
from typing import Annotated, Any

import typer


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN ...", help="Folders of finished runs.")],
    json_: Annotated[bool, typer.Option("--json", help="Print the leaderboard as JSON, with the tests of every pair.")] = False,
) -> None:
    """Rank models by what is significant: those that no paired test tells apart share a rank.

    One run shows its own leaderboard. Several on the same bars and labels are tested on the rows that they share; others stand
    side by side without ranks, with what differs between them.

    Example: barmill compare runs/crypto-1m runs/h30
    """
    import json

    from barmill.pipeline import compare_runs

    board = compare_runs(runs)
    if json_:
        print(json.dumps(board, indent=2, ensure_ascii=False))
    else:
        _print(board)


def _print(board: dict[str, Any]) -> None:
    from barmill.cli.terminal import output_console
    from barmill.console import leaderboard_notes

    output_console().print(_table(board))
    for note in leaderboard_notes(board):
        print(note)


def _table(board: dict[str, Any]) -> object:
    from rich.table import Table

    from barmill.console import leaderboard_rows

    headings, rows = leaderboard_rows(board)
    table = Table(title=", ".join(board["runs"]), title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading.replace(" ", "\n"), justify="left" if number in (0, 1) else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table
