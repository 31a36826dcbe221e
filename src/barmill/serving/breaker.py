"""A circuit breaker: a version that failed often is not asked for a while, and then once, to see."""

import threading
from collections import deque

from barmill.serving.settings import PlaneSettings


class Breaker:
    """Closed while a version answers; open after too many failures; half open when one request may try it again.

    Times are those of the plane's clock, given with each call. Every method is short and may be called from any thread.
    """

    def __init__(self, settings: PlaneSettings) -> None:
        self._window, self._open_seconds = settings.breaker_window, settings.breaker_open
        self._failures: deque[float] = deque(maxlen=settings.breaker_failures)
        self._opened: float | None = None
        self._trial: float | None = None  # since when one request tries it
        self._lock = threading.Lock()

    @property
    def state(self) -> str:
        """ "closed", "open" or "half_open" (a request is trying it)."""
        if self._opened is None:
            return "closed"
        return "open" if self._trial is None else "half_open"

    def allows(self, now: float) -> bool:
        """Whether the version may be asked; of an open one the first caller after the pause gets the trial, and must tell how it went."""
        if self.state == "closed":  # the usual case takes no lock
            return True
        with self._lock:
            if self._opened is None:
                return True
            # A trial that nobody told of (its request was cancelled) does not keep the breaker open for ever.
            since = self._opened if self._trial is None else self._trial
            if now - since < self._open_seconds:
                return False
            self._trial = now
            return True

    def succeeded(self) -> None:
        """An answer that may be given out: close it."""
        if self._opened is None:
            return
        with self._lock:
            if self._trial is not None:  # an answer to a request from before it opened closes nothing
                self._opened = self._trial = None
                self._failures.clear()

    def failed(self, now: float) -> bool:
        """No such answer; returns whether this opened it."""
        with self._lock:
            self._failures.append(now)
            if self._opened is not None:
                if self._trial is not None:
                    self._opened, self._trial = now, None
                return False
            full = len(self._failures) == self._failures.maxlen
            if full and now - self._failures[0] <= self._window:
                self._opened = now
                return True
            return False


__all__ = ["Breaker"]
