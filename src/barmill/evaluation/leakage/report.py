"""What leakage checks say: findings with stable codes, results that tell passed from not applicable, and the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from barmill.artefacts import without_nan

Severity = Literal["critical", "warning", "info"]
Status = Literal["passed", "failed", "not applicable"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
PAGE = "docs/reference/leakage-findings.md"


@dataclass(frozen=True, slots=True)
class LeakageFinding:
    """One thing that leaks, or that looks as if it did.

    Parameters
    ----------
    code, severity : stable code (see `LEAKAGE_CHECKS`); critical only for what cannot happen honestly
    column : the column, or what was fitted, or the block; empty where it concerns the experiment as a whole
    bar, time : the first bar concerned and its close time such as "2023-03-14 14:30 UTC"; None where there is none
    reason : what is wrong, in words, with the figures
    evidence : the figures by name
    page : where the finding is explained
    """

    code: str
    severity: Severity
    column: str
    bar: int | None
    time: str | None
    reason: str
    evidence: Mapping[str, float | int | str]
    page: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN becomes null."""
        names = ("code", "severity", "column", "bar", "time", "reason", "evidence", "page")
        return without_nan({name: getattr(self, name) for name in names})


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check says.

    Parameters
    ----------
    code, name : of the check
    status : "failed" if it found anything; "not applicable" if the dossier lacks what it looks at, which is no "passed"
    severity : the worst of its findings; "info" where there is none
    message : one sentence: what was found, what was looked at, or what is missing
    """

    code: str
    name: str
    status: Status
    severity: Severity
    message: str
    findings: tuple[LeakageFinding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the findings."""
        head = {name: getattr(self, name) for name in ("code", "name", "status", "severity", "message")}
        return {**head, "findings": [finding.to_json() for finding in self.findings]}


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """The results of all checks that were asked for, in the order of their codes."""

    results: tuple[CheckResult, ...]

    @property
    def findings(self) -> tuple[LeakageFinding, ...]:
        """Everything that was found, worst first, in the order of the codes."""
        found = [finding for result in self.results for finding in result.findings]
        return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))

    @property
    def critical(self) -> tuple[LeakageFinding, ...]:
        """The findings that stop a run."""
        return tuple(finding for finding in self.findings if finding.severity == "critical")

    @property
    def ok(self) -> bool:
        """Whether nothing critical was found."""
        return not self.critical

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json` and judgement.json."""
        counts = {status: sum(result.status == status for result in self.results) for status in ("passed", "failed", "not applicable")}
        return {
            "ok": self.ok,
            "critical": len(self.critical),
            "counts": counts,
            "checks": [{name: value for name, value in result.to_json().items() if name != "findings"} for result in self.results],
            "findings": [finding.to_json() for finding in self.findings],
        }


def page_of(code: str) -> str:
    """Where the findings of `code` are explained."""
    return f"{PAGE}#{code.lower()}"


__all__ = ["SEVERITIES", "CheckResult", "LeakageFinding", "LeakageReport", "Severity", "Status", "page_of"]
