"""What an audit of features found: objects with stable codes, and the report of a whole audit."""

from dataclasses import dataclass
from typing import Any, Literal

from barmill.artefacts import without_nan

Severity = Literal["error", "warning", "info"]

# Codes are forever: a code that is no longer used is not given to another finding.
AUDIT_CODES = {
    "F101": "sees later bars",
    "F102": "sees the whole sample",
    "F103": "depends on how many bars there are",
    "F104": "not reproducible",
    "F105": "wrong number of rows",
    "F106": "columns change with the bars",
    "F107": "fails on fewer bars",
    "F108": "looks back further than stated",
    "F109": "never has a value",
}
SEVERITIES: dict[str, Severity] = {"F108": "warning", "F109": "info"}


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that is wrong with a feature, or with the table as a whole.

    Parameters
    ----------
    code, severity : stable code, of AUDIT_CODES; a finding that is an "error" fails the audit
    feature : the column, empty where it concerns the whole table
    found : what is wrong, in words
    cause : what most likely does it, in words; empty where nothing can be said
    row, time : the first bar whose value changed, and its open time such as "2023-03-14 14:30 UTC"; None where there is none
    without_future, with_future : its value given the bars up to `bars_given` alone, and given all
    bars_given : how many bars there were when the value was another one
    bars_ahead : how many bars the value sees ahead; None where it reaches to the end of the sample, or reaches nowhere
    at_least : whether `bars_ahead` is a lower bound
    source : file and line of what computes it, for Barmill's own features
    """

    code: str
    severity: Severity
    feature: str
    found: str
    cause: str = ""
    row: int | None = None
    time: str | None = None
    without_future: float | None = None
    with_future: float | None = None
    bars_given: int | None = None
    bars_ahead: int | None = None
    at_least: bool = False
    source: str = ""

    @property
    def name(self) -> str:
        """The name of the code."""
        return AUDIT_CODES[self.code]

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN becomes null."""
        fields = ("code", "name", "severity", "feature", "found", "cause", "row", "time")
        values = ("without_future", "with_future", "bars_given", "bars_ahead", "at_least", "source")
        return without_nan({name: getattr(self, name) for name in (*fields, *values)})


def audit_finding(code: str, feature: str, found: str, **more: Any) -> AuditFinding:
    """An `AuditFinding` whose severity follows from its code, unless it is given."""
    severity = more.pop("severity", SEVERITIES.get(code, "error"))
    return AuditFinding(code, severity, feature, found, **more)


@dataclass(frozen=True, slots=True)
class FeatureAudit:
    """The result of an audit.

    Parameters
    ----------
    target : what was audited
    n_bars : bars that it was audited on
    features : its columns, in order
    n_cuts, n_futures : how often it was computed on fewer bars, and on bars with another future
    rtol : the tolerance; 0 where the bits were compared
    findings : what is wrong, errors first
    notes : what else should be known
    """

    target: str
    n_bars: int
    features: tuple[str, ...]
    n_cuts: int
    n_futures: int
    rtol: float
    findings: tuple[AuditFinding, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not any(finding.severity == "error" for finding in self.findings)

    @property
    def clean(self) -> tuple[str, ...]:
        """The features of which nothing wrong was found; empty if the table as a whole is wrong."""
        errors = [finding.feature for finding in self.findings if finding.severity == "error"]
        return () if "" in errors else tuple(name for name in self.features if name not in errors)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        head = {"target": self.target, "ok": self.ok, "bars": self.n_bars, "features": len(self.features), "clean": len(self.clean)}
        work = {"cuts": self.n_cuts, "futures": self.n_futures, "rtol": self.rtol, "notes": list(self.notes)}
        return {**head, **work, "findings": [finding.to_json() for finding in self.findings]}


__all__ = ["AUDIT_CODES", "AuditFinding", "FeatureAudit", "Severity", "audit_finding"]
