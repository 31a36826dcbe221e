"""Which streams there are: a bounded table, and two locks for each stream, so that none waits for another."""

import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

from barmill.serving.answers import StreamStatus
from barmill.serving.named_stream import NamedStream
from barmill.serving.refusals import Refusal
from barmill.serving.stream_settings import StreamSettings
from barmill.serving.telemetry import Telemetry

Key = tuple[str, str]  # model, stream


class Kept:
    """A stream with what its keeper knows of it.

    stream : None until the first who asks has read or begun it
    lock : held by who advances it or asks; writing : taken before, by who writes its file or removes it
    status : when it was last let go
    heard, saved_at : on the timer, when its last bar came, and when it was last written down; unsaved : bars since
    begun : it took a bar, or was read; until then it is a name and no stream
    gone : it was dropped, and who waited for it has to look again; failed : the last time that it was written down
    """

    __slots__ = ("begun", "failed", "gone", "heard", "lock", "saved_at", "status", "stream", "unsaved", "writing")

    def __init__(self, now: float) -> None:
        self.stream: NamedStream | None = None
        self.lock, self.writing = threading.Lock(), threading.Lock()
        self.status: StreamStatus | None = None
        self.heard = self.saved_at = now
        self.unsaved = 0
        self.begun = self.gone = self.failed = False


class StreamTable:
    """The streams of all models, by model and name.

    timer : seconds that only grow, on which deadlines are
    """

    def __init__(self, settings: StreamSettings, telemetry: Telemetry, timer: Callable[[], float]) -> None:
        self._settings, self._telemetry, self._timer = settings, telemetry, timer
        self._kept: dict[Key, Kept] = {}
        self._n_streams = Counter[str]()  # by model
        self._lock = threading.Lock()  # of the two alone, and never held while anything is computed, read or written

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Kept | None:
        """What is kept under a name."""
        return self._kept.get(key)

    def all(self, model: str | None = None) -> list[tuple[Key, Kept]]:
        """Those of one model, or all."""
        with self._lock:
            return [(key, kept) for key, kept in self._kept.items() if model is None or key[0] == model]

    def begin(self, key: Key) -> Kept:
        """What is kept under a name, which is taken if it is free. Raises Refusal "too_many" where there is no more room."""
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        with self._lock:
            if key not in self._kept:
                if len(self._kept) >= self._settings.max_streams:
                    found, expected = f"there are {len(self._kept):,} streams", f"at most {self._settings.max_streams:,}"
                    mend = "Drop one that is no longer needed."
                    raise Refusal("too_many", "too_many_streams", "stream", found, expected=expected, mend=mend)
                self._kept[key] = Kept(self._timer())
                self._count(key[0], 1)
            return self._kept[key]

    def forget(self, key: Key, kept: Kept) -> None:
        """Free a name. Its lock is held by the caller."""
        with self._lock:
            if not kept.gone:
                kept.gone = True
                del self._kept[key]
                self._count(key[0], -1)

    @contextmanager
    def held(self, key: Key, deadline: float, *, writing: bool = False) -> Generator[Kept]:
        """What is kept under a name, while nobody else holds it; the name is free again where it has not begun by then.

        deadline : on the timer; writing : also hold its file. Raises: Refusal "timed_out" where it is busy until then; as `begin`.
        """
        while True:
            kept = self.begin(key)
            with ExitStack() as locks:
                for lock in (kept.writing, kept.lock) if writing else (kept.lock,):
                    self._acquire(lock, key[1], deadline)
                    locks.callback(lock.release)
                if kept.gone:  # it was dropped while it was waited for
                    continue
                try:
                    yield kept
                finally:
                    if not kept.begun:
                        self.forget(key, kept)
                return

    def _acquire(self, lock: threading.Lock, name: str, deadline: float) -> None:
        if lock.acquire(blocking=False):
            return
        if not lock.acquire(timeout=min(max(deadline - self._timer(), 0.0), threading.TIMEOUT_MAX)):
            retry = self._settings.retry_after
            raise Refusal("timed_out", "stream_busy", "stream", f"'{name}' is answering another request", retry_after=retry)

    def _count(self, model: str, change: int) -> None:
        self._n_streams[model] += change
        self._telemetry.gauge("streams", float(self._n_streams[model]), {"model": model})


__all__ = ["Kept", "Key", "StreamTable"]
