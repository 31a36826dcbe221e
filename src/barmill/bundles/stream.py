"""Forecasts bar by bar: the same features, scalers, models and guard as a batch, over a ring of the longest window."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from barmill.bundles._keeping import keep_row
from barmill.bundles.direction import Float64Array
from barmill.bundles.forecast import Forecast
from barmill.bundles.row_path import row_path, why_ordinary
from barmill.bundles.seen_bars import SeenBars
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
        self._path = None if self._walk is not None else row_path(bundle.pipeline)
        self._whole = np.zeros(1, dtype=np.int64)  # rows of features in succession, up to the last, in which every number is finite
        self._in_step = False  # whether `_path` and `_whole` have seen all that is in `_recent`
        self._names, self._sources, self._step = bundle.outputs, bundle.plan.sources, bundle.timeframe.ms
        # Daily bars may open at the hour of a session, which moves with the clocks; others lie on the grid of the first one.
        self._on_grid = bundle.timeframe.minutes < 1440
        self._out = np.empty(len(self._names))

    @property
    def allocates(self) -> str:
        """What makes arrays anew in each forecast, in words; empty where nothing does."""
        if self._path is not None:
            return self._path.allocates
        return why_ordinary(self.bundle.pipeline) or "an adaptive band remembers its decisions"

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
        open_time, open_, high, low, close, volume, extra = bar
        further = tuple(map(extra.get, self._sources))
        found = self._push(open_time, open_, high, low, close, volume, further, bar)
        if found is None:
            return None
        row: ForecastRow = {"open_time": open_time, "known_at": open_time + self._step}
        row.update(zip(self._names, found.tolist(), strict=True))
        return row

    def push_numbers(
        self, open_time: int, open_: float, high: float, low: float, close: float, volume: float, further: Sequence[float | None] = ()
    ) -> Float64Array | None:
        """The same bar as plain numbers, for callers that count microseconds: see `HotPath`.

        further : the `sources` of the bundle's plan, in their order; None for one that did not come

        Returns
        -------
        float64 array of shape (n_outputs,), the bundle's outputs: always the same array, which the next bar overwrites. None while
        features or window warm up. Raises as `push`.
        """
        return self._push(open_time, open_, high, low, close, volume, further, None)

    def _push(
        self,
        open_time: int,
        open_: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        further: Sequence[float | None],
        bar: Bar | None,
    ) -> Float64Array | None:
        """bar : the same as a value, where it came as one."""
        self._check(open_time, open_, high, low, close, volume)
        line = self._features.advance(open_time, open_, high, low, close, volume, further)
        closed = None
        if self._closed is not None or self._walk is not None:
            if bar is None:
                extra = {name: value for name, value in zip(self._sources, further, strict=True) if value is not None}
                bar = Bar(open_time, open_, high, low, close, volume, extra)
            closed = None if self._closed is None else self._closed.push(bar)
            if self._walk is not None:
                self._walk.push(bar)
        self._last = open_time
        self._keep(line)
        if self._whole.item() < self._window or (closed is not None and not closed.ready[0]):
            return None
        if self._path is not None and self._path.forecast(line):
            return self._path.out
        return self._ordinary(open_time, closed)

    def _keep(self, line: Float64Array) -> None:
        """Take one more row of features into the window."""
        if not self._in_step:
            finite = np.isfinite(self._recent).all(axis=1)
            self._whole[0] = self._window if finite.all() else np.argmin(finite[::-1])
            if self._path is not None:
                self._path.fill(self._recent)
            self._in_step = True
        keep_row.compiled(line, self._recent, self._whole)
        if self._path is not None:
            self._path.take(line)

    def _ordinary(self, open_time: int, closed: SeenBars | None) -> Float64Array:
        """The forecast of the last row as one of many would get it; who refuses it says why."""
        widen = None if self._walk is None else partial(self._walk.bounds, np.array([open_time]))
        rows, place = np.array([self._window - 1]), f"bar {open_time}"
        columns = self.bundle.pipeline.run(self._recent, rows, closed=closed, place=place, widen=widen)
        for at, name in enumerate(self._names):
            self._out[at] = columns[name][0]
        return self._out

    def extend(self, bars: Bars) -> Forecast:
        """Many more bars at once, such as the history before the first live bar: the rows that `push` would give, faster."""
        self.bundle.check_bars(bars)
        if len(bars) and self._last is not None and int(bars.open_time[0]) <= self._last:
            self._check(*bars.bar(0)[:6])
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
            self._in_step = False
        return forecast

    def _check(self, open_time: int, open_: float, high: float, low: float, close: float, volume: float) -> None:
        """Raise DataError unless this bar may follow what was pushed."""
        finite = math.isfinite(open_) and math.isfinite(high) and math.isfinite(low) and math.isfinite(close) and math.isfinite(volume)
        if not (finite and 0 < low <= open_ <= high and low <= close <= high and volume >= 0):
            raise _no_bar(open_time, open_, high, low, close, volume)
        if not PLAUSIBLE_MS[0] <= open_time < PLAUSIBLE_MS[1]:
            place, expected = f"bar {open_time}", "the open time in UTC milliseconds"
            raise DataError(place, "lies outside 1970 to 2100", expected=expected, mend="Send it in that unit.")
        last = self._last
        if last is None:
            return
        if self._on_grid and (open_time - last) % self._step:
            expected = f"steps of {self._step} ms ({self.bundle.timeframe}) from the bars before, the last at {last}"
            raise DataError(f"bar {open_time}", "is off the grid", expected=expected, mend="Send bars of one timeframe, with their open times.")
        if open_time <= last:
            found = "was sent before" if open_time == last else f"is older than the last bar, {last}"
            raise DataError(f"bar {open_time}", found, mend="Send each closed bar once, in time order.")


def _no_bar(open_time: int, open_: float, high: float, low: float, close: float, volume: float) -> DataError:
    """Why these numbers are no bar."""
    place, shown = f"bar {open_time}", f"open {open_}, high {high}, low {low}, close {close}, volume {volume}"
    if not all(map(math.isfinite, (open_, high, low, close, volume))):
        return DataError(place, f"{shown} is not all finite", expected="five finite numbers", mend="Send the bar again as it closed.")
    prices = (open_, high, low, close)
    if min(prices) <= 0 or high < max(prices) or low > min(prices):
        return DataError(place, shown, expected="0 < low <= open, close <= high", mend="Send the bar again as it closed.")
    return DataError(place, f"volume {volume}", expected="0 or more", mend="Send the bar again as it closed.")


__all__ = ["BundleStream", "ForecastRow"]
