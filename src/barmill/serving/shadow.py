"""A second version beside the champion: a canary that answers some requests, a shadow that forecasts some and answers none."""

import random
import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from queue import Full, Queue
from typing import NamedTuple

from barmill.serving.answers import Answer
from barmill.serving.model_table import Lease, ModelTable
from barmill.serving.output_checks import checked_columns
from barmill.serving.questions import Question
from barmill.serving.routes import Entry
from barmill.serving.settings import PlaneSettings
from barmill.serving.telemetry import Telemetry


def drawn(alias: str, key: str, share: float, chance: Callable[[], float] = random.random) -> bool:
    """Whether a request is among the `share` of an alias.

    key : name of the stream or the request's id: the same is always drawn alike, so that a stream keeps to one version, and stays drawn
        when the share grows; where it is empty, `chance` draws
    """
    if not key:
        return chance() < share
    # A checksum would not do: those of two aliases over the same key go together.
    return int.from_bytes(blake2b(f"{alias}:{key}".encode(), digest_size=8).digest(), "big") < share * 2**64


class _Waiting(NamedTuple):
    """A question that waits for the shadow, with the version that it is asked of held."""

    question: Question
    lease: Lease
    primary: Answer


class Shadow:
    """Asks questions a second time, on one thread behind a bounded queue, and tells telemetry what came of it.

    It has no way to an answer that was given: it is handed the question in a copy, after the answer is made. When the queue is full the
    question is dropped, and counted. It rests as long as it worked, since it has its thread's interpreter in common with those who answer.
    """

    def __init__(self, table: ModelTable, settings: PlaneSettings, telemetry: Telemetry) -> None:
        self._table, self._settings, self._telemetry = table, settings, telemetry
        self._queue: Queue[_Waiting | None] = Queue(settings.shadow_queue)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self.dropped = self.failed = 0

    def offer(self, question: Question, entry: Entry, primary: Answer) -> None:
        """Ask `question` of the version in `entry` some time soon, or drop it."""
        if self._queue.full():  # before anything is copied; another thread may still be faster
            self._drop(primary.model)
            return
        copied = question.aside()
        if copied is None:
            return
        waiting = _Waiting(copied, self._table.hold(entry), primary)
        waiting.lease.__enter__()
        try:
            self._queue.put_nowait(waiting)
        except Full:
            waiting.lease.__exit__(None, None, None)
            self._drop(primary.model)
            return
        self._begin()

    def close(self, seconds: float = 5.0) -> None:
        """Ask what waits, for so long at most, and end; a version that hangs is left behind on its daemon thread."""
        thread = self._thread
        if thread is None:
            return
        self._closing = True
        try:
            self._queue.put(None, timeout=seconds)
        except Full:
            return
        thread.join(seconds)
        self._thread = None

    def _begin(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._serve, name="barmill-shadow", daemon=True)
                    self._thread.start()

    def _drop(self, model: str) -> None:
        with self._lock:
            self.dropped += 1
        self._telemetry.gauge("shadow_dropped", self.dropped, {"model": model})

    def _serve(self) -> None:
        while (waiting := self._queue.get()) is not None:
            began = time.thread_time()
            try:
                self._ask(waiting)
            except Exception as error:  # noqa: BLE001  # whatever it raises, a shadow takes nobody's answer, and the next is asked
                self.failed += 1
                self._telemetry.gauge("shadow_failed", self.failed, {"model": waiting.primary.model})
                self._telemetry.event("shadow_failed", "warning", model=waiting.primary.model, detail=str(error))
            finally:
                waiting.lease.__exit__(None, None, None)
            del waiting  # the version that it held is not kept until the next one comes
            if not self._closing:  # what waits is not asked in one go, for which those who are to be answered would wait
                time.sleep(time.thread_time() - began)

    def _ask(self, waiting: _Waiting) -> None:
        served, primary = waiting.lease.served, waiting.primary
        said = waiting.question.ask(served)
        outputs = tuple(primary.columns)
        columns = checked_columns(said.columns, outputs, len(primary), self._settings.max_expected_return, served.label)
        answer = Answer(
            model=served.name,
            version=served.version,
            number=served.number,
            digest=served.digest,
            columns=columns,
            open_time=primary.open_time,
            known_at=primary.known_at,
        )
        self._telemetry.shadowed(primary.model, primary, answer)


__all__ = ["Shadow", "drawn"]
