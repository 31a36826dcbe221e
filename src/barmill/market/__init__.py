"""Markets: instruments, timeframes, calendars; costs and fills; bars with their checks, repair, resampling and simulation.

The ground floor: everything above stands on it, and it imports nothing of Barmill but errors and artefacts. What a trade
costs and where it fills (`costs`) and what a bar may look like (`checks`) are each said once, here. Bars are immutable.
"""

from barmill.market.bars import BAR_COLUMNS, Bar, Bars
from barmill.market.bars_npz import write_bars_npz
from barmill.market.buckets import Anchor
from barmill.market.calendar import Calendar, known_calendars
from barmill.market.checking import CheckReport, check_source
from barmill.market.checks import check_frame
from barmill.market.costs import cost_rate, fee_per_side, fill_price, round_trip_cost, slippage_per_side
from barmill.market.describing import describe
from barmill.market.findings import Finding
from barmill.market.importing import ImportReport, import_bars
from barmill.market.instrument import Fee, Instrument, Slippage, builtin_symbols
from barmill.market.npz_file import read_npz
from barmill.market.null_markets import NULL_MARKETS, NullMarket, null_market
from barmill.market.repairs import REPAIRS, repairs_for
from barmill.market.resampling import ResampledBars, mtf_align, resample, resample_ohlcv
from barmill.market.second_series import KnownSeries, SeriesSource, join_series, read_series
from barmill.market.several_files import read_in_order
from barmill.market.simulator import Simulation, simulate, write_oracle
from barmill.market.timeframe import Timeframe

__all__ = [
    "BAR_COLUMNS",
    "NULL_MARKETS",
    "REPAIRS",
    "Anchor",
    "Bar",
    "Bars",
    "Calendar",
    "CheckReport",
    "Fee",
    "Finding",
    "ImportReport",
    "Instrument",
    "KnownSeries",
    "NullMarket",
    "ResampledBars",
    "SeriesSource",
    "Simulation",
    "Slippage",
    "Timeframe",
    "builtin_symbols",
    "check_frame",
    "check_source",
    "cost_rate",
    "describe",
    "fee_per_side",
    "fill_price",
    "import_bars",
    "join_series",
    "known_calendars",
    "mtf_align",
    "null_market",
    "read_in_order",
    "read_npz",
    "read_series",
    "repairs_for",
    "resample",
    "resample_ohlcv",
    "round_trip_cost",
    "simulate",
    "slippage_per_side",
    "write_bars_npz",
    "write_oracle",
]
