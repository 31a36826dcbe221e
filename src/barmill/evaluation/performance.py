"""Performance of a series of returns or trades; formulas and conventions of definitions.md, section 2.

A quantity that is undefined on valid input is NaN, a ratio to a loss that never came is +inf (or NaN without a gain),
and what cannot be valid raises.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]


class Kept(NamedTuple):
    """Returns without the rows that are NaN, and how many those were."""

    returns: Float64Array
    n_dropped: int


def drop_missing(returns: npt.ArrayLike) -> Kept:
    """`returns` without its NaN rows, as every statistic of this module uses them. Raises ShapeError for infinities."""
    array = vector(returns, "returns", nan_allowed=True)
    missing = np.isnan(array)
    n_dropped = int(missing.sum())
    return Kept(array[~missing] if n_dropped else array, n_dropped)


def sharpe_ratio(returns: npt.ArrayLike, periods_per_year: float, rf_annual: float = 0.0) -> float:
    """Annualised Sharpe ratio: sqrt(P) * mean(e) / std(e, ddof=1), e the return over the risk-free rate per bar.

    Parameters
    ----------
    returns : float64 of shape (n,), simple returns per bar, net of costs; NaN rows are dropped
    periods_per_year : float above 0, from the calendar and the timeframe
    rf_annual : float, yearly risk-free rate, spread evenly over the bars

    Returns
    -------
    float; NaN with fewer than 2 rows or without variation.

    Source: Sharpe (1994), Journal of Portfolio Management 21.
    """
    return sharpe_of(drop_missing(returns).returns, periods_per_year, rf_annual)


def sharpe_of(r: Float64Array, periods_per_year: float, rf_annual: float = 0.0) -> float:
    """`sharpe_ratio` of returns that are known to be finite."""
    periods = _periods(periods_per_year)
    if r.size < 2 or r.max() == r.min():
        return float("nan")
    excess = r - rf_annual / periods
    spread = float(excess.std(ddof=1))
    return float(np.sqrt(periods) * excess.mean() / spread) if spread > 0 else float("nan")


def sortino_ratio(returns: npt.ArrayLike, periods_per_year: float, mar_annual: float = 0.0) -> float:
    """Annualised Sortino ratio: sqrt(P) * mean(e) / sqrt(mean(min(e, 0)^2)), e the return over the least acceptable one.

    The mean of squares runs over all rows, gains counting as 0; over the losing rows alone it would flatter.

    Returns
    -------
    float; without a row below the least acceptable return +inf if the mean is positive, else NaN.

    Source: Sortino & van der Meer (1991), Journal of Portfolio Management 17.
    """
    return sortino_of(drop_missing(returns).returns, periods_per_year, mar_annual)


def sortino_of(r: Float64Array, periods_per_year: float, mar_annual: float = 0.0) -> float:
    """`sortino_ratio` of returns that are known to be finite."""
    periods = _periods(periods_per_year)
    if r.size == 0:
        return float("nan")
    excess = r - mar_annual / periods
    downside = float(np.sqrt(np.mean(np.minimum(excess, 0.0) ** 2)))
    return _ratio_to_loss(float(np.sqrt(periods) * excess.mean()), downside)


def equity_curve(returns: npt.ArrayLike) -> Float64Array:
    """Equity after each row, from 1 before the first: float64 of shape (n,) once NaN rows are dropped."""
    return np.asarray(np.cumprod(1.0 + drop_missing(returns).returns), dtype=np.float64)


def max_drawdown(returns: npt.ArrayLike) -> float:
    """Deepest fall of the compounded equity from its running peak, a number <= 0 (-0.2 is a fifth lost).

    The starting equity is a peak, so a loss on the first bar counts. NaN without rows.
    """
    return drawdown_of(equity_curve(returns))


def calmar_ratio(returns: npt.ArrayLike, periods_per_year: float) -> float:
    """Compound annual growth over the absolute maximum drawdown, over the whole sample.

    Returns
    -------
    float; without a drawdown +inf if the growth is positive, else NaN; NaN without rows, and where losses beyond the
    whole capital leave a negative equity, whose growth is undefined.

    Source: Young (1991), Futures 20.
    """
    equity = equity_curve(returns)
    return calmar_of(equity, drawdown_of(equity), periods_per_year)


class TradeStats(NamedTuple):
    win_rate: float
    profit_factor: float
    recovery_factor: float


def trade_stats(pnl: npt.ArrayLike) -> TradeStats:
    """What a list of finished trades says, in time order.

    Parameters
    ----------
    pnl : float64 of shape (n_trades,), profit of each trade, in money or in shares of a fixed capital; NaN rows are dropped

    Returns
    -------
    win_rate : share of trades above 0 among all (a trade of exactly 0 is a trade and no win); NaN without trades
    profit_factor : sum of gains over the absolute sum of losses
    recovery_factor : net profit over the largest fall of the cumulative profit from its running peak, which starts at 0
    """
    p = drop_missing(pnl).returns
    if p.size == 0:
        return TradeStats(float("nan"), float("nan"), float("nan"))
    gains, losses = float(p[p > 0].sum()), float(-p[p < 0].sum())
    cumulative = np.cumsum(p)
    fall = float(np.max(np.maximum(np.maximum.accumulate(cumulative), 0.0) - cumulative))
    return TradeStats(float(np.mean(p > 0)), _ratio_to_loss(gains, losses), _ratio_to_loss(float(cumulative[-1]), fall))


def drawdown_of(equity: Float64Array) -> float:
    """Maximum drawdown of an equity curve that started at 1."""
    if equity.size == 0:
        return float("nan")
    peak = np.maximum(np.maximum.accumulate(equity), 1.0)
    return min(float(np.min(equity / peak)) - 1.0, 0.0)


def calmar_of(equity: Float64Array, drawdown: float, periods_per_year: float) -> float:
    """Calmar ratio of an equity curve that started at 1, one value per bar, and its maximum drawdown."""
    periods = _periods(periods_per_year)
    if equity.size == 0 or equity[-1] < 0:
        return float("nan")
    with np.errstate(over="ignore"):  # a short sample that doubled compounds to +inf a year, which is what the formula says
        growth = float(np.power(equity[-1], periods / equity.size)) - 1.0
    return _ratio_to_loss(growth, abs(drawdown))


def _ratio_to_loss(gain: float, loss: float) -> float:
    if loss > 0:
        return gain / loss
    return float("inf") if gain > 0 else float("nan")


def _periods(periods_per_year: float) -> float:
    if not (np.isfinite(periods_per_year) and periods_per_year > 0):
        raise ShapeError("periods_per_year", f"is {periods_per_year}", expected="a number above 0", mend="Take it from the calendar.")
    return float(periods_per_year)


__all__ = [
    "Kept",
    "TradeStats",
    "calmar_of",
    "calmar_ratio",
    "drawdown_of",
    "drop_missing",
    "equity_curve",
    "max_drawdown",
    "sharpe_of",
    "sharpe_ratio",
    "sortino_of",
    "sortino_ratio",
    "trade_stats",
]
