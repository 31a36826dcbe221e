"""`barmill parity`: the graphs of a bundle beside the bundle itself, on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from barmill.bundles import Bundle
    from barmill.bundles.parity_record import ParityReport


def parity(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle's version, or of a model (its current version).")],
    bars: Annotated[Path | None, typer.Option(help="Real bars to compare on too; quantised graphs are then judged by what came.")] = None,
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
    rows: Annotated[int, typer.Option(help="Rows of bars and of drawn numbers; ten times as many where trees decide.", min=10)] = 2000,
    second_rows: Annotated[
        int | None, typer.Option(help="Rows for the second runtime, which takes long: 64, or 16 of trees, if nothing is said.", min=1)
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the report as JSON, with the recorded one beside it.")] = False,
) -> None:
    """Run the ONNX graphs in a bundle and the bundle on the same rows, and compare, also with the parity that the bundle records.

    Rows: the golden samples, --bars, numbers drawn over what training reached, split thresholds and one step to either side, batches of
    1, 7 and 64, and a second runtime. Exit code 1 if a graph or its record fails; the row that differs most is named.

    Example: barmill parity runs/quickstart/bundle/lightgbm --bars bars.parquet
    """
    import json

    from barmill.bundles import Bundle
    from barmill.bundles.bars_for import read_bars_for
    from barmill.bundles.parity_record import check_parity
    from barmill.cli.exit_codes import FAILED
    from barmill.errors import BundleError
    from barmill.export.parity import measure

    loaded = Bundle.load(bundle)
    if not loaded.graphs:
        raise BundleError(str(loaded.folder), "has no graphs", mend=f"Write them with 'barmill export {bundle}'.")
    offered = None if bars is None else read_bars_for(loaded, bars, symbol)
    report = measure(loaded, loaded.graphs, bars=offered, n_rows=rows, n_threshold_rows=10 * rows, n_second_rows=second_rows)
    recorded: Any = loaded.part("parity")
    problems = [str(problem) for problem in check_parity(loaded.graphs, recorded, f"{loaded.folder}/parity.json")]
    if json_:
        content = {"measured": report.to_json(), "recorded": recorded, "problems": problems, "passed": report.passed and not problems}
        print(json.dumps(content, indent=2))
    else:
        _print(loaded, report, problems)
    if problems or not report.passed:
        raise typer.Exit(FAILED)


def _print(bundle: "Bundle", report: "ParityReport", problems: "Sequence[str]") -> None:
    from barmill.cli.plain_table import print_table
    from barmill.export.parity_words import HEADINGS, fault_lines, table_rows

    print_table(HEADINGS, table_rows(report))
    for graph in report.graphs:
        for sentence in graph.told:
            print(f"{graph.name}: {sentence}")
        if graph.outcomes is not None:
            print(f"{graph.name}: on {graph.outcomes.rows:,} rows with outcomes {_worth(graph.outcomes)}")
    print()
    for line in [*fault_lines(report), *(f"recorded: {problem}" for problem in problems)]:
        print(f"error: {line}")
    good = report.passed and not problems
    print(f"{'parity holds' if good else 'PARITY FAILS'}: {bundle.manifest.name} {bundle.manifest.version}, {len(report.graphs)} graphs")


def _worth(outcomes: Any) -> str:
    pairs = {name: getattr(outcomes, name) for name in ("auc", "ic", "coverage")}
    return ", ".join(f"{name} {pair[1]:.4f} (the bundle {pair[0]:.4f})" for name, pair in pairs.items() if pair is not None)


__all__ = ["parity"]
