"""Keeps snapshots of streams up to date, beside the way of their answers, and gives them back after a restart."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from barmill.errors import BarmillError, BundleError, StorageError
from barmill.serving.contract import Served
from barmill.serving.named_stream import NamedStream
from barmill.serving.snapshots import SnapshotFolder
from barmill.serving.stream_settings import StreamSettings
from barmill.serving.stream_table import Kept, Key, StreamTable
from barmill.serving.telemetry import Telemetry

_SWEEP_SECONDS = 1.0  # between two looks at what is due
_WRITERS = 8  # at once: a disk that flushes takes about as long for some files as for one


class SnapshotKeeper:
    """Writes down, from a thread of its own, every stream that took enough bars or was written down long enough ago.

    timer : seconds that only grow; clock : Unix time, for what outlives the process
    """

    def __init__(
        self,
        folder: Path,
        table: StreamTable,
        settings: StreamSettings,
        telemetry: Telemetry,
        timer: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._folder, self._table, self._settings, self._telemetry = SnapshotFolder(folder), table, settings, telemetry
        self._timer, self._clock = timer, clock
        self._thread: threading.Thread | None = None
        self._starting, self._closing = threading.Lock(), threading.Event()

    def has(self, key: Key) -> bool:
        """Whether a stream was written down."""
        return self._folder.path(*key).exists()

    def pin(self, key: Key) -> str | None:
        """The version that a stream which was written down keeps to, "" for none; None where there is no such stream."""
        try:
            saved = self._folder.read(*key)
            return None if saved is None else str(saved.told["beside"]["pin"])
        except (BarmillError, KeyError):  # told when the stream itself is read
            return None

    def read(self, key: Key, served: Served, kept: Kept) -> NamedStream | None:
        """The stream as it was written down, going on under `served`; None where there is none, or none that can be gone on with.

        What cannot be used is told, and put where it is not read again; what only cannot be read now stays.
        """
        try:
            saved = self._folder.read(*key)
            if saved is None:
                return None
            found = NamedStream.from_saved(saved, served, self._settings)
        except (BundleError, StorageError) as error:
            self._telemetry.event("snapshot_refused", "error", model=key[0], stream=key[1], reason=str(error))
            if isinstance(error, BundleError):
                self._set_aside(key)
            return None
        heard_at = saved.told["beside"].get("heard_at")
        ago = self._clock() - heard_at if isinstance(heard_at, float) else 0.0
        kept.begun, kept.heard = True, self._timer() - max(ago, 0.0)
        self._telemetry.event("stream_restored", model=key[0], stream=key[1], last_open_time=found.last_open_time)
        return found

    def forget(self, key: Key) -> None:
        """Remove a snapshot. Raises StorageError."""
        self._folder.forget(*key)

    def watch(self) -> None:
        """Begin to look for what is due."""
        if self._thread is not None:
            return
        with self._starting:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._sweep_on, name="barmill-snapshots", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Write everything down, once and for all."""
        self._closing.set()
        with self._starting:
            thread = self._thread
        if thread is not None:
            thread.join()
        self.sweep(everything=True)

    def sweep(self, *, everything: bool = False) -> int:
        """Write down what is due, or every stream that took a bar since it was; how many were. What cannot be written is tried again."""
        now = self._timer()
        due = [(key, kept) for key, kept in self._table.all() if everything or (kept.unsaved and self._is_due(kept, now))]
        if not due:
            return 0
        with ThreadPoolExecutor(min(len(due), _WRITERS), "barmill-snapshots") as pool:
            told = list(pool.map(lambda one: self._tried(*one), due))
        failed = [error for error in told if isinstance(error, StorageError)]
        if failed:  # one line for all: what is wrong with one file is mostly wrong with the disk
            self._telemetry.event("snapshot_failed", "error", streams=len(failed), reason=str(failed[0]))
        return told.count(True)

    def _sweep_on(self) -> None:
        while not self._closing.wait(min(_SWEEP_SECONDS, self._settings.snapshot_seconds)):
            self.sweep()

    def _is_due(self, kept: Kept, now: float) -> bool:
        """After a failure not before the time is over."""
        if now - kept.saved_at >= self._settings.snapshot_seconds:
            return True
        return kept.unsaved >= self._settings.snapshot_bars and not kept.failed

    def _write(self, key: Key, kept: Kept) -> bool:
        """Write one stream down. It is held while it is copied, and not while the disk is waited for."""
        with kept.writing:
            with kept.lock:
                if kept.gone or kept.stream is None or not kept.unsaved:
                    return False
                now = self._timer()
                saved = kept.stream.saved({"heard_at": float(self._clock() - (now - kept.heard))})
                unsaved, kept.unsaved, kept.saved_at, kept.failed = kept.unsaved, 0, now, False
            try:
                self._folder.write(*key, saved)
            except StorageError:
                with kept.lock:
                    kept.unsaved, kept.failed = kept.unsaved + unsaved, True
                raise
        return True

    def _tried(self, key: Key, kept: Kept) -> bool | StorageError:
        try:
            return self._write(key, kept)
        except StorageError as error:
            return error

    def _set_aside(self, key: Key) -> None:
        try:
            self._folder.set_aside(*key)
        except StorageError as error:
            self._telemetry.event("snapshot_failed", "error", streams=1, reason=str(error))


__all__ = ["SnapshotKeeper"]
