"""Back-pressure: a request is let in at once or refused at once, and never waits in a queue without end."""

import threading
from types import TracebackType

from barmill.serving.refusals import Refusal
from barmill.serving.settings import PlaneSettings


class Admission:
    """Counts the requests that are being answered: `with admission:` around each.

    Raises Refusal where there are too many, and once it closes.
    """

    def __init__(self, settings: PlaneSettings) -> None:
        self._most, self._retry_after = settings.max_pending, settings.retry_after
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self.pending = 0
        self.closing = False

    def __enter__(self) -> None:
        with self._lock:
            if self.closing:
                raise Refusal("unavailable", "shutting_down", "plane", "the server is shutting down", retry_after=self._retry_after)
            if self.pending >= self._most:
                found = f"{self.pending} requests are pending"
                raise Refusal("unavailable", "overloaded", "plane", found, retry_after=self._retry_after)
            self.pending += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            self.pending -= 1
            if self.closing:
                self._changed.notify_all()

    def close(self, seconds: float) -> bool:
        """Let nobody else in, and wait for those inside; returns whether all left in `seconds`."""
        with self._changed:
            self.closing = True
            return self._changed.wait_for(lambda: not self.pending, timeout=seconds)


__all__ = ["Admission"]
