"""q05, q50 and q95 of every model: its own where it learns them, else where it points and how far from there outcomes fell."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import BundleError, ForecastError, ShapeError
from barmill.models.contract import LEVELS
from barmill.uncertainty.checked import all_finite, logit_array, vector

Float64Array = npt.NDArray[np.float64]

SIGNALS = ("E_r", "logit", "native")


@dataclass(frozen=True, slots=True)
class ResidualQuantiles:
    """q(level) = intercept + slope * signal + offset(level), in units of the volatility known at the decision.

    The offsets do not fall from one level to the next, and the same location is added to each: quantiles cannot cross.

    signal : "E_r" where the model learns an expected return, "logit" where it does not (log-odds of up; for three
        classes the score of up less that of down), "native" where it learns the quantiles themselves, which are then left as they are
    slope, intercept : floats; slope >= 0, since a model that is turned round on the calibration rows has shown
        nothing rather than the opposite
    levels, offsets : tuples of floats, both ascending
    """

    signal: str
    slope: float
    intercept: float
    levels: tuple[float, ...]
    offsets: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = (self.slope, self.intercept, *self.levels, *self.offsets)
        if self.signal not in SIGNALS or not np.isfinite(numbers).all() or self.slope < 0:
            raise ShapeError(
                "quantiles", f"signal {self.signal!r}, slope {self.slope}", expected=f"{', '.join(SIGNALS)}, and finite numbers"
            )
        _checked_levels(self.levels)
        if len(self.offsets) != len(self.levels) or (np.diff(self.offsets) < 0).any():
            raise ShapeError("quantiles.offsets", f"are {list(self.offsets)}", expected="one for each level, not falling")

    def apply(self, expected: npt.ArrayLike | None, logits: npt.ArrayLike, native: npt.ArrayLike | None = None) -> Float64Array:
        """Quantiles of z, float64 of shape (n, n_levels), non-decreasing in each row.

        native : float64 of shape (n, n_levels), what the model says of them, where it does

        Raises: ShapeError if what the signal names is not given, ForecastError for a signal that is not finite.
        """
        if self.signal == "native":
            return self._as_they_are(native)
        if self.signal == "E_r" and expected is None:
            raise ShapeError("expected", "is missing", expected="the expected return on which these quantiles were fitted")
        said = np.asarray(expected, dtype=np.float64) if self.signal == "E_r" else _direction(np.asarray(logits, dtype=np.float64))
        if not all_finite(said):
            row = int(np.argmin(np.isfinite(said)))
            raise ForecastError(f"{self.signal} row {row}", f"is {said[row]}", expected="a finite number", reason="not_finite")
        location = self.intercept + self.slope * said
        return location[:, None] + np.array(self.offsets)

    def at(self, expected: float | None, logit: float, native: Float64Array | None = None) -> tuple[float, float, float] | None:
        """Three quantiles of one row with plain floats, as `apply` gives them; None where it would raise an error.

        logit : log-odds of up, or for more classes the score of the last less that of the first
        """
        if self.signal == "native":
            if native is None or native.shape != (1, 3):
                return None
            low, middle, high = native.item(0), native.item(1), native.item(2)
            return (low, middle, high) if math.isfinite(low) and math.isfinite(middle) and math.isfinite(high) else None
        said = expected if self.signal == "E_r" else logit
        if said is None or not math.isfinite(said):
            return None
        location = self.intercept + self.slope * said
        low, middle, high = self.offsets
        return location + low, location + middle, location + high

    def _as_they_are(self, native: npt.ArrayLike | None) -> Float64Array:
        said = np.asarray(() if native is None else native, dtype=np.float64)
        if said.ndim != 2 or said.shape[1] != len(self.levels):
            raise ShapeError("quantiles", f"of shape {said.shape} came from the model", expected=f"(n, {len(self.levels)})")
        if not all_finite(said):
            row = int(np.argmin(np.isfinite(said).all(axis=1)))
            raise ForecastError(f"quantiles row {row}", f"are {said[row].tolist()}", expected="finite numbers", reason="not_finite")
        return said

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact: `from_json` gives the same value to the bit."""
        return {
            "signal": self.signal,
            "slope": self.slope,
            "intercept": self.intercept,
            "levels": list(self.levels),
            "offsets": list(self.offsets),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ResidualQuantiles":
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        try:
            levels = tuple(float(level) for level in value["levels"])
            offsets = tuple(float(offset) for offset in value["offsets"])
            return cls(str(value["signal"]), float(value["slope"]), float(value["intercept"]), levels, offsets)
        except (KeyError, TypeError, ValueError, ShapeError) as error:
            raise BundleError("quantiles", f"cannot be read: {error!r}", mend="Build the bundle again.") from error


def fit_residual_quantiles(
    expected: npt.ArrayLike | None, logits: npt.ArrayLike, z: npt.ArrayLike, levels: Sequence[float] = LEVELS
) -> ResidualQuantiles:
    """Fit the location by least squares, then read the offsets from the residuals.

    The empirical quantile at `level` stands at rank (n + 1) * level among the sorted residuals (linear between ranks,
    the extremes beyond them): on exchangeable rows the share below it is `level` on average, however small n is.
    The rows must have trained neither the model nor anything that judges the result.

    Parameters
    ----------
    expected : float64 of shape (n,), expected z, or None where the model learns none
    logits : float64 of shape (n,) or (n, 3), as the model says them
    z : float64 of shape (n,), net log return over the volatility known at the decision
    levels : ascending, in (0, 1)

    Raises: ShapeError for arrays that do not fit, fewer than 2 rows, levels out of range.
    """
    outcome = vector(z, "z")
    if outcome.size < 2:
        raise ShapeError("z", f"has {outcome.size} rows", expected="at least 2")
    wanted = _checked_levels(levels)
    signal = "logit" if expected is None else "E_r"
    said = vector(_direction(logit_array(logits)) if expected is None else expected, signal, outcome.size)
    slope = _rising_slope(said, outcome)
    intercept = float(outcome.mean() - slope * said.mean())
    residuals = outcome - (intercept + slope * said)
    offsets = np.maximum.accumulate(np.quantile(residuals, wanted, method="weibull"))
    return ResidualQuantiles(signal, slope, intercept, wanted, tuple(float(offset) for offset in offsets))


def _rising_slope(x: Float64Array, y: Float64Array) -> float:
    """Least-squares slope, or 0 where x does not vary or the slope would be negative."""
    if x.max() == x.min():
        return 0.0
    centred = x - x.mean()
    spread = float(centred @ centred)
    return max(0.0, float(centred @ (y - y.mean())) / spread) if spread > 0 else 0.0


def _direction(logits: Float64Array) -> Float64Array:
    return logits if logits.ndim == 1 else logits[:, -1] - logits[:, 0]


def _checked_levels(levels: Sequence[float]) -> tuple[float, ...]:
    array = np.asarray(levels, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not ((array > 0) & (array < 1)).all() or (np.diff(array) <= 0).any():
        raise ShapeError("levels", f"are {list(levels)}", expected="ascending numbers between 0 and 1")
    return tuple(float(level) for level in array)


NATIVE = ResidualQuantiles("native", 1.0, 0.0, LEVELS, (0.0, 0.0, 0.0))  # of a model that learns its quantiles itself


__all__ = ["LEVELS", "NATIVE", "ResidualQuantiles", "fit_residual_quantiles"]
