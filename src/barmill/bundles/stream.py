"""Forecasts bar by bar: the same features, scalers, models and guard as a batch, over a ring of the longest window."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import canonical_json
from barmill.bundles._keeping import keep_row
from barmill.bundles.bar_order import BarOrder
from barmill.bundles.direction import Float64Array
from barmill.bundles.forecast import Forecast
from barmill.bundles.row_path import RowPath, row_path, why_ordinary
from barmill.bundles.seen_bars import SeenBars, StreamOfOne, streams_of
from barmill.bundles.strict_json import parse_canonical
from barmill.errors import SchemaError
from barmill.features import FeatureStream, FeatureTable
from barmill.features.taking_over import take_over
from barmill.market import Bar, Bars

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
        self._whole = np.zeros(1, dtype=np.int64)  # rows of features in succession, up to the last, in which every number is finite
        self._in_step = False  # whether `_path` and `_whole` have seen all that is in `_recent`
        self._names, self._sources, self._step = bundle.outputs, bundle.plan.sources, bundle.timeframe.ms
        self._order = BarOrder(bundle.timeframe)
        self._out = np.empty(len(self._names))

    @cached_property
    def _path(self) -> RowPath | None:
        """Made with the first bar that is pushed: most of what a stream holds is there for it."""
        return row_path(self.bundle.pipeline, None if self._walk is None else self._widen)

    def _widen(self, lo: float, hi: float, unit: float) -> tuple[float, float]:
        """The adaptive band around the forecast of the last bar."""
        assert self._walk is not None
        assert self._last is not None
        return self._walk.bounds_at(self._last, lo, hi, unit)

    @property
    def allocates(self) -> str:
        """What makes arrays anew in each forecast, in words; empty where nothing does."""
        of_row = why_ordinary(self.bundle.pipeline) if self._path is None else self._path.allocates
        of_band = "" if self._walk is None else "an adaptive band makes arrays of the outcomes that it waits for"
        return "; ".join(words for words in (of_row, of_band) if words)

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
        """A copy of the last rows of features, float64 (rows, n_plan), the oldest first; NaN before there were as many."""
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
        self._order.check(self._last, open_time, open_, high, low, close, volume)
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
            broken = np.flatnonzero(~np.isfinite(self._recent).all(axis=1))
            self._whole[0] = self._window - 1 - broken[-1] if broken.size else self._window
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
        """Many more bars at once, such as the history before the first live bar: the rows that `push` would give, faster.

        Raises: as `push`. ForecastError once all bars have gone in.
        """
        self.bundle.check_bars(bars)
        if len(bars) and self._last is not None and int(bars.open_time[0]) <= self._last:
            self._order.check(self._last, *bars.bar(0)[:6])
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
            self._in_step = False
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


__all__ = ["BundleStream", "ForecastRow"]
