"""`barmill audit RUN`, by its output and exit codes, on folders that hold what a run leaves."""

import json

import pytest
from typer.testing import CliRunner

from barmill.cli.__main__ import app
from barmill.cli.run_audit import run_lines
from barmill.errors import DataError

FINDING = {
    "code": "L209",
    "severity": "critical",
    "column": "ahead",
    "bar": 1_234,
    "time": "2024-01-02 10:00 UTC",
    "reason": "it knows",
    "evidence": {},
    "page": "docs/reference/leakage-findings.md#l209",
}


def leakage(findings, allowed=()):
    counts = {"passed": 15, "failed": len(findings), "not applicable": 1}
    return {"ok": not findings, "critical": len(findings), "counts": counts, "checks": [], "findings": findings, "allowed": list(allowed)}


@pytest.fixture
def run_folder(tmp_path):
    """A run folder with a judgement and the fingerprint of its bars."""

    def made(**judgement):
        (tmp_path / "metrics").mkdir(exist_ok=True)
        (tmp_path / "metrics" / "judgement.json").write_text(json.dumps({"format": 1, **judgement}))
        (tmp_path / "fingerprints.json").write_text(json.dumps({"data": "ab12"}))
        return tmp_path

    return made


def audit(folder, *more):
    return CliRunner().invoke(app, ["audit", str(folder), *more], catch_exceptions=False)


def test_a_critical_finding_ends_with_exit_code_1(run_folder):
    said = audit(run_folder(leakage=leakage([FINDING])))
    assert said.exit_code == 1
    assert "L209 critical ahead: it knows" in said.stdout
    assert "  first       bar 1,234, 2024-01-02 10:00 UTC" in said.stdout
    assert said.stdout.rstrip().endswith("this run is NOT to be trusted as it stands")


def test_one_that_the_recipe_allows_is_told_with_its_reason(run_folder):
    folder = run_folder(leakage=leakage([FINDING], [{"code": "L209", "reason": "a lead of a bar"}]))
    said = audit(folder)
    assert said.exit_code == 0
    assert "  allowed     a lead of a bar" in said.stdout
    assert json.loads(audit(folder, "--json").stdout)["stopping"] == []


def test_a_run_without_checks_is_not_passed(run_folder):
    said = audit(run_folder())
    assert said.exit_code == 1
    assert "leakage   no checks were made" in said.stdout


def test_what_is_left_after_all_trials_is_told():
    overfitting = {
        "pbo": {"pbo": 0.25, "n_configurations": 8, "words": "low"},
        "models": [{"name": "gru", "sharpe": 1.5, "dsr": 0.97, "words": "real"}, {"name": "mlp", "sharpe": None, "dsr": None}],
    }
    ledger = {"path": "x", "entries": 9, "problem": None, "judgement": {"trials": 4, "test_openings": 1}}
    lines = run_lines({"run": "runs/a", "ok": True, "leakage": leakage([]), "ledger": ledger, "overfitting": overfitting})
    assert "ledger    9 entries, whole; 4 trials and 1 openings of the test block" in lines
    assert "overfit   PBO 0.25 over 8 configurations: low" in lines
    assert "overfit   gru: Sharpe 1.50, DSR 0.97: real" in lines
    assert "overfit   mlp: undefined" in lines
    assert lines[-1] == "nothing was found that stops this run"


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="finished run"):
        audit(tmp_path)
