"""Curves and tables over time that a backtest's account gives."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.evaluation.backtesting.result import BacktestResult

Float64Array = npt.NDArray[np.float64]


class MonthlyReturn(NamedTuple):
    """Net return of the part of a calendar month (UTC) that the bars cover."""

    year: int
    month: int
    net_return: float
    n_bars: int


def underwater(result: BacktestResult) -> Float64Array:
    """Net equity under its highest so far (the start counts), float64 (n_bars,): 0 at a peak, -0.2 a fifth below it."""
    net = result.equity_curve.net
    return net / np.maximum.accumulate(np.maximum(net, result.config.account_size)) - 1.0


def monthly_returns(result: BacktestResult) -> tuple[MonthlyReturn, ...]:
    """Net return of each month, by the open time of its bars; together they compound to the whole return."""
    curve = result.equity_curve
    month = curve.open_time.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
    ends = np.append(np.flatnonzero(np.diff(month)), month.size - 1)
    closing = curve.net[ends]
    opening = np.concatenate([[result.config.account_size], closing[:-1]])
    counts = np.diff(ends, prepend=-1)
    returns = np.where(opening > 0, closing / np.where(opening > 0, opening, 1.0) - 1.0, np.nan)
    return tuple(
        MonthlyReturn(1970 + int(number) // 12, 1 + int(number) % 12, float(value), int(count))
        for number, value, count in zip(month[ends], returns, counts, strict=True)
    )


def rolling_sharpe(result: BacktestResult, window: int) -> Float64Array:
    """Annualised Sharpe ratio of the last `window` bars' net returns, float64 (n_bars,); NaN until full, and without variation.

    window : int, bars, at least 2. Row t uses bars t - window + 1 .. t.
    """
    if window < 2:
        raise ShapeError("window", f"is {window}", expected="at least 2 bars")
    returns = result.returns
    out = np.full(returns.size, np.nan)
    if returns.size < window:
        return out
    shifted = returns - returns.mean()  # sums of squares then lose no digits to a common level
    total, squares = (np.concatenate([[0.0], np.cumsum(values)]) for values in (shifted, shifted**2))
    n = float(window)
    mean = (total[window:] - total[:-window]) / n
    variance = ((squares[window:] - squares[:-window]) - n * mean**2) / (n - 1.0)
    moved = np.concatenate([[0], np.cumsum(np.diff(returns, prepend=returns[0]) != 0)])
    varies = moved[window:] - moved[1 : returns.size - window + 2] > 0
    sigma = np.sqrt(np.where(varies & (variance > 0), variance, np.nan))
    out[window - 1 :] = np.sqrt(result.periods_per_year) * (mean + returns.mean()) / sigma
    return out


__all__ = ["MonthlyReturn", "monthly_returns", "rolling_sharpe", "underwater"]
