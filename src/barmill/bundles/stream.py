"""Forecasts bar by bar: the same features, scalers, models and guard as a batch, over a ring of the longest window."""

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from barmill.bundles.forecast import Forecast
from barmill.errors import DataError
from barmill.features import FeatureStream, FeatureTable
from barmill.market import Bar, Bars
from barmill.market.times import PLAUSIBLE_MS

if TYPE_CHECKING:
    from barmill.bundles.bundle import Bundle

ForecastRow = dict[str, float]  # `open_time` and `known_at` are int


class BundleStream:
    """A bundle that is fed one closed bar after another. Holds a state of fixed size; not to be shared between threads.

    Parameters
    ----------
    bundle : Bundle
    saved : what an earlier stream gave as its `band_state`, to go on with. Bars up to there may be given again, to warm up features: they
        move nothing, and their rows have the band as it stands in the bundle
    """

    def __init__(self, bundle: "Bundle", saved: Mapping[str, Any] | None = None) -> None:
        self.bundle = bundle
        self._walk = bundle.walk(saved=saved)
        self._features = FeatureStream(bundle.plan)
        self._closed = bundle.pipeline.stream(bundle.timeframe, bundle.plan.calendar)
        self._window = bundle.pipeline.depth
        self._recent = np.full((self._window, len(bundle.plan.names)), np.nan)  # the last rows of features, oldest first
        self._last: int | None = None

    @property
    def last_open_time(self) -> int | None:
        """Open time of the last bar, None before the first."""
        return self._last

    def band_state(self) -> dict[str, Any] | None:
        """What an adaptive band has become by now, as plain JSON, exact: a stream that goes on with it says the same bits as this one.

        None for a band that stands still, and without one.
        """
        return None if self._walk is None else self._walk.to_json()

    def push(self, bar: Bar) -> ForecastRow | None:
        """One more closed bar.

        Returns
        -------
        `open_time`, `known_at` and the bundle's outputs, known at this bar's close; None while features or window warm up.

        Raises: DataError for a bar that is out of order, off the timeframe's grid or no bar at all: the stream is then as
        before, and goes on with the next good bar. ForecastError rather than give a value out of bounds.
        """
        self._check(bar)
        values = self._features.push(bar)
        closed = None if self._closed is None else self._closed.push(bar)
        if self._walk is not None:
            self._walk.push(bar)
        self._last = bar.open_time
        self._recent[:-1] = self._recent[1:]
        self._recent[-1] = values
        if not np.isfinite(self._recent).all() or (closed is not None and not closed.ready[0]):
            return None
        widen = None if self._walk is None else partial(self._walk.bounds, np.array([bar.open_time]))
        rows, place = np.array([self._window - 1]), f"bar {bar.open_time}"
        columns = self.bundle.pipeline.run(self._recent, rows, closed=closed, place=place, widen=widen)
        row: ForecastRow = {"open_time": bar.open_time, "known_at": bar.open_time + self.bundle.timeframe.ms}
        return row | {name: float(value[0]) for name, value in columns.items()}

    def extend(self, bars: Bars) -> Forecast:
        """Many more bars at once, such as the history before the first live bar: the rows that `push` would give, faster."""
        self.bundle.check_bars(bars)
        if len(bars) and self._last is not None and int(bars.open_time[0]) <= self._last:
            self._check(bars.bar(0))
        table = self._features.extend(bars)
        closed = None if self._closed is None else self._closed.extend(bars)
        if self._walk is not None:
            self._walk.extend(bars)
        before = self._recent[1:]
        joined = np.concatenate((before, table.values))
        times = np.concatenate((np.full(len(before), -1), table.open_time))  # rows from before are not forecast again
        step = self.bundle.timeframe.ms
        joined_table = FeatureTable(table.names, joined, times, times + step, table.schema_hash)
        forecast = self.bundle.forecast_table(joined_table, since=0, closed=closed, walk=self._walk)
        if len(bars):
            self._recent = np.concatenate((self._recent, table.values))[-self._window :].copy()
            self._last = int(bars.open_time[-1])
        return forecast

    def _check(self, bar: Bar) -> None:
        """Raise DataError unless `bar` may follow what was pushed."""
        place, step = f"bar {bar.open_time}", self.bundle.timeframe.ms
        prices = (bar.open, bar.high, bar.low, bar.close)
        if not all(math.isfinite(value) for value in (*prices, bar.volume)):
            raise DataError(
                place, f"{_shown(bar)} is not all finite", expected="five finite numbers", mend="Send the bar again as it closed."
            )
        if min(prices) <= 0 or bar.high < max(prices) or bar.low > min(prices):
            expected = "0 < low <= open, close <= high"
            raise DataError(place, _shown(bar), expected=expected, mend="Send the bar again as it closed.")
        if bar.volume < 0:
            raise DataError(place, f"volume {bar.volume}", expected="0 or more", mend="Send the bar again as it closed.")
        if not PLAUSIBLE_MS[0] <= bar.open_time < PLAUSIBLE_MS[1]:
            raise DataError(place, "lies outside 1970 to 2100", expected="the open time in UTC milliseconds", mend="Send it in that unit.")
        # Daily bars may open at the hour of a session, which moves with the clocks; others lie on the grid of the first one.
        if self._last is not None and self.bundle.timeframe.minutes < 1440 and (bar.open_time - self._last) % step:
            expected = f"steps of {step} ms ({self.bundle.timeframe}) from the bars before, the last at {self._last}"
            raise DataError(place, "is off the grid", expected=expected, mend="Send bars of one timeframe, with their open times.")
        if self._last is None or bar.open_time > self._last:
            return
        found = "was sent before" if bar.open_time == self._last else f"is older than the last bar, {self._last}"
        raise DataError(place, found, mend="Send each closed bar once, in time order.")


def _shown(bar: Bar) -> str:
    return f"open {bar.open}, high {bar.high}, low {bar.low}, close {bar.close}, volume {bar.volume}"


__all__ = ["BundleStream", "ForecastRow"]
