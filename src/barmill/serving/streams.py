"""Named streams of all models: bars in, forecasts out, each under a lock of its own, and all of them there again after a restart."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from barmill.bundles import Bundle
from barmill.errors import StorageError
from barmill.market import Bar, Bars, Calendar
from barmill.serving.answers import Answer, Float64Array, StreamStatus
from barmill.serving.contract import Served
from barmill.serving.feature_store import FeatureStore, FeatureVector
from barmill.serving.named_stream import NamedStream
from barmill.serving.refusals import Refusal
from barmill.serving.snapshot_keeper import SnapshotKeeper
from barmill.serving.snapshots import check_name
from barmill.serving.stream_settings import StreamSettings
from barmill.serving.stream_table import Kept, Key, StreamTable
from barmill.serving.telemetry import Silent, Telemetry

_LONGEST_MS = 40 * 86_400_000  # no market stays closed so long


class Streams:
    """The named streams that a plane serves (`contract.StreamBook`). May be used from any thread.

    Parameters
    ----------
    folder : where snapshots are; None keeps none. Whoever may write there can make streams say anything: it is the server's own
    settings, telemetry : see there
    store : gets the features of the last bar that a stream took, and what its model said; None for nobody
    timer : seconds that only grow, for durations and deadlines
    clock : Unix time, for what outlives the process; that it goes backwards moves no forecast
    """

    def __init__(
        self,
        folder: Path | None = None,
        settings: StreamSettings | None = None,
        telemetry: Telemetry | None = None,
        *,
        store: FeatureStore | None = None,
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings or StreamSettings()
        self._telemetry: Telemetry = telemetry or Silent()
        self._timer, self._clock, self._store = timer, clock, store
        self._table = StreamTable(self.settings, self._telemetry, timer)
        self._keeper = None
        if folder is not None:
            self._keeper = SnapshotKeeper(folder, self._table, self.settings, self._telemetry, timer, clock)
        self._closing = threading.Event()

    def __len__(self) -> int:
        return len(self._table)

    def names(self, model: str) -> tuple[str, ...]:
        """Streams of a model that are in memory, sorted."""
        return tuple(sorted(name for (_, name), _ in self._table.all(model)))

    def version_of(self, model: str, stream: str, asked: str | None) -> str | None:
        """The version to lease for a stream: the one by whose name it began, else `asked`.

        Raises: Refusal "conflict" for another version than it began with: a stream that moved to and fro would lose what it knows.
        """
        pin, wanted = self._pin((model, stream)), _pin_of(asked)
        if pin is None or wanted in ("", pin):
            return pin or asked
        found = f"version {wanted}, of a stream that {f'keeps to version {pin}' if pin else 'goes with the champion'}"
        mend = f"Ask {'for that one' if pin else 'without a version'}, or drop the stream first."
        raise Refusal("conflict", "stream_of_another_version", "version", found, mend=mend)

    def push(self, served: Served, stream: str, bar: Bar, *, version: str | None = None, deadline: float = float("inf")) -> Answer:
        """One more closed bar, and its forecast.

        Parameters
        ----------
        served : the version that answers, leased as `version_of` says
        version : as it was asked for; a stream that begins here keeps to it, where it is not None or "champion"
        deadline : on `timer`; a stream that is busy until then is not waited for any longer

        Raises: Refusal and, where the bar was taken and the model failed, what the model raised; see `NamedStream.push`.
        """
        with self._held(served, stream, deadline, begin=_pin_of(version)) as (kept, own):
            return self._advanced(kept, own, 1, lambda: own.push(served, bar))

    def extend(self, served: Served, stream: str, bars: Bars, *, version: str | None = None, deadline: float = float("inf")) -> Answer:
        """Many more bars, such as the history that warms up a stream, and their forecasts; as `push`."""
        with self._held(served, stream, deadline, begin=_pin_of(version)) as (kept, own):
            return self._advanced(kept, own, len(bars), lambda: own.extend(served, bars))

    def recent(self, model: str, stream: str) -> Float64Array | None:
        """A copy of the last rows of its features, float64 (rows, n_plan), the oldest first; None where it is busy or not in memory."""
        kept = self._table.get((model, stream))
        if kept is None or not kept.lock.acquire(blocking=False):
            return None
        try:
            return None if kept.stream is None or kept.gone else kept.stream.recent
        finally:
            kept.lock.release()

    def status(self, served: Served, stream: str, *, deadline: float = float("inf")) -> StreamStatus:
        """Where a stream stands; of one that is busy, where it stood. Raises Refusal "not_found" for one that is not there."""
        kept = self._table.get((served.name, stream))
        if kept is not None and kept.status is not None and kept.lock.locked() and not kept.gone:
            return kept.status
        with self._held(served, stream, deadline) as (kept, own):
            return own.status(stale=self._is_stale(kept, own))

    def drop(self, served: Served, stream: str, *, deadline: float = float("inf")) -> StreamStatus:
        """Forget a stream and its snapshot; its last status comes back. Raises Refusal "not_found"."""
        with self._held(served, stream, deadline, writing=True) as (kept, own):
            status = own.status(stale=self._is_stale(kept, own))
            if self._keeper is not None:
                try:
                    self._keeper.forget((served.name, stream))
                except StorageError as error:
                    raise Refusal("unavailable", "snapshot_not_removed", "stream", error.found, mend=error.mend) from error
            self._table.forget((served.name, stream), kept)
        return status

    def adopt(self, served: Served, only: Callable[[str], bool] | None = None) -> int:
        """Take the streams of a model that are pinned to no version on to `served`, so that idle ones do not hold the old one in memory.

        only : whether the stream of a name is one of them, None for all; how many were taken on comes back
        """
        taken = 0
        for (_, name), kept in self._table.all(served.name):
            with kept.lock:
                own = kept.stream
                if own is not None and not kept.gone and not own.pin and (only is None or only(name)):
                    own.follow(served)
                    taken += 1
        return taken

    def lags(self) -> dict[str, float]:
        """By model, seconds by which its slowest stream in memory is behind the clock, of which a closed market adds none."""
        slowest: dict[str, tuple[int, Bundle]] = {}
        for (model, _), kept in self._table.all():
            last, own = None if kept.status is None else kept.status.last_open_time, kept.stream
            if last is not None and own is not None and last < slowest.get(model, (last + 1,))[0]:
                slowest[model] = last, own.bundle
        return {model: self._lag(last, bundle) for model, (last, bundle) in slowest.items()}

    def _lag(self, last: int, bundle: Bundle) -> float:
        bar, now = bundle.timeframe.ms, int(1000 * self._clock())
        calendar = Calendar.named(bundle.instrument.calendar)
        missed = calendar.expected(last + 1, min(now - bar, last + _LONGEST_MS), bundle.timeframe, last % bar).size
        return max(min(now - (last + bar), (missed + 1) * bar), 0) / 1000

    def snapshot(self) -> int:
        """Write down, now, every stream that took a bar since it was; how many were. What cannot be written is told, and tried again."""
        return 0 if self._keeper is None else self._keeper.sweep(everything=True)

    def close(self) -> None:
        """Take no more bars, and write everything down."""
        self._closing.set()
        if self._keeper is not None:
            self._keeper.close()

    @contextmanager
    def _held(
        self, served: Served, name: str, deadline: float, *, begin: str | None = None, writing: bool = False
    ) -> Generator[tuple[Kept, NamedStream]]:
        """A stream that nobody else holds. begin : what one that is not there yet will be pinned to; None refuses it."""
        check_name(name)
        key = served.name, name
        if begin is None and self._table.get(key) is None and not self._is_saved(key):
            raise _unknown(key)
        with self._table.held(key, deadline, writing=writing) as kept:
            if self._closing.is_set():
                raise Refusal("unavailable", "shutting_down", "stream", "the server is stopping", retry_after=self.settings.retry_after)
            if kept.stream is None:
                kept.stream = self._read_or_begin(key, served, kept, begin)
            yield kept, kept.stream

    def _read_or_begin(self, key: Key, served: Served, kept: Kept, begin: str | None) -> NamedStream:
        saved = self._is_saved(key)
        found = self._keeper.read(key, served, kept) if saved and self._keeper is not None else None
        if found is not None:
            kept.status = found.status()
            return found
        if begin is None:
            raise _unknown(key)
        begun = NamedStream(key[1], served, self.settings, begin)
        if saved:
            begun.tell("its snapshot cannot be used: it begins anew")
        return begun

    def _advanced(self, kept: Kept, own: NamedStream, n_bars: int, take: Callable[[], Answer]) -> Answer:
        """What `take` gives, which may take bars, and may raise all the same."""
        before, answer = own.last_open_time, None
        try:
            answer = take()
            return answer
        finally:
            last = own.last_open_time
            kept.status = own.status() if answer is None else answer.stream
            if last is not None and last != before:
                kept.begun, kept.heard, kept.unsaved = True, self._timer(), kept.unsaved + n_bars
                if self._keeper is not None:
                    self._keeper.watch()
                if self._store is not None:
                    _share(self._store, own, last, answer)

    def _is_stale(self, kept: Kept, own: NamedStream) -> bool:
        """Whether, since its last bar came, the market was open for so many bars' time as counted on from that bar."""
        last, timeframe, quiet_ms = own.last_open_time, own.bundle.timeframe, (self._timer() - kept.heard) * 1000
        if last is None or quiet_ms <= self.settings.stale_after * timeframe.ms:
            return False
        calendar = Calendar.named(own.bundle.instrument.calendar)
        until = last + int(min(quiet_ms, _LONGEST_MS))
        return calendar.expected(last + 1, until, timeframe, last % timeframe.ms).size >= self.settings.stale_after

    def _pin(self, key: Key) -> str | None:
        """What a stream is pinned to, "" for nothing; None for a stream that is not there."""
        check_name(key[1])
        kept = self._table.get(key)
        if kept is not None and kept.stream is not None:
            return kept.stream.pin
        return self._keeper.pin(key) if self._keeper is not None else None

    def _is_saved(self, key: Key) -> bool:
        return self._keeper is not None and self._keeper.has(key)


def _share(store: FeatureStore, own: NamedStream, open_time: int, answer: Answer | None) -> None:
    """Give away the features of the last bar, where none is missing, and what was said; never raises for a store that is away."""
    bundle, row = own.bundle, own.recent[-1]
    symbol, timeframe = bundle.instrument.symbol, str(bundle.timeframe)
    if np.isfinite(row).all():
        store.put(symbol, timeframe, FeatureVector(bundle.plan.schema_hash, open_time, row.astype(np.float32)))
    if answer is not None and len(answer):
        store.publish(symbol, timeframe, answer)


def _pin_of(asked: str | None) -> str:
    return "" if asked is None or asked == "champion" else asked


def _unknown(key: Key) -> Refusal:
    mend = "Push a bar to begin it."
    return Refusal("not_found", "unknown_stream", "stream", f"model '{key[0]}' has no stream '{key[1]}'", mend=mend)


__all__ = ["Streams"]
