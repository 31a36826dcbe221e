"""A check: a pure function of a dossier, with the words that explain it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from barmill.evaluation.leakage.dossier import Dossier
from barmill.evaluation.leakage.report import SEVERITIES, CheckResult, LeakageFinding, Severity, page_of
from barmill.evaluation.leakage.settings import LeakageSettings
from barmill.market.times import utc_text


class Missing(Exception):
    """What a check needs and the dossier does not hold: no error, the check does not apply."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a check found, and what it looked at where it found nothing.

    message : one sentence on what was looked at
    findings : in the order in which they are told
    """

    message: str
    findings: tuple[LeakageFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class LeakageCheck:
    """One check, with what its page says of it.

    Parameters
    ----------
    code : stable; a code that is no longer used is not given to another check
    name : in words
    severity : the worst that it can find
    means : what a finding means
    found : how it is found
    false_alarms : how often a clean experiment is accused, and how that was made sure
    mend : what to do
    look : the check itself; raises `Missing` where it does not apply
    """

    code: str
    name: str
    severity: Severity
    means: str
    found: str
    false_alarms: str
    mend: str
    look: Callable[[Dossier, LeakageSettings], Looked]

    def __call__(self, dossier: Dossier, settings: LeakageSettings) -> CheckResult:
        """The result on `dossier`."""
        try:
            looked = self.look(dossier, settings)
        except Missing as missing:
            return CheckResult(self.code, self.name, "not applicable", "info", str(missing))
        if not looked.findings:
            return CheckResult(self.code, self.name, "passed", "info", looked.message)
        worst = min(looked.findings, key=lambda finding: SEVERITIES.index(finding.severity))
        more = f" (and {len(looked.findings) - 1} more)" if len(looked.findings) > 1 else ""
        return CheckResult(self.code, self.name, "failed", worst.severity, worst.reason + more, looked.findings)


def finding(
    code: str,
    severity: Severity,
    column: str,
    reason: str,
    *,
    bar: int | None = None,
    time_ms: int | None = None,
    evidence: Mapping[str, float | int | str] | None = None,
) -> LeakageFinding:
    """A `LeakageFinding` with its page; `time_ms` is the close of `bar`."""
    time = None if time_ms is None else utc_text(time_ms)
    return LeakageFinding(code, severity, column, bar, time, reason, dict(evidence or {}), page_of(code))


def need(dossier: Dossier, *names: str) -> None:
    """Raise `Missing` unless the dossier holds all of `names`."""
    lacking = [name for name in names if getattr(dossier, name) is None]
    if lacking:
        raise Missing(f"needs {_and(lacking)}, which nobody gave")


def need_values(dossier: Dossier) -> None:
    """Raise `Missing` unless there are values of columns."""
    if not dossier.has_values:
        raise Missing("needs the values of the columns, which nobody gave")


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


__all__ = ["LeakageCheck", "Looked", "Missing", "finding", "need", "need_values"]
