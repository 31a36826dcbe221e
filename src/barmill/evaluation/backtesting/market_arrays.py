"""What the compiled loops read of a market: made once for a config, and for every config that differs only in rules of single trades."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError
from barmill.evaluation.backtesting.config import BacktestConfig
from barmill.evaluation.backtesting.funding import FundingRates, funding_at_bars
from barmill.market.bars import Bars

Float64Array = npt.NDArray[np.float64]
UInt8Array = npt.NDArray[np.uint8]

# Fields of a config that decide what the arrays below hold.
SHARED_FIELDS = (
    "symbol",
    "start",
    "end",
    "funding",
    "funding_hours",
    "atr_window",
    "volatility_span",
    "session_close_out",
    "close_out_minutes",
)


@dataclass(frozen=True, eq=False)
class MarketArrays:
    """bars, the range [first, stop) of those that count, and what rules need beside prices; empty where no rule does.

    atr, volatility : float64 (n_bars,), known at each close; NaN while they warm up. volatility is for a year
    funding : float64 (n_bars,), charged at each open; marks : uint8 (n_bars,), see `session_marks`
    """

    bars: Bars
    first: int
    stop: int
    periods_per_year: float
    atr: Float64Array
    volatility: Float64Array
    funding: Float64Array
    marks: UInt8Array

    @property
    def n_bars(self) -> int:
        return self.stop - self.first


def market_arrays(bars: Bars, configs: list[BacktestConfig], funding: FundingRates | None = None) -> MarketArrays:
    """The arrays that `configs`, equal in SHARED_FIELDS, need. Raises DataError for bars of another symbol, or none in the range."""
    config = configs[0]
    symbol = bars.instrument.symbol
    if config.symbol is not None and config.symbol != symbol:
        raise DataError("bars", f"are of {symbol}", expected=config.symbol, mend="Give other bars, or leave `symbol` out of the config.")
    first = 0 if config.start_ms is None else int(np.searchsorted(bars.open_time, config.start_ms))
    stop = len(bars) if config.end_ms is None else int(np.searchsorted(bars.open_time, config.end_ms))
    if stop <= first:
        span = f"from {config.start or 'the first bar'} to {config.end or 'the last'}"
        raise DataError(f"bars of {symbol}", f"none {span}", expected="at least one bar", mend="Change start and end.")
    if (bars.open[first:stop] <= 0).any() or (bars.close[first:stop] <= 0).any():
        raise DataError(f"bars of {symbol}", "prices that are not above 0", expected="positive prices: sizes and costs are shares of them")
    periods = bars.calendar.periods_per_year(bars.timeframe)
    nothing = np.empty(0)
    return MarketArrays(
        bars=bars,
        first=first,
        stop=stop,
        periods_per_year=periods,
        atr=_atr(bars, config.atr_window) if any(_reads_atr(one) for one in configs) else nothing,
        volatility=_volatility(bars, config.volatility_span, periods) if any(one.sizing == "volatility" for one in configs) else nothing,
        funding=funding_at_bars(bars, funding, config.funding_hours) if config.funding else nothing,
        marks=_marks(bars, config) if config.session_close_out else np.empty(0, dtype=np.uint8),
    )


def _reads_atr(config: BacktestConfig) -> bool:
    return config.stop_atr is not None or config.target_atr is not None


def _atr(bars: Bars, window: int) -> Float64Array:
    from barmill.features import atr  # compiles kernels

    return atr(bars.high, bars.low, bars.close, window)


def _volatility(bars: Bars, span: int, periods_per_year: float) -> Float64Array:
    from barmill.labels import ewm_volatility

    return ewm_volatility(bars.close, span) * np.sqrt(periods_per_year)


def _marks(bars: Bars, config: BacktestConfig) -> UInt8Array:
    from barmill.evaluation.backtesting.session_marks import session_marks  # compiles kernels

    return session_marks(bars, config.close_out_minutes)


__all__ = ["SHARED_FIELDS", "MarketArrays", "market_arrays"]
