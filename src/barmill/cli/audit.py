"""`barmill audit`: does a table of features, ours or anybody's, look ahead? And is a finished run to be trusted?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from barmill.evaluation import AuditFinding, FeatureAudit, FeatureMaker
    from barmill.features import FeaturePlan
    from barmill.market import Bars

SIMULATED_BARS = 20_000
_SHOWN = 40  # findings that are printed in full; --json has them all

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN|PLAN|CALLABLE|COMMAND]",
        help="A run folder; a feature set, a recipe or a plan's JSON; module:function or file.py:function; or a command with {bars} and "
        "{features}.",
    ),
]


def audit(
    target: Target = None,
    bars: Annotated[Path | None, typer.Option(help="Bars to audit on; those of the recipe, or simulated ones, if left out.")] = None,
    command: Annotated[
        str | None, typer.Option(metavar="TEXT", help='A program of yours instead, such as "python make.py {bars} {features}".')
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="Files that the command reads and writes: parquet or csv.")] = "parquet",
    frame: Annotated[
        str | None, typer.Option(help="What the function takes, if its annotation does not say it: pandas, polars, dict or bars.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
    timeframes: Annotated[str | None, typer.Option(metavar="1m,5m,...", help="Timeframes of a feature set, the bars' own first.")] = None,
    history: Annotated[
        int | None, typer.Option(metavar="BARS", help="Most bars that a value looks back; windows are then audited, not the whole.", min=1)
    ] = None,
    rtol: Annotated[
        float | None,
        typer.Option(help="Relative difference that is none; left out: none for a plan, 1e-9 (float32: 1e-5) for others.", min=0),
    ] = None,
    cuts: Annotated[int, typer.Option(help="Further cuts of the whole, drawn at random.", min=0)] = 1,
    seed: Annotated[int, typer.Option(help="Of the cuts and the other futures that are drawn.", min=0)] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Recompute features on fewer bars, and on bars with another future, and name each that changes: it looks ahead.

    Of a run folder: what its leakage checks found, whether its ledger is whole, and what is left of its results after all trials.
    Your function takes a frame of bars and gives a frame or an array with a row per bar; your program reads a file of bars and writes
    one of features. Exit code 1 if anything is found, of a run anything critical that its recipe does not allow.

    Example: barmill audit features.py:make --bars FILUSDT_um_1m.parquet
    """
    import json

    from barmill.cli.exit_codes import FAILED
    from barmill.cli.progress_line import ProgressLine
    from barmill.evaluation import audit_features

    if command is None and target is not None and Path(target).is_dir():
        _audit_run(Path(target), json_=json_)
        return
    maker, on = _resolved(command or target, bars, symbol, timeframes, frame, format_, is_command=command is not None)
    progress = ProgressLine()
    try:
        report = audit_features(maker, on, rtol=rtol, seed=seed, cuts=cuts, history=history, progress=progress)
    finally:
        progress.end()
    print(json.dumps(report.to_json(), indent=2, ensure_ascii=False) if json_ else "\n".join(_lines(report)))
    if not report.ok:
        raise typer.Exit(FAILED)


def _audit_run(folder: Path, *, json_: bool) -> None:
    import json

    from barmill.cli.exit_codes import FAILED
    from barmill.cli.run_audit import audited_run, run_lines

    audit = audited_run(folder)
    print(json.dumps(audit, indent=2, ensure_ascii=False) if json_ else "\n".join(run_lines(audit)))
    if not audit["ok"]:
        raise typer.Exit(FAILED)


def _resolved(
    target: str | None, bars: Path | None, symbol: str | None, timeframes: str | None, frame: str | None, format_: str, *, is_command: bool
) -> "tuple[FeatureMaker, Bars]":
    """What is to be audited, and the bars."""
    from barmill.errors import InputError
    from barmill.evaluation import CallableTable, CommandTable, PlanTable

    if target is None:
        raise InputError("audit", "nothing to audit is named", expected="a run, a plan, a function or a command; see barmill audit --help")
    if is_command or "{bars}" in target:
        return CommandTable(target, format_), _bars(bars, symbol)
    path = Path(target)
    if path.suffix in (".yaml", ".yml"):
        plan, on = _of_recipe(path, bars, symbol)
        return PlanTable(_fitted(plan, on), target), on
    if path.suffix == ".json":
        return PlanTable(_of_file(path), target), _bars(bars, symbol)
    if ":" in target:
        return CallableTable.load(target, frame), _bars(bars, symbol)
    on = _bars(bars, symbol)
    return PlanTable(_fitted(_of_set(target, on, timeframes), on), target), on


def _bars(bars: Path | None, symbol: str | None) -> "Bars":
    from barmill.market import Bars, simulate

    return Bars.read(bars, symbol=symbol) if bars is not None else simulate(SIMULATED_BARS, seed=0).bars


def _of_recipe(path: Path, bars: Path | None, symbol: str | None) -> "tuple[FeaturePlan, Bars]":
    from barmill.pipeline import read_recipe
    from barmill.pipeline.inputs import gather_inputs

    inputs = gather_inputs(read_recipe(path), bars, symbol, path.parent)
    return inputs.plan, inputs.bars


def _of_file(path: Path) -> "FeaturePlan":
    import json

    from barmill.errors import InputError
    from barmill.features import FeaturePlan

    try:
        return FeaturePlan.from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"no readable plan: {error}", mend="Give what `plan.to_json()` wrote, as JSON.") from error


def _of_set(name: str, bars: "Bars", timeframes: str | None) -> "FeaturePlan":
    """The plan of a set, or of single features such as rsi_14,macd_12_26_9@5m."""
    from barmill.cli.feature_plan import plan_for
    from barmill.errors import InputError, nearest
    from barmill.features import FEATURES, FeaturePlan, parse_feature, set_names

    if name in set_names():
        return plan_for(bars, name, timeframes, (), (), "epoch")
    if name.split("@")[0].split("(")[0].rstrip("_.0123456789") not in FEATURES:
        known = (*set_names(), *FEATURES)
        found = "is no feature set or feature, file of a recipe or a plan, function (module:function) or command"
        raise InputError(f"'{name}'", found, mend=nearest(name, known) if len(name) > 2 else "")
    return FeaturePlan(bars.timeframe, (parse_feature(name, bars.timeframe),), calendar=bars.instrument.calendar)


def _fitted(plan: "FeaturePlan", bars: "Bars") -> "FeaturePlan":
    """What features learn, they learn from the first half here; that is no leak, since a plan carries it along."""
    return plan.fit(bars, [(0, len(bars) // 2 - 1)]) if plan.unfitted else plan


def _lines(report: "FeatureAudit") -> list[str]:
    compared = "to the bit" if report.rtol == 0 else f"within {report.rtol:g} of the size of a value"
    lines = [
        f"audited   {report.target}",
        f"on        {report.n_bars:,} bars; {report.n_cuts} times on fewer bars, {report.n_futures} times with another future; "
        f"compared {compared}",
        *(f"note      {note}" for note in report.notes),
        f"features  {len(report.features)}, of which {len(report.clean)} are clean",
    ]
    for finding in report.findings[:_SHOWN]:
        lines += ["", *_finding_lines(finding)]
    if len(report.findings) > _SHOWN:
        lines += ["", f"and {len(report.findings) - _SHOWN} more; --json shows them all"]
    return [*lines, "", "no look-ahead was found" if report.ok else "LOOK-AHEAD or another fault was found"]


def _finding_lines(finding: "AuditFinding") -> list[str]:
    what = f"{finding.feature}: {finding.found}" if finding.feature else finding.found
    lines = [f"{finding.code} {finding.severity:<8} {what}"]
    if finding.cause:
        lines.append(f"  likely      {finding.cause}")
    if finding.row is not None:
        lines.append(f"  first       row {finding.row:,}, {finding.time}")
    if finding.with_future is not None:
        given = f"{finding.bars_given:,} bar{'' if finding.bars_given == 1 else 's'}"
        lines.append(f"  value       {finding.without_future!r} given {given}, {finding.with_future!r} given all")
    if finding.source:
        lines.append(f"  computed    {finding.source}")
    return lines
