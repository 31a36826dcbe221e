"""All guards on a train, a validation and a test block at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from barmill.evaluation.leakage.dossier import Dossier
from barmill.evaluation.leakage.frames import as_matrix
from barmill.evaluation.leakage.guards import (
    FeatureTargetLeakageScanner,
    GuardReport,
    NormalizationLeakageDetector,
    TemporalOrderValidator,
    reported,
)
from barmill.evaluation.leakage.running import run_leakage_checks

MANY_STRATEGIES = 20  # tried without a word of it, from which on the best of them says little


@dataclass(frozen=True, slots=True)
class GuardSummary:
    """The reports of all guards.

    Parameters
    ----------
    reports : in the order in which the guards ran
    strict : whether a warning is a failure too
    """

    reports: tuple[GuardReport, ...]
    strict: bool = True
    printer: Any = field(default=print, repr=False, compare=False)

    @property
    def failures(self) -> tuple[GuardReport, ...]:
        """The guards that did not pass."""
        return tuple(one for one in self.reports if one.applicable and not self._passes(one))

    @property
    def critical_failures(self) -> tuple[GuardReport, ...]:
        """The guards that found what cannot happen honestly."""
        return tuple(one for one in self.failures if one.severity == "critical")

    @property
    def all_passed(self) -> bool:
        """Whether no guard failed; one that did not apply has neither passed nor failed."""
        return not self.failures

    def summary(self) -> dict[str, Any]:
        """Counts by name: total, passed, failed, critical, not_applicable; and whether all passed."""
        skipped = sum(not one.applicable for one in self.reports)
        return {
            "total": len(self.reports),
            "passed": len(self.reports) - skipped - len(self.failures),
            "failed": len(self.failures),
            "critical": len(self.critical_failures),
            "not_applicable": skipped,
            "all_passed": self.all_passed,
        }

    def lines(self) -> list[str]:
        """The report, a line for each guard."""
        words = [(self._word(one), one) for one in self.reports]
        counts = self.summary()
        head = f"leakage guards: {counts['passed']} passed, {counts['failed']} failed, {counts['not_applicable']} not applicable"
        return [head, *(f"  {word:<14} {one.check_name}: {one.message}" for word, one in words)]

    def print_report(self) -> None:
        """Print `lines()`."""
        self.printer("\n".join(self.lines()))

    def _passes(self, report: GuardReport) -> bool:
        return report.passed and not (self.strict and report.severity == "warning")

    def _word(self, report: GuardReport) -> str:
        if not report.applicable:
            return "not applicable"
        return "passed" if self._passes(report) else "CRITICAL" if report.severity == "critical" else "failed"


@dataclass(frozen=True, slots=True)
class LeakageGuardSuite:
    """All guards with one call.

    Parameters
    ----------
    min_embargo_bars : see `TemporalOrderValidator`
    correlation_threshold : see `FeatureTargetLeakageScanner`
    strict : whether a warning is a failure, and rows out of order within a block are one
    """

    min_embargo_bars: int = 0
    correlation_threshold: float = 0.95
    strict: bool = True

    def run_all_checks(
        self,
        X_train: object,
        X_val: object,
        X_test: object,
        y_train: object,
        y_val: object,
        y_test: object,
        train_times: object | None = None,
        val_times: object | None = None,
        test_times: object | None = None,
        scaler: object | None = None,
        n_strategies_tested: int | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> GuardSummary:
        """Order and embargo of the blocks, features against targets, rows in two blocks, the scaler, and how often was tried.

        Arrays, pandas and Polars frames alike. `n_strategies_tested` is a reminder: what counts is the ledger.
        Raises: ShapeError for arrays that do not fit.
        """
        names, train = as_matrix(X_train, "X_train", None if feature_names is None else tuple(feature_names))
        parts = [train, *(as_matrix(values, place, names)[1] for values, place in ((X_val, "X_val"), (X_test, "X_test")))]
        scan = FeatureTargetLeakageScanner(self.correlation_threshold).scan
        normal = NormalizationLeakageDetector().detect
        reports = [
            self._order(train_times, val_times, test_times),
            scan(train, y_train, names),
            self._apart(names, parts),
            normal(train, parts[2], scaler),
            _trials(n_strategies_tested),
        ]
        return GuardSummary(tuple(reports), self.strict)

    def _order(self, train_times: object | None, val_times: object | None, test_times: object | None) -> GuardReport:
        if train_times is None or test_times is None:
            return GuardReport("temporal order", True, "no times were given", applicable=False)
        return TemporalOrderValidator(self.min_embargo_bars, self.strict).validate(train_times, val_times, test_times)

    def _apart(self, names: tuple[str, ...], parts: list[np.ndarray]) -> GuardReport:
        """Rows that stand in two blocks, and columns that tell which block they are in."""
        edges = np.cumsum([0, *(len(part) for part in parts)])
        blocks = {name: np.arange(edges[k], edges[k + 1]) for k, name in enumerate(("train", "validation", "test"))}
        dossier = Dossier(columns=names, X=np.vstack(parts), blocks=blocks)
        return reported("blocks apart", run_leakage_checks(dossier, ("L205", "L213")).results)


def _trials(n_strategies_tested: int | None) -> GuardReport:
    """A word on how much was tried: the best of many is good by chance."""
    name = "number of trials"
    if n_strategies_tested is None:
        return GuardReport(name, True, "nobody said how many strategies were tried", applicable=False)
    if n_strategies_tested < MANY_STRATEGIES:
        return GuardReport(name, True, f"{n_strategies_tested} tried", details={"n_strategies_tested": n_strategies_tested})
    message = f"{n_strategies_tested} strategies were tried: judge the best by its deflated Sharpe ratio, not by its own"
    return GuardReport(name, True, message, "warning", {"n_strategies_tested": n_strategies_tested})


__all__ = ["GuardSummary", "LeakageGuardSuite"]
