"""What `barmill audit RUN` says of a run: its leakage report, its ledger, and what is left of its best result after all trials."""

from pathlib import Path
from typing import Any

_SHOWN = 40


def audited_run(folder: Path) -> dict[str, Any]:
    """The audit of a run folder as plain values; `ok` says whether nothing stops it.

    Raises: DataError where the folder holds no judgement.
    """
    judgement = _judgement(folder)
    leakage = judgement.get("leakage")
    findings = (leakage or {}).get("findings", [])
    stopping = [one for one in findings if one["severity"] == "critical" and one["code"] not in _allowed(leakage)]
    ledger = _ledger(folder)
    return {
        "run": str(folder),
        "ok": leakage is not None and not stopping and ledger["problem"] is None,
        "leakage": leakage,
        "stopping": stopping,
        "ledger": {**ledger, "judgement": judgement.get("ledger")},
        "overfitting": judgement.get("overfitting"),
    }


def run_lines(audit: dict[str, Any]) -> list[str]:
    """The audit as people read it."""
    lines = [f"audited   {audit['run']}", *_leakage_lines(audit["leakage"]), *_ledger_lines(audit["ledger"])]
    lines += _overfitting_lines(audit["overfitting"])
    if audit["ok"]:
        return [*lines, "", "nothing was found that stops this run"]
    return [*lines, "", "this run is NOT to be trusted as it stands" if audit["leakage"] else "this run was made without leakage checks"]


def _judgement(folder: Path) -> dict[str, Any]:
    from barmill.artefacts import read_json
    from barmill.errors import DataError

    path = folder / "metrics" / "judgement.json"
    try:
        read = read_json(path)
    except (OSError, ValueError) as error:
        mend = "Name the folder of a finished run, or finish it with barmill train RECIPE --resume."
        raise DataError(str(path), "is not there, or is no JSON", mend=mend) from error
    if not isinstance(read, dict):
        raise DataError(str(path), "holds no judgement", expected="an object")
    return read


def _ledger(folder: Path) -> dict[str, Any]:
    """The run's ledger, verified line by line."""
    from barmill.errors import BarmillError, LedgerError
    from barmill.evaluation import Ledger, ledger_folder
    from barmill.pipeline import Run

    try:
        ledger = Ledger(ledger_folder(), Run(folder).fingerprints["data"])
    except (BarmillError, OSError, KeyError, ValueError) as error:
        return {"path": None, "entries": None, "problem": f"the run does not say which bars it is of: {error}"}
    try:
        return {"path": str(ledger.path), "entries": ledger.verify(), "problem": None}
    except LedgerError as error:
        return {"path": str(ledger.path), "entries": None, "problem": str(error)}


def _allowed(leakage: dict[str, Any] | None) -> dict[str, str]:
    """Code to reason of what the recipe lets pass."""
    return {one["code"]: one["reason"] for one in (leakage or {}).get("allowed", ())}


def _leakage_lines(leakage: dict[str, Any] | None) -> list[str]:
    if leakage is None:
        return ["leakage   no checks were made"]
    counts = leakage["counts"]
    lines = [f"leakage   {counts['passed']} checks passed, {counts['failed']} failed, {counts['not applicable']} not applicable"]
    allowed = _allowed(leakage)
    for finding in leakage["findings"][:_SHOWN]:
        column = f"{finding['column']}: " if finding["column"] else ""
        lines += ["", f"{finding['code']} {finding['severity']:<8} {column}{finding['reason']}"]
        if finding["bar"] is not None:
            lines.append(f"  first       bar {finding['bar']:,}" + (f", {finding['time']}" if finding["time"] else ""))
        if finding["code"] in allowed:
            lines.append(f"  allowed     {allowed[finding['code']]}")
        lines.append(f"  see         {finding['page']}")
    hidden = len(leakage["findings"]) - _SHOWN
    return [*lines, *(["", f"and {hidden} more; --json shows them all"] if hidden > 0 else [])]


def _ledger_lines(ledger: dict[str, Any]) -> list[str]:
    if ledger["problem"] is not None:
        return ["", f"ledger    {ledger['problem']}"]
    counts = ledger["judgement"] or {}
    counted = f"{counts['trials']} trials and {counts['test_openings']} openings of the test block" if "trials" in counts else ""
    if not ledger["entries"]:  # that of another machine, or of another BARMILL_LEDGER: there is nothing to verify here
        return ["", f"ledger    no entry at {ledger['path']}" + (f"; the run counted {counted}" if counted else "")]
    return ["", f"ledger    {ledger['entries']} entries, whole" + (f"; {counted}" if counted else "")]


def _overfitting_lines(overfitting: dict[str, Any] | None) -> list[str]:
    if overfitting is None:
        return ["overfit   not judged"]
    lines: list[str] = []
    pbo = overfitting.get("pbo")
    if pbo:
        lines.append(f"overfit   PBO {pbo['pbo']:.2f} over {pbo['n_configurations']} configurations: {pbo['words']}")
    for model in overfitting.get("models", ()):
        dsr, sharpe = model.get("dsr"), model.get("sharpe")
        shown = ", ".join(f"{name} {value:.2f}" for name, value in (("Sharpe", sharpe), ("DSR", dsr)) if value is not None)
        lines.append(f"overfit   {model['name']}: {shown or 'undefined'}: {model.get('words', '')}".rstrip(": "))
    return lines or ["overfit   nothing to judge"]
