"""A calibration for each regime: a model may be too sure of itself in a calm market and too timid in a wild one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import BundleError, ForecastError, ShapeError, SplitError
from barmill.uncertainty.calibration import CLASSES, Calibration, fit_calibration
from barmill.uncertainty.checked import logit_array

Float64Array = npt.NDArray[np.float64]

LEAST_ROWS = 500  # rows of a regime that are worth a calibration of its own; labels that overlap ask for more


@dataclass(frozen=True, slots=True)
class RegimeRows:
    """One regime of the calibration rows.

    regime : int, as it stands in the rows
    n_rows : int, calibration rows in it
    calibration : its own, or None where it had too few rows, or none of some class, and the pooled one serves it
    """

    regime: int
    n_rows: int
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class RegimeCalibration:
    """A calibration by regime, and a pooled one for the regimes that had too few rows and for those that never came.

    pooled : fitted on all rows
    regimes : what came, in ascending order of the regime
    least_rows : int, fewer are too few

    The order of two forecasts is kept inside a regime, where its calibrators keep it, and not between regimes.
    """

    pooled: Calibration
    regimes: tuple[RegimeRows, ...]
    least_rows: int

    @property
    def methods(self) -> tuple[str, ...]:
        return self.pooled.methods

    def of(self, regime: int) -> Calibration:
        """The calibration that serves rows of `regime`."""
        for rows in self.regimes:
            if rows.regime == regime:
                return rows.calibration or self.pooled
        return self.pooled

    def apply(self, logits: npt.ArrayLike, regimes: npt.ArrayLike) -> Float64Array:
        """Probabilities as `Calibration.apply` gives them, each row by its own regime.

        regimes : integers of shape (n,), or whole floats as they stand in a plan's column

        A row's result depends on that row alone. Raises: ShapeError for arrays that do not fit, ForecastError for a logit that is not
        finite or a regime that is no whole number.
        """
        scores, groups = np.asarray(logits, dtype=np.float64), np.asarray(regimes)
        if groups.ndim != 1 or scores.shape[:1] != groups.shape:
            raise ShapeError("regimes", f"have shape {groups.shape}", expected=f"one for each of the rows of {scores.shape}")
        present = [groups.item()] if groups.size == 1 else np.unique(groups).tolist()
        for regime in present:
            if not float(regime).is_integer():
                raise ForecastError(f"regime row {int(np.argmax(groups != np.round(groups)))}", f"is {regime}", expected="a whole number")
        if len(present) == 1:
            return self.of(int(present[0])).apply(scores)
        p = np.empty(scores.shape)
        for regime in present:
            rows = groups == regime
            p[rows] = self.of(int(regime)).apply(scores[rows])
        return p

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact: `from_json` gives the same value to the bit."""
        regimes = [
            {
                "regime": rows.regime,
                "n_rows": rows.n_rows,
                "calibration": None if rows.calibration is None else rows.calibration.to_json(),
            }
            for rows in self.regimes
        ]
        return {"least_rows": self.least_rows, "pooled": self.pooled.to_json(), "regimes": regimes}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RegimeCalibration":
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        try:
            pooled = Calibration.from_json(value["pooled"])
            regimes = tuple(_rows_from_json(rows) for rows in value["regimes"])
            least_rows = int(value["least_rows"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BundleError("calibrator by regime", f"cannot be read: {error!r}", mend="Build the bundle again.") from error
        names = [rows.regime for rows in regimes]
        classes = {pooled.n_classes, *(rows.calibration.n_classes for rows in regimes if rows.calibration is not None)}
        if names != sorted(set(names)) or len(classes) != 1:
            found = f"regimes {names} of {sorted(classes)} classes"
            raise BundleError("calibrator by regime", found, expected="each regime once, ascending, all of the same classes")
        return cls(pooled, regimes, least_rows)


def fit_regime_calibration(
    methods: Sequence[str],
    logits: npt.ArrayLike,
    y: npt.ArrayLike,
    n_classes: int,
    regimes: npt.ArrayLike,
    least_rows: int = LEAST_ROWS,
) -> RegimeCalibration:
    """Fit `methods` on the rows of each regime, and once on all of them, on validation rows: as `fit_calibration`, which see.

    A regime with fewer than `least_rows` rows, or without a row of some class that the methods need, has no calibration of its own.

    Parameters
    ----------
    methods, logits, y, n_classes : as in `fit_calibration`
    regimes : integers of shape (n,), the regime known when each forecast is made
    least_rows : int, at least 1

    Raises: as `fit_calibration`; ShapeError for regimes that are no whole numbers or do not fit.
    """
    if least_rows < 1:
        raise ShapeError("least_rows", f"is {least_rows}", expected="1 or more")
    if n_classes not in CLASSES:
        raise ShapeError("n_classes", f"is {n_classes}", expected="2, 3 or 5")
    scores, came, groups = logit_array(logits, n_classes), np.asarray(y), np.asarray(regimes)
    if groups.shape != scores.shape[:1] or not np.isfinite(groups).all() or (groups != np.round(groups)).any():
        raise ShapeError("regimes", f"of shape {groups.shape}", expected=f"a whole number for each of {scores.shape[0]} rows")
    pooled = fit_calibration(methods, scores, came, n_classes)
    found: list[RegimeRows] = []
    for regime in np.unique(groups).tolist():
        rows = groups == regime
        n_rows = int(rows.sum())
        own = None if n_rows < least_rows else _own_calibration(methods, scores[rows], came[rows], n_classes)
        found.append(RegimeRows(int(regime), n_rows, own))
    return RegimeCalibration(pooled, tuple(found), least_rows)


def _own_calibration(methods: Sequence[str], logits: Float64Array, y: npt.NDArray[Any], n_classes: int) -> Calibration | None:
    try:
        return fit_calibration(methods, logits, y, n_classes)
    except SplitError:  # a class that never came in this regime
        return None


def _rows_from_json(value: Mapping[str, Any]) -> RegimeRows:
    own = value["calibration"]
    return RegimeRows(int(value["regime"]), int(value["n_rows"]), None if own is None else Calibration.from_json(own))


__all__ = ["LEAST_ROWS", "RegimeCalibration", "RegimeRows", "fit_regime_calibration"]
