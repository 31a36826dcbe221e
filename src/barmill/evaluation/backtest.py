"""One backtest: a path of positions through open prices, net of costs, with its trades and its figures.

`position[t]` is decided at the close of bar t, filled at open[t + 1] and held until open[t + 2]; the last two bars of
the series decide nothing that can be judged. The position is a share of equity, brought back to that share at each
open; drifts in between are not charged.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.evaluation.performance import (
    calmar_of,
    drawdown_of,
    sharpe_of,
    sortino_of,
    trade_stats,
)
from barmill.evaluation.trades import Trades, trades_of
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Path:
    """A checked path of positions, cut to the n - 2 decisions whose outcome the bars cover.

    position : float64 (n - 2,), position[t] decided at the close of bar t
    market : float64 (n - 2,), open[t + 2] / open[t + 1] - 1
    rate : float64 (n - 2,), cost of a unit change of the position at its fill, open[t + 1]
    """

    position: Float64Array
    market: Float64Array
    rate: Float64Array

    @classmethod
    def of(cls, bars_open: npt.ArrayLike, position: npt.ArrayLike, cost_rate: npt.ArrayLike) -> "Path":
        prices = vector(bars_open, "open")
        if (prices <= 0).any():
            row = int(np.argmax(prices <= 0))
            raise ShapeError(f"open row {row}", f"is {prices[row]:g}", expected="a price above 0")
        held = vector(position, "position", prices.size)
        n = max(prices.size - 2, 0)
        rates = np.asarray(cost_rate, dtype=np.float64)
        rate = np.full(n, float(rates)) if rates.ndim == 0 else vector(rates, "fee_rate", prices.size)[1 : n + 1]
        if not (rate >= 0).all():
            row = int(np.argmin(rate >= 0))
            raise ShapeError(f"fee_rate row {row + 1}", f"is {rate[row]:g}", expected="a share of the traded value, 0 or more")
        return cls(held[:n], prices[2:] / prices[1:-1] - 1.0 if n else np.empty(0), rate)

    @property
    def change(self) -> Float64Array:
        """Change of the position at each fill, from nothing before the first."""
        return np.diff(self.position, prepend=0.0)

    @property
    def gross(self) -> Float64Array:
        return self.position * self.market

    @property
    def cost(self) -> Float64Array:
        return self.rate * np.abs(self.change)


def backtest_net_returns(open: npt.ArrayLike, position: npt.ArrayLike, fee_rate: npt.ArrayLike) -> Float64Array:
    """Net simple return of each decision: position[t] * (open[t+2] / open[t+1] - 1) - fee_rate * abs(position[t] - position[t-1]).

    The position before the first is 0, and the cost is on the change of the position. A position still held at the end
    is marked at the last open and not closed.

    Parameters
    ----------
    open : float64 of shape (n,), prices above 0
    position : float64 of shape (n,), any real number, decided at the close of each bar; its last two rows are not used
    fee_rate : float, or float64 of shape (n,): cost of a unit change as a share of the price. As an array, the rate of the bar at
        whose open the change is filled counts: fee_rate[t + 1] for position[t].

    Returns
    -------
    float64 of shape (n - 2,), row t for the decision at the close of bar t; empty for fewer than 3 bars.

    Timing: row t is known at open[t + 2]. Raises: ShapeError for lengths that differ, NaN, prices or rates out of range.
    """
    path = Path.of(open, position, fee_rate)
    return path.gross - path.cost


@dataclass(frozen=True, slots=True)
class JudgedPath:
    """What came of one path of positions over n bars.

    net, gross, cost : float64 (n - 2,), per decision; net = gross - cost
    equity : float64 (n - 2,), compounded net equity after each decision, from 1
    position : float64 (n - 2,), the positions judged
    trades : the trade list; its profits sum to the sum of `net`
    metrics : see `backtest`
    """

    net: Float64Array
    gross: Float64Array
    cost: Float64Array
    equity: Float64Array
    position: Float64Array
    trades: Trades
    metrics: dict[str, float]

    @property
    def equity_at_bars(self) -> Float64Array:
        """Equity as it stood at each of the n bars' opens, float64 (n,): 1 until the first fill's bar has passed."""
        return np.concatenate([np.ones(2), self.equity])


def backtest(bars_open: npt.ArrayLike, position: npt.ArrayLike, cost_rate: npt.ArrayLike, periods_per_year: float) -> JudgedPath:
    """Run `position` through `bars_open` and judge it.

    Parameters
    ----------
    bars_open, position, cost_rate : as in `backtest_net_returns`
    periods_per_year : float above 0, from the calendar and the timeframe

    Returns
    -------
    JudgedPath with metrics (floats; NaN and +inf by the rules of definitions.md, section 1)

    - sharpe, sortino, calmar, max_drawdown : of the net returns per bar
    - win_rate, profit_factor, recovery_factor : of the trades, profits being shares of a fixed capital
    - turnover : absolute change of the position per year, in multiples of equity
    - exposure : share of the bars with a position
    - cost_paid : sum of all costs, as a share of a fixed capital
    - n_trades, total_return (compounded, net), gross_total_return (compounded, without costs)

    Cost: linear in the bars, no loop over them; about 60 ms for a million.
    """
    path = Path.of(bars_open, position, cost_rate)
    change = path.change
    gross, cost = path.gross, path.rate * np.abs(change)
    net = gross - cost
    equity = np.asarray(np.cumprod(1.0 + net), dtype=np.float64)
    drawdown = drawdown_of(equity)
    trades = trades_of(path.position, gross, cost)
    of_trades = trade_stats(trades.net)
    n = net.size
    metrics = {
        "sharpe": sharpe_of(net, periods_per_year),
        "sortino": sortino_of(net, periods_per_year),
        "calmar": calmar_of(equity, drawdown, periods_per_year),
        "max_drawdown": drawdown,
        "win_rate": of_trades.win_rate,
        "profit_factor": of_trades.profit_factor,
        "recovery_factor": of_trades.recovery_factor,
        "turnover": float(np.abs(change).sum() / n * periods_per_year) if n else float("nan"),
        "exposure": float(np.mean(path.position != 0)) if n else float("nan"),
        "cost_paid": float(cost.sum()),
        "n_trades": len(trades),
        "total_return": float(equity[-1] - 1.0) if n else 0.0,
        "gross_total_return": float(np.prod(1.0 + gross) - 1.0),
    }
    return JudgedPath(net, gross, cost, equity, path.position, trades, metrics)


__all__ = ["JudgedPath", "Path", "backtest", "backtest_net_returns"]
