"""Funding of perpetuals: which rate is charged at the open of which bar."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, ShapeError
from barmill.market.bars import Bars
from barmill.market.second_series import SeriesSource, read_series
from barmill.market.sources import open_source
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

COLUMN = "funding_rate"
HOUR_MS = 3_600_000
_TIMES = ("funding_time", "fundingtime", "calc_time", "open_time", "timestamp", "time")
_RATES = ("funding_rate", "fundingrate", "last_funding_rate", "rate")


@dataclass(frozen=True, slots=True, eq=False)
class FundingRates:
    """Settlements in time order.

    time : int64 (n,), ms UTC of each
    rate : float64 (n,), share of the position's value that longs pay to shorts at it; negative: shorts pay longs
    """

    time: Int64Array
    rate: Float64Array

    def __post_init__(self) -> None:
        vector(self.rate, "funding rate", self.time.size)
        if (np.diff(self.time) <= 0).any():
            row = int(np.argmax(np.diff(self.time) <= 0)) + 1
            raise ShapeError(f"funding time row {row}", "is not after the one before it", mend="Sort the settlements.")

    @classmethod
    def read(cls, path: str | Path) -> "FundingRates":
        """Settlements from a file of times and rates, whose columns are called as exchanges call them.

        Raises: DataError naming the file and the columns there are, or the row that is wrong.
        """
        names = open_source(Path(path)).frame.columns
        time, rate = (next((name for name in names if name.lower() in known), None) for known in (_TIMES, _RATES))
        if time is None or rate is None:
            what = "time of settlement" if time is None else "funding rate"
            raise DataError(str(path), f"there is no column for the {what}", expected=f"one of {', '.join(names)} to be called so")
        series = read_series(SeriesSource(file=str(path), columns={COLUMN: rate}, known="label", time=time))
        return cls(series.known_at, series.columns[COLUMN])


def funding_at_bars(bars: Bars, rates: FundingRates | None, hours: int) -> Float64Array:
    """float64 (n_bars,): the rate charged at each bar's open, on what is held before any fill there; empty if none is known.

    A settlement is charged at the first open at or after it; two before one open add up. Without `rates`, the column funding_rate says what
    was in force: at each whole multiple of `hours` from midnight UTC, the value of the last bar that had closed by then. A settlement
    before that, or while the column has no value, charges nothing.
    """
    if rates is not None:
        return _charged(bars.open_time, np.asarray(rates.time, dtype=np.int64), np.asarray(rates.rate, dtype=np.float64))
    if COLUMN not in bars.frame.columns or not len(bars):
        return np.empty(0)
    step = hours * HOUR_MS
    first, last = -(-int(bars.open_time[0]) // step), int(bars.open_time[-1]) // step
    times = np.arange(first, last + 1, dtype=np.int64) * step
    known = np.searchsorted(bars.close_time, times, side="right") - 1
    rate = np.where(known >= 0, bars.column(COLUMN)[np.maximum(known, 0)], 0.0)
    return _charged(bars.open_time, times, np.nan_to_num(rate, nan=0.0))


def _charged(open_time: Int64Array, times: Int64Array, rate: Float64Array) -> Float64Array:
    charged = np.zeros(open_time.size)
    rows = np.searchsorted(open_time, times)
    inside = (rows < open_time.size) & (times >= (open_time[0] if open_time.size else 0))
    np.add.at(charged, rows[inside], rate[inside])
    return charged


__all__ = ["FundingRates", "funding_at_bars"]
