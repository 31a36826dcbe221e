"""Threads on which models run that somebody waits for until a deadline and no longer."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class TooLate(Exception):
    """A call was not done when its time was up.

    started : whether it had begun: else no thread was free
    """

    def __init__(self, started: bool) -> None:
        self.started = started
        super().__init__("not done in time")


class _Job(Generic[T]):
    """One call: waiting, then running, then done, unless it was given up before."""

    __slots__ = ("_lock", "abandoned", "came_back", "done", "error", "result", "started", "work")

    def __init__(self, work: Callable[[], T], came_back: Callable[[], None]) -> None:
        self.work, self.came_back = work, came_back
        self.done = threading.Lock()  # held until the call is done: waiting for a lock takes less than for an Event
        self.done.acquire()
        self._lock = threading.Lock()
        self.started = self.abandoned = False
        self.result: T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        with self._lock:
            if self.abandoned:
                return
            self.started = True
        try:
            self.result = self.work()
        except BaseException as error:  # noqa: BLE001  # it is raised again where the caller waits
            self.error = error
        with self._lock:
            late = self.abandoned
            self.done.release()
        if late:
            self.came_back()

    def abandon(self) -> bool:
        """Give it up, unless it was done in this very moment; returns whether it was given up."""
        with self._lock:
            self.abandoned = self.done.locked()
            return self.abandoned


class Workers:
    """A fixed number of daemon threads, begun when they are needed, so that a call which never ends keeps no process alive."""

    def __init__(self, threads: int, name: str = "barmill-plane") -> None:
        self._threads, self._name = threads, name
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._begun = self._busy = 0

    def run(self, work: Callable[[], T], seconds: float, stuck: Callable[[int], None] = lambda _: None) -> T:
        """What `work` returns or raises.

        seconds : to wait for it
        stuck : told +1 when a thread is left behind with it, and -1 when that thread comes back

        Raises TooLate.
        """
        job: _Job[T] = _Job(work, lambda: stuck(-1))
        with self._lock:
            if self._busy >= self._begun < self._threads:
                self._begun += 1
                threading.Thread(target=self._serve, name=f"{self._name}-{self._begun}", daemon=True).start()
            self._busy += 1
        self._jobs.put(job)
        if not job.done.acquire(timeout=max(seconds, 0.0)) and job.abandon():
            if job.started:
                stuck(1)
            raise TooLate(job.started)
        if job.error is not None:
            raise job.error
        return job.result  # pyright: ignore[reportReturnType]  # T may itself be None

    def close(self) -> None:
        """Let the threads end once they are done."""
        for _ in range(self._begun):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            del job  # what it holds is not kept until the next one comes
            with self._lock:
                self._busy -= 1


__all__ = ["TooLate", "Workers"]
