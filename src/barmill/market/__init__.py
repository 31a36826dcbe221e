"""Markets: instruments, timeframes, calendars; costs and fills; bars with their checks, repair, resampling and simulation.

The ground floor: everything above stands on it, and it imports nothing of Barmill but errors and artefacts. What a trade
costs and where it fills (`costs`) and what a bar may look like (`checks`) are each said once, here. Bars are immutable.
"""

from barmill.market.bars import BAR_COLUMNS, Bar, Bars
from barmill.market.calendar import Calendar, known_calendars
from barmill.market.costs import cost_rate, fee_per_side, fill_price, round_trip_cost, slippage_per_side
from barmill.market.instrument import Fee, Instrument, Slippage, builtin_symbols
from barmill.market.resampling import ResampledBars, resample, resample_ohlcv
from barmill.market.simulator import Simulation, simulate
from barmill.market.timeframe import Timeframe

__all__ = [
    "BAR_COLUMNS",
    "Bar",
    "Bars",
    "Calendar",
    "Fee",
    "Instrument",
    "ResampledBars",
    "Simulation",
    "Slippage",
    "Timeframe",
    "builtin_symbols",
    "cost_rate",
    "fee_per_side",
    "fill_price",
    "known_calendars",
    "resample",
    "resample_ohlcv",
    "round_trip_cost",
    "simulate",
    "slippage_per_side",
]
