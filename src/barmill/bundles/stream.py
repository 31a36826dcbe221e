"""Forecasts bar by bar: the same features, scalers, models and guard as a batch, over a ring of the longest window."""

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import canonical_json
from barmill.bundles.forecast import Forecast
from barmill.bundles.seen_bars import StreamOfOne, streams_of
from barmill.bundles.strict_json import parse_canonical
from barmill.errors import DataError, SchemaError
from barmill.features import FeatureStream, FeatureTable
from barmill.features.taking_over import take_over
from barmill.market import Bar, Bars
from barmill.market.times import PLAUSIBLE_MS

if TYPE_CHECKING:
    from barmill.bundles.bundle import Bundle

ForecastRow = dict[str, float]  # `open_time` and `known_at` are int

_FEATURES, _SEEN, _BAND, _RECENT = "features/", "seen/", "band", "recent"


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

    @property
    def bars_seen(self) -> int:
        """Bars that have gone in, over all restarts."""
        return self._features.bars_seen

    @property
    def recent(self) -> npt.NDArray[np.float64]:
        """A copy of the last rows of features that it remembers, float64 (rows, n_plan), the oldest first; NaN before there were as many."""
        return self._recent.copy()

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
        """Many more bars at once, such as the history before the first live bar: the rows that `push` would give, faster.

        Raises: as `push`. ForecastError once all bars have gone in.
        """
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
        if len(bars):  # before the forecast, which may fail: the bars have gone in all the same
            self._recent = np.concatenate((self._recent, table.values))[-self._window :].copy()
            self._last = int(bars.open_time[-1])
        return self.bundle.forecast_table(joined_table, since=0, closed=closed, walk=self._walk)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """A copy of everything it remembers, as named arrays that safetensors can hold; `stream_state` makes bytes of them."""
        arrays = {f"{_FEATURES}{name}": array for name, array in self._features.state().items()}
        for place, seen in enumerate(streams_of(self._closed)):
            arrays |= {f"{_SEEN}{place}/{name}": array for name, array in seen.state().items()}
        if self._walk is not None:
            arrays[_BAND] = np.frombuffer(canonical_json(self._walk.to_json()), dtype=np.uint8).copy()
        return arrays | {_RECENT: self._recent.copy()}

    @classmethod
    def restore(cls, bundle: "Bundle", state: Mapping[str, npt.NDArray[Any]]) -> "BundleStream":
        """A stream of the same bundle that goes on where `state()` was taken, and says the same bits.

        Raises: SchemaError or BundleError where the state is of something else.
        """
        band, stream = _band(state), cls(bundle, _band(state))
        if (band is None) != (stream._walk is None):
            raise SchemaError("stream state", "has no band", expected="the band of the bundle as it has become")
        room, held = (_beside_features(one) for one in (stream.state(), state))
        take_over("stream state", room, held, "stream of this bundle")  # as much as it remembers itself, and no more
        stream._features = FeatureStream.restore(bundle.plan, _below(_FEATURES, state))
        stream._last = stream._features.last_open_time
        stream._recent[...] = room[_RECENT]
        for place, seen in enumerate(streams_of(stream._closed)):
            seen.restore(_below(f"{_SEEN}{place}/", room))
        return stream

    @classmethod
    def carried(cls, bundle: "Bundle", state: Mapping[str, npt.NDArray[Any]]) -> "BundleStream | None":
        """A stream of `bundle` that goes on with what the stream of another version, of the same plan, remembered of the same bars.

        An adaptive band begins as it stands in `bundle`: what the other one had become says nothing about this model's errors.
        None where `bundle` needs a deeper window, or other bars, than are remembered.
        """
        stream, held = cls(bundle), _seen_in(state)
        if len(state[_RECENT]) < stream._window or not all(
            any(_restored(seen, one) for one in held) for seen in streams_of(stream._closed)
        ):
            return None
        stream._features = FeatureStream.restore(bundle.plan, _below(_FEATURES, state))
        stream._last = stream._features.last_open_time
        stream._recent[...] = state[_RECENT][-stream._window :]
        return stream

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


def _band(state: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any] | None:
    return parse_canonical(state[_BAND].tobytes(), "band of a stream") if _BAND in state else None


def _below(prefix: str, state: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def _beside_features(state: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {name: array for name, array in state.items() if name != _BAND and not name.startswith(_FEATURES)}


def _seen_in(state: Mapping[str, npt.NDArray[Any]]) -> list[dict[str, npt.NDArray[Any]]]:
    places = dict.fromkeys(name.split("/")[1] for name in state if name.startswith(_SEEN))
    return [_below(f"{_SEEN}{place}/", state) for place in places]


def _restored(seen: StreamOfOne, state: Mapping[str, npt.NDArray[Any]]) -> bool:
    try:
        seen.restore(state)
    except SchemaError:
        return False
    return True


def _shown(bar: Bar) -> str:
    return f"open {bar.open}, high {bar.high}, low {bar.low}, close {bar.close}, volume {bar.volume}"


__all__ = ["BundleStream", "ForecastRow"]
