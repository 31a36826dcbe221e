"""Named streams of all models: a lock each, a number of them that is bounded, and snapshots that are written beside the answers' way."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from barmill.errors import BarmillError, BundleError, StorageError
from barmill.market import Bar, Bars, Calendar
from barmill.serving.answers import Answer, Float64Array, StreamStatus
from barmill.serving.contract import Served
from barmill.serving.named_stream import NamedStream
from barmill.serving.refusals import Refusal
from barmill.serving.snapshots import SnapshotFolder, check_name
from barmill.serving.stream_settings import StreamSettings
from barmill.serving.telemetry import Silent, Telemetry

Key = tuple[str, str]  # model, stream

_SWEEP_SECONDS = 1.0  # between two looks at what has to be written down
_LONGEST_MS = 40 * 86_400_000  # no market stays closed so long


class _Kept:
    """A stream with what its keeper knows of it.

    `lock` is held by who advances it or asks, `writing`, which is taken before, by who writes its file or removes it.
    """

    __slots__ = ("begun", "failed", "gone", "heard", "lock", "saved_at", "stream", "unsaved", "writing")

    def __init__(self, now: float) -> None:
        self.stream: NamedStream | None = None  # until the first who asks has read or begun it
        self.lock, self.writing = threading.Lock(), threading.Lock()
        self.heard = self.saved_at = now  # on the timer: when the last bar came, and when it was last written down
        self.unsaved = 0  # bars since
        self.begun = self.gone = self.failed = False


class Streams:
    """The named streams that a plane serves. May be used from any thread.

    Parameters
    ----------
    folder : where snapshots are; None keeps none
    settings, telemetry : see there
    timer : seconds that only grow, for durations and deadlines
    clock : Unix time, for what outlives the process; that it goes backwards moves no forecast
    """

    def __init__(
        self,
        folder: Path | None = None,
        settings: StreamSettings | None = None,
        telemetry: Telemetry | None = None,
        *,
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings or StreamSettings()
        self._snapshots = None if folder is None else SnapshotFolder(folder)
        self._telemetry: Telemetry = telemetry or Silent()
        self._timer, self._clock = timer, clock
        self._kept: dict[Key, _Kept] = {}
        self._n_streams = Counter[str]()  # by model
        self._table = threading.Lock()  # of the two alone, and never held while anything is computed, read or written
        self._sweeper: threading.Thread | None = None
        self._closing = threading.Event()

    def __len__(self) -> int:
        return len(self._kept)

    def names(self, model: str) -> tuple[str, ...]:
        """Streams of a model that are in memory, sorted."""
        with self._table:
            return tuple(sorted(name for of_model, name in self._kept if of_model == model))

    def version_of(self, model: str, stream: str, asked: str | None) -> str | None:
        """The version to lease for a stream: the one by whose name it began, else `asked`.

        Raises: Refusal "conflict" for another version than it began with: a stream that moved to and fro would lose what it knows.
        """
        pin, wanted = self._pin(model, stream), _pin_of(asked)
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
        with self._held(served, stream, deadline, begin=_pin_of(version)) as (kept, own), self._advancing(kept, own, 1):
            return own.push(served, bar)

    def extend(self, served: Served, stream: str, bars: Bars, *, version: str | None = None, deadline: float = float("inf")) -> Answer:
        """Many more bars, such as the history that warms up a stream, and their forecasts; as `push`."""
        with self._held(served, stream, deadline, begin=_pin_of(version)) as (kept, own), self._advancing(kept, own, len(bars)):
            return own.extend(served, bars)

    def status(self, served: Served, stream: str, *, deadline: float = float("inf")) -> StreamStatus:
        """Where a stream stands. Raises Refusal "not_found" for one that was never begun, or was dropped."""
        with self._held(served, stream, deadline) as (kept, own):
            return own.status(stale=self._is_stale(kept, own))

    def recent(self, model: str, stream: str) -> Float64Array | None:
        """A copy of the last rows of its features, float64 (rows, n_plan), the oldest first; None where it is busy or not in memory."""
        kept = self._kept.get((model, stream))
        if kept is None or not kept.lock.acquire(blocking=False):
            return None
        try:
            return None if kept.stream is None else kept.stream.recent
        finally:
            kept.lock.release()

    def drop(self, served: Served, stream: str, *, deadline: float = float("inf")) -> StreamStatus:
        """Forget a stream and its snapshot; its last status comes back. Raises Refusal "not_found"."""
        with self._held(served, stream, deadline, writing=True) as (kept, own):
            status = own.status(stale=self._is_stale(kept, own))
            if self._snapshots is not None:
                try:
                    self._snapshots.forget(own.model, stream)
                except StorageError as error:
                    raise Refusal("unavailable", "snapshot_not_removed", "stream", error.found, mend=error.mend) from error
            self._forget((own.model, stream), kept)
        return status

    def adopt(self, served: Served, only: Callable[[str], bool] | None = None) -> int:
        """Take the streams of a model that are pinned to no version on to `served`, so that idle ones do not hold the old one in memory.

        only : whether the stream of a name is one of them, None for all; how many were taken on comes back
        """
        taken = 0
        for _, kept in self._all(served.bundle.manifest.name):
            with kept.lock:
                own = kept.stream
                if own is not None and not kept.gone and not own.pin and (only is None or only(own.name)):
                    own.follow(served)
                    taken += 1
        return taken

    def snapshot(self) -> int:
        """Write down, now, every stream that took a bar since it was; how many were. What cannot be written is told, and tried again."""
        return self._sweep(everything=True)

    def close(self) -> None:
        """Take no more bars, and write everything down."""
        self._closing.set()
        if self._sweeper is not None:
            self._sweeper.join()
        self._sweep(everything=True)

    @contextmanager
    def _held(
        self, served: Served, name: str, deadline: float, *, begin: str | None = None, writing: bool = False
    ) -> Generator[tuple[_Kept, NamedStream]]:
        """A stream that nobody else holds.

        begin : what a stream that is not there yet will be pinned to; None refuses it. writing : also hold its file
        """
        check_name(name)
        key = served.bundle.manifest.name, name
        with ExitStack() as locks:
            while True:
                kept = self._entry(key, begins=begin is not None)
                with ExitStack() as taken:
                    for lock in (kept.writing, kept.lock) if writing else (kept.lock,):
                        self._acquire(lock, name, deadline)
                        taken.callback(lock.release)
                    if not kept.gone:  # it may have been dropped while it was waited for
                        locks.push(taken.pop_all())
                        break
            try:
                if kept.stream is None:
                    kept.stream = self._read_or_begin(served, name, kept, begin)
                yield kept, kept.stream
            finally:
                if not kept.begun:  # nothing was taken: a name alone is no stream
                    self._forget(key, kept)

    def _acquire(self, lock: threading.Lock, name: str, deadline: float) -> None:
        left = deadline - self._timer()
        if not lock.acquire(timeout=min(max(left, 0.0), threading.TIMEOUT_MAX)):
            retry = self.settings.retry_after
            raise Refusal("timed_out", "stream_busy", "stream", f"'{name}' is answering another request", retry_after=retry)

    def _entry(self, key: Key, *, begins: bool) -> _Kept:
        if self._closing.is_set():
            raise Refusal("unavailable", "shutting_down", "stream", "the server is stopping", retry_after=self.settings.retry_after)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        if not begins and (self._snapshots is None or not self._snapshots.path(*key).exists()):
            raise _unknown(key)
        with self._table:
            if key not in self._kept:
                if len(self._kept) >= self.settings.max_streams:
                    found, most = f"there are {len(self._kept):,} streams", f"at most {self.settings.max_streams:,}"
                    raise Refusal("too_many", "too_many_streams", "stream", found, expected=most, mend="Drop one that is no longer needed.")
                self._kept[key] = _Kept(self._timer())
                self._count(key[0], 1)
            return self._kept[key]

    def _forget(self, key: Key, kept: _Kept) -> None:
        with self._table:
            if not kept.gone:
                kept.gone = True
                del self._kept[key]
                self._count(key[0], -1)

    def _count(self, model: str, change: int) -> None:
        self._n_streams[model] += change
        self._telemetry.gauge("streams", float(self._n_streams[model]), {"model": model})

    def _all(self, model: str | None = None) -> list[tuple[Key, _Kept]]:
        with self._table:
            return [(key, kept) for key, kept in self._kept.items() if model is None or key[0] == model]

    @contextmanager
    def _advancing(self, kept: _Kept, own: NamedStream, n_bars: int) -> Generator[None]:
        """Around what may take bars, which it may do and raise all the same."""
        before = own.last_open_time
        try:
            yield
        finally:
            last = own.last_open_time
            if last is not None and last != before:
                kept.begun, kept.heard, kept.unsaved = True, self._timer(), kept.unsaved + n_bars
                self._watch()
                lag = self._clock() - (last + own.bundle.timeframe.ms) / 1000
                self._telemetry.gauge("stream_lag_seconds", max(lag, 0.0), {"model": own.model})

    def _is_stale(self, kept: _Kept, own: NamedStream) -> bool:
        """Whether, since its last bar came, the market was open for so many bars' time as counted on from that bar."""
        last, timeframe, quiet_ms = own.last_open_time, own.bundle.timeframe, (self._timer() - kept.heard) * 1000
        if last is None or quiet_ms <= self.settings.stale_after * timeframe.ms:
            return False
        calendar = Calendar.named(own.bundle.instrument.calendar)
        until = last + int(min(quiet_ms, _LONGEST_MS))
        return calendar.expected(last + 1, until, timeframe, last % timeframe.ms).size >= self.settings.stale_after

    def _pin(self, model: str, stream: str) -> str | None:
        """What a stream is pinned to, "" for nothing; None for a stream that is not there."""
        check_name(stream)
        kept = self._kept.get((model, stream))
        if kept is not None and kept.stream is not None:
            return kept.stream.pin
        try:
            saved = None if self._snapshots is None else self._snapshots.read(model, stream)
        except BarmillError:
            return None  # told when the stream is read to be gone on with
        return None if saved is None else str(saved.told["beside"]["pin"])

    def _read_or_begin(self, served: Served, name: str, kept: _Kept, begin: str | None) -> NamedStream:
        """The stream as it was written down, under `served`, or a new one where there is nothing that can be gone on with."""
        model, why = served.bundle.manifest.name, ""
        try:
            saved = None if self._snapshots is None else self._snapshots.read(model, name)
            if saved is not None:
                found = NamedStream.from_saved(saved, served, self.settings)
                kept.begun, kept.heard = True, self._timer() - max(self._clock() - float(saved.told["beside"]["heard_at"]), 0.0)
                self._telemetry.event("stream_restored", model=model, stream=name, last_open_time=found.last_open_time)
                return found
        except (BundleError, StorageError) as error:
            why = str(error)
            self._refuse_snapshot(model, name, error)
        if begin is None:
            raise _unknown((model, name))
        found = NamedStream(name, served, self.settings, begin)
        if why:
            found.tell("its snapshot cannot be used: it begins anew")
        return found

    def _refuse_snapshot(self, model: str, name: str, error: BarmillError) -> None:
        """Say so, and put what is no snapshot where it is not read again; one that could only not be read stays."""
        assert self._snapshots is not None
        self._telemetry.event("snapshot_refused", "error", model=model, stream=name, reason=str(error))
        if isinstance(error, BundleError):
            try:
                self._snapshots.set_aside(model, name)
            except StorageError as failed:
                self._telemetry.event("snapshot_failed", "error", model=model, stream=name, reason=str(failed))

    def _watch(self) -> None:
        """Begin to look for what has to be written down, with the first bar that is taken."""
        if self._snapshots is None or self._sweeper is not None:
            return
        with self._table:
            if self._sweeper is None and not self._closing.is_set():
                self._sweeper = threading.Thread(target=self._sweep_on, name="barmill-snapshots", daemon=True)
                self._sweeper.start()

    def _sweep_on(self) -> None:
        while not self._closing.wait(min(_SWEEP_SECONDS, self.settings.snapshot_seconds)):
            self._sweep()

    def _sweep(self, *, everything: bool = False) -> int:
        """Write down what is due; how many streams were."""
        if self._snapshots is None:
            return 0
        now, written, failed = self._timer(), 0, list[StorageError]()
        for (model, name), kept in self._all():
            if kept.unsaved and (everything or self._is_due(kept, now)):
                try:
                    written += self._write(self._snapshots, model, name, kept)
                except StorageError as error:
                    failed.append(error)
        if failed:  # one line for all of them: what is wrong with one file is mostly wrong with the disk
            self._telemetry.event("snapshot_failed", "error", streams=len(failed), reason=str(failed[0]))
        return written

    def _is_due(self, kept: _Kept, now: float) -> bool:
        """After a failure not before the time is over."""
        return now - kept.saved_at >= self.settings.snapshot_seconds or (kept.unsaved >= self.settings.snapshot_bars and not kept.failed)

    def _write(self, snapshots: SnapshotFolder, model: str, name: str, kept: _Kept) -> bool:
        """Write one stream down. Its lock is held while it is copied, and not while the disk is waited for."""
        with kept.writing:
            with kept.lock:
                if kept.gone or kept.stream is None or not kept.unsaved:
                    return False
                now = self._timer()
                saved = kept.stream.saved({"heard_at": self._clock() - (now - kept.heard)})
                unsaved, kept.unsaved, kept.saved_at, kept.failed = kept.unsaved, 0, now, False
            try:
                snapshots.write(model, name, saved)
            except StorageError:
                with kept.lock:
                    kept.unsaved, kept.failed = kept.unsaved + unsaved, True
                raise
        return True


def _pin_of(asked: str | None) -> str:
    return "" if asked in (None, "champion") else asked


def _unknown(key: Key) -> Refusal:
    mend = "Push a bar to begin it."
    return Refusal("not_found", "unknown_stream", "stream", f"model '{key[0]}' has no stream '{key[1]}'", mend=mend)


__all__ = ["Streams"]
