"""From forecasts to what trading them would have earned, bar by bar, under the run's one rule."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.evaluation import JudgedPath, Thresholds, backtest, positions
from barmill.market import Bars, Calendar, cost_rate
from barmill.pipeline.dataset import Positions
from barmill.pipeline.recipe import Recipe

Float64Array = npt.NDArray[np.float64]

FILL_BARS = 2  # after the last bar at which a position is held: its exit is filled at the next open but one
SHORT, FLAT, LONG = 0.0, 0.5, 1.0


def signal_of(p_up: Float64Array, thresholds: Thresholds) -> Float64Array:
    """What forecasts ask for under thresholds of their own: SHORT, FLAT or LONG, float64 shaped like `p_up`."""
    return np.where(p_up > thresholds.high, LONG, np.where(p_up < thresholds.low, SHORT, FLAT))


@dataclass(frozen=True, slots=True)
class TradingPath:
    """The bars that a path of forecasts runs through, with what trading there costs.

    bars : a stretch of the run's bars; first : number of its first bar in the run
    rate : float64 (n_bars,), cost of a unit change of the position; periods : bars in a year
    hold : bars that a signal is held
    """

    bars: Bars
    first: int
    rate: Float64Array
    periods: float
    hold: int

    @classmethod
    def of(cls, bars: Bars, first: int, stop: int, recipe: Recipe) -> "TradingPath":
        """The bars first .. stop - 1 of the run."""
        stretch = bars.slice(first, stop)
        periods = Calendar.named(bars.instrument.calendar).periods_per_year(bars.timeframe)
        rate = np.asarray(cost_rate(bars.instrument, stretch.open))
        return cls(stretch, first, rate, periods, recipe.hold_bars)

    def column(self, signals: Float64Array, rows: Positions) -> Float64Array:
        """Signals at the run's bars `rows` as a column over the path, NaN where nothing was decided."""
        column = np.full(len(self.bars), np.nan)
        column[rows - self.first] = signals
        return column

    def traded(self, signals: Float64Array) -> JudgedPath:
        """The backtest of a column of signals."""
        return backtest(self.bars.open, positions(signals, FLAT, FLAT, self.hold), self.rate, self.periods)
