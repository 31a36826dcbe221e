"""Five guards for those who have arrays and no dossier: each fills one in and asks the checks that it can.

Every guard answers with a `GuardReport`; `LeakageGuardSuite` runs them all on a train, a validation and a test block.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from barmill.errors import InputError, ShapeError
from barmill.evaluation.leakage.dossier import Dossier, Float64Array, Int64Array
from barmill.evaluation.leakage.frames import as_matrix, as_times, as_vector
from barmill.evaluation.leakage.linkage import FEWEST, Links, links
from barmill.evaluation.leakage.report import CheckResult, LeakageFinding, Severity
from barmill.evaluation.leakage.running import run_leakage_checks
from barmill.evaluation.leakage.scaler_statistics import ScalerMismatch, compare_scaler
from barmill.evaluation.leakage.settings import LeakageSettings

FAMILY_ERROR = 1e-3


@dataclass(frozen=True, slots=True)
class GuardReport:
    """What one guard says.

    Parameters
    ----------
    check_name : of the guard
    passed : whether nothing critical was found; with `strict` of the suite, nothing at all
    message : one sentence
    severity : the worst of what was found; "info" where there is nothing
    details : figures by name; lists of findings as plain values
    applicable : False where what it looks at was not given; it then counts neither as passed nor as failed
    findings : with codes, as the checks gave them
    """

    check_name: str
    passed: bool
    message: str
    severity: Severity = "info"
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    applicable: bool = True
    findings: tuple[LeakageFinding, ...] = ()


def reported(name: str, results: Sequence[CheckResult], **details: Any) -> GuardReport:
    """The results of some checks as the report of one guard."""
    findings = tuple(one for result in results for one in result.findings)
    said = [result for result in results if result.status != "not applicable"]
    critical = [one for one in findings if one.severity == "critical"]
    first = next(iter([*critical, *findings]), None)
    message = first.reason if first else "; ".join(result.message for result in said or results)
    severity: Severity = "critical" if critical else first.severity if first else "info"
    return GuardReport(name, not critical, message, severity, {**details}, bool(said), findings)


@dataclass(frozen=True, slots=True)
class TemporalOrderValidator:
    """Are train, validation and test in order of time, and far enough apart?

    Parameters
    ----------
    min_embargo_bars : the least number of steps that must lie free between two blocks; a step is the commonest distance of times
    strict : whether times that go back within a block fail too
    """

    min_embargo_bars: int = 0
    strict: bool = True

    def validate(self, train_times: object, val_times: object | None = None, test_times: object | None = None) -> GuardReport:
        """Times of the rows of each block: datetimes, or integers that grow with time.

        Raises: InputError for fewer than two blocks.
        """
        given = {"train": train_times, "validation": val_times, "test": test_times}
        blocks = {name: as_times(times, f"{name}_times") for name, times in given.items() if times is not None}
        blocks = {name: times for name, times in blocks.items() if times.size}
        if len(blocks) < 2:
            raise InputError("validate", f"{len(blocks)} blocks with times", expected="two or three")
        step = _step(list(blocks.values()))
        origin = min(int(times.min()) for times in blocks.values())
        positions, start = dict[str, Int64Array](), 0
        for name, times in blocks.items():
            positions[name] = np.arange(start, start + times.size, dtype=np.int64)
            start += times.size
        every = np.concatenate(list(blocks.values()))
        bars = (every - origin) // step
        dossier = Dossier(t0=bars, t1=bars, known_at=every, blocks=positions, embargo_bars=self.min_embargo_bars)
        report = run_leakage_checks(dossier, ("L201", "L203", "L204"))
        results = report.results
        if not self.strict:  # rows out of order within a block are put up with; blocks out of order are not
            results = tuple(result if result.code != "L201" else _between_blocks(result) for result in results)
        return reported("temporal order", results, step=step)


def _between_blocks(result: CheckResult) -> CheckResult:
    kept = tuple(one for one in result.findings if one.column)
    return CheckResult(result.code, result.name, "failed" if kept else "passed", "critical" if kept else "info", result.message, kept)


def _step(blocks: Sequence[Int64Array]) -> int:
    """The commonest distance of neighbouring times within the blocks; 1 where there is none."""
    steps = np.concatenate([np.diff(np.sort(times)) for times in blocks])
    values, counts = np.unique(steps[steps > 0], return_counts=True)
    return int(values[np.argmax(counts)]) if values.size else 1


@dataclass(frozen=True, slots=True)
class FeatureTargetLeakageScanner:
    """Are there features that are the target, or that tell it better than is plausible?

    Parameters
    ----------
    correlation_threshold : a correlation with the target of this or more, either sign, is suspicious whatever else
    """

    correlation_threshold: float = 0.95

    def scan(self, X: object, y: object, feature_names: Sequence[str] | None = None) -> GuardReport:
        """Rows in order of time; `y` is a class or a return.

        `details["suspicious"]` holds for each feature `feature`, `type`, `correlation`, `reason` and `code`.
        Raises: ShapeError for arrays that do not fit.
        """
        names, values = as_matrix(X, "X", None if feature_names is None else tuple(feature_names))
        target = as_vector(y)
        if target.size != len(values):
            raise ShapeError("y", f"has {target.size} rows", expected=f"{len(values)}, as X")
        classes = np.unique(target[np.isfinite(target)])
        is_class = classes.size <= 3 and bool((classes == np.round(classes)).all())
        settings = LeakageSettings(correlation_threshold=self.correlation_threshold)
        if is_class:
            dossier = Dossier(columns=names, X=values, y=target.astype(np.int64))
        else:
            dossier = Dossier(columns=names, X=values, outcome=target)
        report = run_leakage_checks(dossier, ("L207", "L208"), settings=settings)
        suspicious = [
            {
                "feature": one.column,
                "type": {"L207": "is the target", "L208": "predicts too well"}[one.code],
                "correlation": one.evidence.get("correlation", _correlation(values[:, names.index(one.column)], target)),
                "reason": one.reason,
                "code": one.code,
            }
            for one in report.findings
        ]
        return reported("feature-target leakage", report.results, suspicious=suspicious)


def _correlation(one: Float64Array, other: Float64Array) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    return float(np.corrcoef(one[both], other[both])[0, 1])


@dataclass(frozen=True, slots=True)
class NormalizationLeakageDetector:
    """Has a scaler seen the test rows?"""

    def detect(self, X_train: object, X_test: object, scaler: object | None = None) -> GuardReport:
        """Hold the scaler's own numbers against those of the training rows, and of both blocks together.

        Parameters
        ----------
        X_train, X_test : the rows before scaling, or after: either is recognised
        scaler : scikit-learn's StandardScaler, RobustScaler, MinMaxScaler or MaxAbsScaler, Barmill's RobustScaler, or anything with such
            attributes. None looks at the values alone: whether they are standard over both blocks and not over training

        Raises: InputError for a scaler without numbers to look at; ShapeError for blocks that do not fit.
        """
        names, train = as_matrix(X_train, "X_train")
        _, test = as_matrix(X_test, "X_test", names)
        if scaler is None:
            positions = {"train": np.arange(len(train)), "test": np.arange(len(train), len(train) + len(test))}
            dossier = Dossier(columns=names, X=np.vstack([train, test]), blocks=positions)
            return reported("normalization leakage", run_leakage_checks(dossier, ("L210",)).results)
        mismatches = compare_scaler(scaler, train, test)
        if not mismatches:
            return GuardReport("normalization leakage", True, "the scaler's numbers are those of the training rows")
        first = mismatches[0]
        severity: Severity = "critical" if any(one.has_seen_test for one in mismatches) else "warning"
        listed = [_as_words(one, names) for one in mismatches]
        message = f"the {first.statistic} of {names[first.column]} is {first.held:.6g}: {first.words}"
        return GuardReport("normalization leakage", severity != "critical", message, severity, {"columns": listed})


def _as_words(one: ScalerMismatch, names: tuple[str, ...]) -> dict[str, Any]:
    numbers = {"held": one.held, "of_train": one.of_train, "of_all": one.of_all}
    return {"feature": names[one.column], "statistic": one.statistic, **numbers, "reason": one.words}


@dataclass(frozen=True, slots=True)
class LookAheadBiasDetector:
    """Are features linked to what comes more than to what has been?

    Parameters
    ----------
    future_corr_ratio : how many times the link to the past a link to the future may be, beyond chance
    lag_periods : rows over which the target is summed, ahead and back
    """

    future_corr_ratio: float = 2.0
    lag_periods: int = 10

    def detect(self, df: object, feature_cols: Sequence[str], target_col: str) -> GuardReport:
        """`target_col` is what happens in a row (a return); rows in order of time.

        A feature is suspicious if its correlation with the sum of the target over the next `lag_periods` rows, less three times its
        noise, is more than `future_corr_ratio` times that with the sum over the rows up to its own. Noise is that of circular shifts.
        Raises: InputError for columns that are not there, or too few rows.
        """
        names, values = as_matrix(df, "df")
        missing = [name for name in (*feature_cols, target_col) if name not in names]
        if missing:
            raise InputError("df", f"has no column '{missing[0]}'", expected=", ".join(names))
        target = np.nan_to_num(values[:, names.index(target_col)])
        if target.size < FEWEST + 2 * self.lag_periods:
            raise InputError("df", f"has {target.size} rows", expected=f"{FEWEST + 2 * self.lag_periods} or more")
        total = np.concatenate([[0.0], np.cumsum(target)])
        rows = np.arange(self.lag_periods - 1, target.size - self.lag_periods)
        ahead = total[rows + 1 + self.lag_periods] - total[rows + 1]
        back = total[rows + 1] - total[rows + 1 - self.lag_periods]
        columns = np.nan_to_num(values[rows][:, [names.index(name) for name in feature_cols]])
        future, past = links(columns, ahead, rows.size / self.lag_periods), links(columns, back, rows.size / self.lag_periods)
        beyond = future.beyond_chance(FAMILY_ERROR / max(1, len(feature_cols)))
        suspicious = [
            {"feature": name, "future_correlation": float(future.rho[k]), "past_correlation": float(past.rho[k])}
            for k, name in enumerate(feature_cols)
            if beyond[k] and self._exceeds(future.one(k), past.one(k))
        ]
        if not suspicious:
            message = f"no feature of {len(feature_cols)} is linked to the future more than to the past"
            return GuardReport("look-ahead bias", True, message, details={"suspicious": suspicious})
        first = suspicious[0]
        message = (
            f"{first['feature']} has a correlation of {first['future_correlation']:+.2f} with the next {self.lag_periods} rows and of "
            f"{first['past_correlation']:+.2f} with the last: it looks ahead"
        )
        return GuardReport("look-ahead bias", False, message, "critical", {"suspicious": suspicious})

    def _exceeds(self, future: Links, past: Links) -> bool:
        return bool(future.at_least(3.0)[0] > self.future_corr_ratio * abs(past.rho[0]))


__all__ = [
    "FeatureTargetLeakageScanner",
    "GuardReport",
    "LookAheadBiasDetector",
    "NormalizationLeakageDetector",
    "TemporalOrderValidator",
    "reported",
]
