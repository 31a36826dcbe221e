"""Repairs of bars: each does one named thing, and keeps every row that it takes out or alters, with the reason."""

from collections.abc import Callable, Collection

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.errors import DataError, nearest
from barmill.market.calendar import Calendar
from barmill.market.checks import PRICES, TAKER_TOLERANCE
from barmill.market.findings import Finding
from barmill.market.reading import UncheckedBars
from barmill.market.times import utc_text

BoolArray = npt.NDArray[np.bool_]
SOURCE_ROW = "source_row"

# In the order in which they are applied: numbers first, then order, then what needs order.
REPAIRS = {
    "drop-nan": "set aside rows whose time, price or volume is no finite number",
    "sort": "put the rows in time order (of equal times, the earlier row first)",
    "drop-duplicates": "of each open time keep the first row",
    "drop-invalid-ohlc": "set aside rows whose high or low is crossed by another price",
    "drop-non-positive-prices": "set aside rows with a price of 0 or less",
    "drop-negative-volume": "set aside rows with a negative volume",
    "clip-negative-volume": "take a negative volume as 0",
    "drop-invalid-taker": "set aside rows whose taker_buy_base is above the volume",
    "drop-off-grid": "set aside rows that do not lie on the grid of the other bars",
    "drop-closed": "set aside rows at which the calendar says that the market is closed",
}


def repairs_for(findings: Collection[Finding]) -> tuple[str, ...]:
    """Repairs that would deal with the errors among `findings`, in order."""
    cures = {"D002": "drop-nan", "D003": "sort", "D004": "drop-duplicates", "D005": "drop-invalid-ohlc", "D006": "clip-negative-volume"}
    cures |= {"D007": "drop-non-positive-prices", "D010": "drop-off-grid", "D017": "drop-invalid-taker"}
    wanted = {cures[each.code] for each in findings if each.severity == "error" and each.code in cures}
    return tuple(name for name in REPAIRS if name in wanted)


def require_known(repairs: Collection[str]) -> None:
    """Raise DataError if a repair does not exist or two of them exclude each other."""
    for name in repairs:
        if name not in REPAIRS:
            raise DataError(f"repair '{name}'", "there is no such repair", mend=nearest(name, REPAIRS))
    if {"drop-negative-volume", "clip-negative-volume"} <= set(repairs):
        raise DataError("repairs", "drop-negative-volume and clip-negative-volume exclude each other", mend="Name one of the two.")


class Repairer:
    """The rows that are left, and those that were set aside or changed, with the reason."""

    def __init__(self, raw: UncheckedBars) -> None:
        self._raw = raw
        self._rows = raw.frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(SOURCE_ROW))
        self._kept: list[pl.DataFrame] = []
        self.set_aside: dict[str, int] = {}
        self.changed: dict[str, int] = {}

    @property
    def frame(self) -> pl.DataFrame:
        return self._rows.drop(SOURCE_ROW)

    def quarantine(self) -> pl.DataFrame | None:
        return pl.concat(self._kept) if self._kept else None

    def apply(self, repairs: Collection[str]) -> "Repairer":
        for name in REPAIRS:
            if name in repairs and self._rows.height and all(each in self._rows.columns for each in ("open_time", *PRICES)):
                getattr(self, f"_{name.replace('-', '_')}")(name)
        return self

    def _drop(self, repair: str, bad: BoolArray, reason: Callable[[int], str]) -> None:
        if bad.any():
            self._keep(repair, bad, reason)
            self.set_aside[repair] = int(bad.sum())
            self._rows = self._rows.filter(pl.Series(~bad))

    def _keep(self, repair: str, bad: BoolArray, reason: Callable[[int], str]) -> None:
        rows = np.flatnonzero(bad)
        taken = self._rows.filter(pl.Series(bad))
        when = [utc_text(time) if time is not None else None for time in taken["open_time"]]
        lead = [
            pl.Series("repair", [repair] * len(rows), dtype=pl.String),
            pl.Series("reason", [reason(int(row)) for row in rows], dtype=pl.String),
            pl.Series("time", when, dtype=pl.String),
            taken[SOURCE_ROW],
        ]
        self._kept.append(pl.DataFrame([*lead, *taken.drop(SOURCE_ROW).get_columns()]))

    def _numbers(self, name: str) -> npt.NDArray[np.float64]:
        return self._rows[name].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()

    def _drop_nan(self, repair: str) -> None:
        names = [name for name in ("open_time", *PRICES, "volume") if name in self._rows.columns]
        wrong = {name: ~np.isfinite(self._numbers(name)) for name in names}
        self._drop(
            repair, np.logical_or.reduce(list(wrong.values())), lambda row: f"{', '.join(n for n in names if wrong[n][row])} is no number"
        )

    def _sort(self, repair: str) -> None:
        times = self._rows["open_time"]
        if times.null_count():
            return  # the check says so
        order = np.argsort(times.to_numpy(), kind="stable")
        moved = int(np.count_nonzero(order != np.arange(order.size)))
        if moved:
            self.changed[repair] = moved
            self._rows = self._rows[order]

    def _drop_duplicates(self, repair: str) -> None:
        times = self._rows["open_time"]
        again = (~times.is_first_distinct()).to_numpy()
        values = self._rows.drop(SOURCE_ROW)
        alike = values.is_duplicated().to_numpy()
        self._drop(repair, again, lambda row: f"a further row of this time, {'identical' if alike[row] else 'with other values'}")

    def _drop_invalid_ohlc(self, repair: str) -> None:
        opened, high, low, close = (self._numbers(name) for name in PRICES)
        bad = (high < np.maximum(opened, close)) | (low > np.minimum(opened, close)) | (high < low)
        self._drop(
            repair,
            bad,
            lambda row: f"open {opened[row]:.10g}, high {high[row]:.10g}, low {low[row]:.10g}, close {close[row]:.10g} do not fit",
        )

    def _drop_non_positive_prices(self, repair: str) -> None:
        lowest = np.minimum.reduce([self._numbers(name) for name in PRICES])
        self._drop(repair, lowest <= 0, lambda row: f"price {lowest[row]:.10g}")

    def _drop_negative_volume(self, repair: str) -> None:
        if "volume" in self._rows.columns:
            volume = self._numbers("volume")
            self._drop(repair, volume < 0, lambda row: f"volume {volume[row]:.10g}")

    def _clip_negative_volume(self, repair: str) -> None:
        if "volume" not in self._rows.columns:
            return
        volume = self._numbers("volume")
        bad = volume < 0
        if bad.any():
            self._keep(repair, bad, lambda row: f"volume {volume[row]:.10g} taken as 0; the row stays")
            self.changed[repair] = int(bad.sum())
            self._rows = self._rows.with_columns(pl.Series("volume", np.where(bad, 0.0, volume)))

    def _drop_invalid_taker(self, repair: str) -> None:
        if {"volume", "taker_buy_base"} <= set(self._rows.columns):
            volume, taker = self._numbers("volume"), self._numbers("taker_buy_base")
            bad = taker > volume * (1 + TAKER_TOLERANCE)
            self._drop(repair, bad, lambda row: f"taker_buy_base {taker[row]:.10g} above volume {volume[row]:.10g}")

    def _drop_off_grid(self, repair: str) -> None:
        if self._raw.timeframe is None or self._rows["open_time"].null_count():
            return
        offset = self._rows["open_time"].to_numpy() % self._raw.timeframe.ms
        values, counts = np.unique(offset, return_counts=True)
        self._drop(
            repair, offset != values[np.argmax(counts)], lambda row: f"{offset[row] / 1000:g} s after the grid of {self._raw.timeframe}"
        )

    def _drop_closed(self, repair: str) -> None:
        if self._rows["open_time"].null_count():
            return
        calendar = Calendar.named(self._raw.instrument.calendar)
        self._drop(repair, ~calendar.is_open(self._rows["open_time"].to_numpy()), lambda _: f"the market is closed ({calendar.name})")
