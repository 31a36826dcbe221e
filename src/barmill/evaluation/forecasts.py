"""Scores of expected returns and quantiles: information coefficients, pinball loss, coverage."""

from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.evaluation.classification import average_ranks
from barmill.uncertainty.checked import at_least_one_row, vector

Float64Array = npt.NDArray[np.float64]

QUANTILES = {"q05": 0.05, "q50": 0.5, "q95": 0.95}


def information_coefficient(forecast: npt.ArrayLike, realised: npt.ArrayLike) -> float:
    """Spearman's correlation: Pearson's of the ranks, tied values sharing their average rank.

    Rows with a NaN on either side are dropped. NaN with fewer than 2 rows or without variation.
    """
    said, came = _paired(forecast, realised)
    return _pearson(average_ranks(said), average_ranks(came))


def linear_correlation(forecast: npt.ArrayLike, realised: npt.ArrayLike) -> float:
    """Pearson's correlation, which a few large moves can carry; `information_coefficient` is the robust one. Same conventions."""
    return _pearson(*_paired(forecast, realised))


def pinball_loss(y: npt.ArrayLike, q: npt.ArrayLike, tau: float) -> float:
    """Mean of max(tau * (y - q), (tau - 1) * (y - q)): smallest where q is the tau-quantile of y.

    Parameters
    ----------
    y, q : float64 of shape (n,), what came and its forecast quantile (a number stands for every row)
    tau : float in (0, 1)

    Source: Koenker & Bassett (1978), Econometrica 46.
    """
    if not 0 < tau < 1:
        raise ShapeError("tau", f"is {tau}", expected="a number between 0 and 1")
    came = vector(y, "y")
    at_least_one_row(came.size, "y")
    quantile = np.asarray(q, dtype=np.float64)
    miss = came - (vector(np.full(came.size, quantile), "q") if quantile.ndim == 0 else vector(quantile, "q", came.size))
    return float(np.mean(np.maximum(tau * miss, (tau - 1) * miss)))


def forecast_metrics(
    E_r: npt.ArrayLike | None, q05: npt.ArrayLike, q50: npt.ArrayLike, q95: npt.ArrayLike, realised: npt.ArrayLike
) -> dict[str, Any]:
    """Everything that a report says of expected returns and quantiles on one block of rows.

    Parameters
    ----------
    E_r : float64 of shape (n,), expected net log return, or None where the model forecasts none; then q50 is ranked instead
    q05, q50, q95 : float64 of shape (n,), forecast quantiles of the net log return
    realised : float64 of shape (n,), net log return that came

    Returns
    -------
    dict: ic (Pearson), rank_ic (Spearman: `information_coefficient`), pinball {q05, q50, q95} in units of the return,
    coverage_90 (share of outcomes in [q05, q95]; it should be near 0.9, and labels overlap, so judge it over many days)
    """
    came = vector(realised, "realised")
    at_least_one_row(came.size, "realised")
    bands = {name: vector(q, name, came.size) for name, q in zip(QUANTILES, (q05, q50, q95), strict=True)}
    said = bands["q50"] if E_r is None else vector(E_r, "E_r", came.size)
    return {
        "ic": linear_correlation(said, came),
        "rank_ic": information_coefficient(said, came),
        "pinball": {name: pinball_loss(came, bands[name], tau) for name, tau in QUANTILES.items()},
        "coverage_90": float(np.mean((came >= bands["q05"]) & (came <= bands["q95"]))),
    }


def _paired(forecast: npt.ArrayLike, realised: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    said = vector(forecast, "forecast", nan_allowed=True)
    came = vector(realised, "realised", said.size, nan_allowed=True)
    both = ~(np.isnan(said) | np.isnan(came))
    return said[both], came[both]


def _pearson(x: Float64Array, y: Float64Array) -> float:
    if x.size < 2 or x.max() == x.min() or y.max() == y.min():
        return float("nan")
    a, b = x - x.mean(), y - y.mean()
    a, b = a / np.abs(a).max(), b / np.abs(b).max()  # so that squares neither vanish nor overflow
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


__all__ = ["forecast_metrics", "information_coefficient", "linear_correlation", "pinball_loss"]
