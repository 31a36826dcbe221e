"""What a backtest leaves: trades, figures and curves, as values and as JSON."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.artefacts import without_nan
from barmill.evaluation.backtesting.config import BacktestConfig
from barmill.evaluation.backtesting.trade_list import TradeList
from barmill.market.times import utc_text

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EquityCurve:
    """The account at each close; arrays of shape (n_bars,).

    open_time, close_time : int64, ms UTC, of the bar
    net : float64, money: cash + position value
    gross : float64, money: net + what fees, slippage and funding have taken so far
    cash : float64, money; buying takes the whole value of the position from it, selling short adds it
    lots : float64, contracts held, negative if short
    position_value : float64, money: lots · multiplier · close
    """

    open_time: Int64Array
    close_time: Int64Array
    net: Float64Array
    gross: Float64Array
    cash: Float64Array
    lots: Float64Array
    position_value: Float64Array

    def __len__(self) -> int:
        return self.net.size

    @property
    def exposure(self) -> Float64Array:
        """float64 (n_bars,): value of the position as a share of equity, negative if short; 0 for an account without equity."""
        alive = self.net > 0
        return np.where(alive, self.position_value, 0.0) / np.where(alive, self.net, 1.0)

    def frame(self) -> pl.DataFrame:
        """All columns as a Polars frame."""
        return pl.DataFrame({name: getattr(self, name) for name in self.__dataclass_fields__})


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """What came of a backtest.

    config : as it was run
    trades : the trade list; `for trade in result.trades` gives records
    metrics : figures by name, see `metrics.figures`
    equity_curve : the account at each close
    raw_rows : bars that counted
    symbol, timeframe, periods_per_year : of the bars
    stopped : why and when the account stopped for good, or ""
    first_bar : position of the first bar that counted among those that were given
    """

    config: BacktestConfig
    trades: TradeList
    metrics: dict[str, float]
    equity_curve: EquityCurve
    raw_rows: int
    symbol: str
    timeframe: str
    periods_per_year: float
    stopped: str = ""
    first_bar: int = 0

    @property
    def returns(self) -> Float64Array:
        """Net simple return of each bar, float64 (n_bars,); 0 once nothing is left."""
        return returns_of(self.equity_curve.net, self.config.account_size)

    def to_dict(self, most_points: int | None = None) -> dict[str, Any]:
        """Plain JSON without NaN (null) and infinities (a word): config, trades, metrics, equity_curve, raw_rows, and what they are of.

        most_points : thin the equity curve evenly to so many rows, the last among them; None for every bar
        """
        curve = self.equity_curve
        n = len(curve)
        points = n if most_points is None else min(n, most_points)
        rows = (np.arange(1, points + 1, dtype=np.int64) * n) // max(points, 1) - 1
        return without_nan(
            {
                "config": self.config.model_dump(mode="json"),
                "symbol": self.symbol,
                "timeframe": self.timeframe,
                "stopped": self.stopped,
                "metrics": self.metrics,
                "trades": [trade.to_dict() for trade in self.trades],
                "equity_curve": [
                    {"timestamp": utc_text(int(curve.close_time[row])), "gross": float(curve.gross[row]), "net": float(curve.net[row])}
                    for row in rows
                ],
                "raw_rows": self.raw_rows,
            }
        )


def returns_of(equity: Float64Array, capital: float) -> Float64Array:
    """Simple returns of an account that began with `capital`, float64 (n_bars,); 0 where nothing was left to lose."""
    before = np.concatenate([[capital], equity[:-1]]) if equity.size else equity
    alive = before > 0
    return np.where(alive, equity - before, 0.0) / np.where(alive, before, 1.0)


__all__ = ["BacktestResult", "EquityCurve", "returns_of"]
