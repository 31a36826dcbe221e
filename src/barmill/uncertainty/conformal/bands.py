"""Fitted bands of one number: how far to go from a prediction, or beyond the ends of a forecast band."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from barmill.errors import BundleError, ShapeError
from barmill.uncertainty.conformal.intervals import Bounds, around, band_scores, widened
from barmill.uncertainty.conformal.rank import checked_alpha, finite_threshold


@dataclass(frozen=True, slots=True)
class SplitBand:
    """Prediction minus and plus q, from `split_conformal`.

    q : float, at least 0, in the unit of the prediction
    alpha : the share that may fall outside; n_rows : calibration rows behind q
    """

    q: float
    alpha: float
    n_rows: int

    def __post_init__(self) -> None:
        checked_numbers(self.q, self.alpha, self.n_rows, least=0.0)

    def apply(self, prediction: npt.ArrayLike) -> Bounds:
        """Band of each prediction (n,). Raises: ForecastError for one that is not finite."""
        return around(prediction, self.q)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact: `from_json` gives the same value to the bit."""
        return {"method": "split_conformal", "q": self.q, "alpha": self.alpha, "n_rows": self.n_rows}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SplitBand":
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        return cls(*_numbers_of(value, "split_conformal", least=0.0))


@dataclass(frozen=True, slots=True)
class CqrBand:
    """[lo - q, hi + q], from `cqr`; a negative q narrows.

    Where lo - q > hi + q both ends are the middle of lo and hi: a band that is narrowed away is a point, never crossed.

    q : float, in the unit of lo and hi
    alpha : the share that may fall outside; n_rows : calibration rows behind q
    """

    q: float
    alpha: float
    n_rows: int

    def __post_init__(self) -> None:
        checked_numbers(self.q, self.alpha, self.n_rows)

    def apply(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        """Band of each row; lo, hi : float64 of shape (n,). Raises: ForecastError for an end that is not finite."""
        return widened(lo, hi, self.q)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact: `from_json` gives the same value to the bit."""
        return {"method": "cqr", "q": self.q, "alpha": self.alpha, "n_rows": self.n_rows}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CqrBand":
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        return cls(*_numbers_of(value, "cqr"))


@dataclass(frozen=True, slots=True)
class JackknifeBand:
    """Prediction minus and plus a quantile of out-of-fold residuals, from `jackknife`: it costs nothing and promises nothing.

    For a server that holds the refitted model alone. `CvPlusBand` has a guarantee, and needs the model of each fold.

    q : float, at least 0, in the unit of the prediction
    alpha : the share that should fall outside; n_rows : residuals behind q
    """

    q: float
    alpha: float
    n_rows: int

    def __post_init__(self) -> None:
        checked_numbers(self.q, self.alpha, self.n_rows, least=0.0)

    def apply(self, prediction: npt.ArrayLike) -> Bounds:
        """Band of each prediction (n,). Raises: ForecastError for one that is not finite."""
        return around(prediction, self.q)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact: `from_json` gives the same value to the bit."""
        return {"method": "jackknife", "q": self.q, "alpha": self.alpha, "n_rows": self.n_rows}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "JackknifeBand":
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        return cls(*_numbers_of(value, "jackknife", least=0.0))


def fit_split_band(y: npt.ArrayLike, prediction: npt.ArrayLike, alpha: float) -> SplitBand:
    """`split_conformal` for a server.

    y, prediction : float64 of shape (n,), rows that neither trained the model, nor calibrated it, nor judge the band

    Raises: SplitError with the number of rows needed where they are too few for alpha; ShapeError for arrays that do not fit.
    """
    scores = band_scores(y, prediction, prediction)
    return SplitBand(finite_threshold(scores, alpha), alpha, scores.size)


def fit_cqr_band(y: npt.ArrayLike, lo: npt.ArrayLike, hi: npt.ArrayLike, alpha: float) -> CqrBand:
    """`cqr` for a server.

    y, lo, hi : float64 of shape (n,), outcomes and forecast quantiles of rows that neither trained the model nor judge the band

    Raises: SplitError with the number of rows needed where they are too few for alpha; ShapeError for arrays that do not fit.
    """
    scores = band_scores(y, lo, hi)
    return CqrBand(finite_threshold(scores, alpha), alpha, scores.size)


def fit_jackknife_band(y: npt.ArrayLike, out_of_fold: npt.ArrayLike, alpha: float) -> JackknifeBand:
    """`jackknife` for a server.

    y, out_of_fold : float64 of shape (n,), outcomes, and predictions by models that had not seen the row

    Raises: SplitError with the number of rows needed where they are too few for alpha; ShapeError for arrays that do not fit.
    """
    scores = band_scores(y, out_of_fold, out_of_fold)
    return JackknifeBand(finite_threshold(scores, alpha, "out-of-fold forecasts"), alpha, scores.size)


def checked_numbers(q: float, alpha: float, n_rows: int, least: float = -math.inf) -> None:
    """Refuse a band that says infinity, or stands on no rows."""
    checked_alpha(alpha)
    if not (math.isfinite(q) and q >= least) or n_rows < 1:
        expected = "a finite number" if least == -math.inf else f"a finite number, at least {least:g}"
        raise ShapeError("conformal band", f"q is {q}, from {n_rows} rows", expected=f"{expected}, from at least one row")


def unreadable(error: Exception) -> BundleError:
    """What is said of bytes that hold no band."""
    return BundleError("conformal band", f"cannot be read: {error!r}", mend="Build the bundle again.")


def _numbers_of(value: Mapping[str, Any], method: str, least: float = -math.inf) -> tuple[float, float, int]:
    try:
        q, alpha, n_rows = float(value["q"]), float(value["alpha"]), int(value["n_rows"])
        if value["method"] != method:
            raise ValueError(f"the method is {value['method']!r}, not {method!r}")
        checked_numbers(q, alpha, n_rows, least)
    except (KeyError, TypeError, ValueError, OverflowError, ShapeError) as error:
        raise unreadable(error) from error
    return q, alpha, n_rows


__all__ = [
    "CqrBand",
    "JackknifeBand",
    "SplitBand",
    "checked_numbers",
    "fit_cqr_band",
    "fit_jackknife_band",
    "fit_split_band",
    "unreadable",
]
