"""Columns whose maker is at hand: made again on fewer bars, and on bars with another future, by the audit."""

from barmill.evaluation.audit.auditing import FEWEST_BARS, audit_features
from barmill.evaluation.leakage.check import Looked, Missing, finding, need
from barmill.evaluation.leakage.dossier import Dossier
from barmill.evaluation.leakage.report import LeakageFinding, Severity
from barmill.evaluation.leakage.settings import LeakageSettings

_SEVERITY: dict[str, Severity] = {"error": "critical", "warning": "warning", "info": "info"}
LOOK_AHEAD = ("F101", "F102", "F103")


def look_at_prefixes(dossier: Dossier, settings: LeakageSettings) -> Looked:
    """Columns whose values change when later bars are taken away, or are others."""
    need(dossier, "feature_maker", "bars")
    assert dossier.feature_maker is not None
    assert dossier.bars is not None
    bars = dossier.bars.slice(0, min(len(dossier.bars), settings.audit_bars))
    if len(bars) < FEWEST_BARS:
        raise Missing(f"needs {FEWEST_BARS} bars or more to make the columns on")
    audit = audit_features(dossier.feature_maker, bars, seed=settings.seed)
    findings: list[LeakageFinding] = []
    for told in audit.findings:
        if told.severity == "info":
            continue
        # what is no look-ahead (random numbers, a missing row) is a fault of the code, and the audit's own page explains it
        severity = _SEVERITY[told.severity] if told.code in LOOK_AHEAD else "warning"
        cause = f": {told.cause}" if told.cause else ""
        values = {} if told.without_future is None else {"value_then": told.without_future, "value_now": told.with_future or 0.0}
        evidence: dict[str, float | int | str] = {"audit_code": told.code, **values}
        if told.bars_ahead is not None:
            evidence["bars_ahead"] = told.bars_ahead
        time = None if told.row is None else int(bars.close_time[told.row])
        findings.append(finding("L206", severity, told.feature, f"{told.found}{cause}", bar=told.row, time_ms=time, evidence=evidence))
    looked = f"{len(audit.features)} columns kept their values on fewer bars ({audit.n_cuts} cuts) and with {audit.n_futures} other futures"
    return Looked(looked, tuple(findings))


__all__ = ["look_at_prefixes"]
