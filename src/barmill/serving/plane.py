"""The plane: what every protocol asks. It knows arrays and forecasts, and no protocol.

A request is admitted or refused at once, finds its version without waiting for anybody, is checked against that version's schema, and is
answered by a chain that ends in an error rather than in a NaN. Every answer says who gave it, and why not who was asked.
"""

import threading
import time
from collections.abc import Callable, Sequence

from barmill.market import Bar
from barmill.serving.answers import Answer, Ask, Float64Array, RawBars, StreamStatus, VersionStatus
from barmill.serving.bar_checks import checked_bars
from barmill.serving.contract import Readiness, StreamBook
from barmill.serving.fallback import Chain, Link
from barmill.serving.model_table import Lease, ModelTable
from barmill.serving.questions import OfBars, OfFeatures, Question
from barmill.serving.refusals import Refusal
from barmill.serving.routes import Entry, Routes
from barmill.serving.served import ServedModel
from barmill.serving.settings import PlaneSettings
from barmill.serving.telemetry import Silent, Telemetry
from barmill.serving.workers import Workers


class Plane:
    """Forecasts of the versions in a table.

    Parameters
    ----------
    table : which versions are served
    streams : who keeps named streams; None for a plane without
    telemetry : who is told
    clock : seconds that only grow, on which deadlines are; wall : Unix time, by which no bar may lie in the future
    """

    def __init__(
        self,
        table: ModelTable,
        streams: StreamBook | None = None,
        telemetry: Telemetry | None = None,
        settings: PlaneSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.table, self._streams = table, streams
        self._settings = settings or PlaneSettings()
        self._telemetry: Telemetry = telemetry or Silent()
        self._clock, self._wall = clock, wall
        self._workers = Workers(self._settings.threads)
        self._chain = Chain(self._settings, self._telemetry, self._workers, clock)
        self._lock = threading.Lock()
        self._pending = 0
        self._closing = False

    def lease(self, ask: Ask) -> Lease:
        """The version that `ask` means, which stays loaded as long as it is held."""
        return self.table.lease(ask)

    def forecast(self, ask: Ask, features: Float64Array, names: Sequence[str] | None = None) -> Answer:
        """Forecast from features, unscaled; see `contract.Forecasting`."""

        def question(served: ServedModel) -> OfFeatures:
            schema = served.schema
            values, note = schema.checked(features, names, self._settings.max_rows)
            outside = schema.out_of_range(values)
            return OfFeatures(values, schema.names, tuple(told for told in (note, outside) if told), not outside)

        return self._answer(ask, question)

    def forecast_bars(self, ask: Ask, bars: RawBars, last: int = 1) -> Answer:
        """Forecast the last `last` ready ones of `bars`; see `contract.Forecasting`."""

        def question(served: ServedModel) -> OfBars:
            if not 1 <= last <= self._settings.max_rows:
                raise Refusal("invalid", "bad_last", "last", f"is {last}", expected=f"1 to {self._settings.max_rows:,}")
            checked, notes = checked_bars(bars, served.bundle, self._settings, int(1000 * self._wall()))
            return OfBars(checked, last, notes)

        return self._answer(ask, question)

    def push(self, ask: Ask, stream: str, bar: Bar) -> Answer:
        """One more closed bar of a named stream, and its forecast; see `contract.Forecasting`."""
        with self.table.lease(ask) as served:
            return self._book.push(served, stream, bar, ask.version or "")

    def extend(self, ask: Ask, stream: str, bars: RawBars) -> Answer:
        """Many more bars of a named stream, and their forecasts; see `contract.Forecasting`."""
        with self.table.lease(ask) as served:
            checked, _ = checked_bars(bars, served.bundle, self._settings, int(1000 * self._wall()))
            return self._book.extend(served, stream, checked, ask.version or "")

    def stream(self, ask: Ask, stream: str) -> StreamStatus:
        """Where a named stream stands."""
        with self.table.lease(ask) as served:
            return self._book.status(served, stream)

    def drop(self, ask: Ask, stream: str) -> StreamStatus:
        """Forget a named stream and its snapshot."""
        with self.table.lease(ask) as served:
            return self._book.drop(served, stream)

    def index(self) -> Sequence[VersionStatus]:
        """Every version that is known, also those that are refused, with the reason."""
        return self.table.index()

    def readiness(self, model: str | None = None, version: str | None = None) -> Readiness:
        """Of all champions, or of one model or version. A live process need not be ready."""
        if self._closing:
            return Readiness(False, ("it is shutting down",))
        return self.table.readiness(model, version)

    def close(self, seconds: float = 30.0) -> bool:
        """Take no further request, and wait for those that are pending; returns whether all were answered in `seconds`."""
        self._closing = True
        end = self._clock() + seconds
        while self._pending and self._clock() < end:
            time.sleep(0.005)
        self._workers.close()
        return not self._pending

    @property
    def _book(self) -> StreamBook:
        if self._streams is None:
            raise Refusal("not_found", "no_streams", "stream", "this server keeps no streams", mend="Send the history with each request.")
        return self._streams

    def _answer(self, ask: Ask, question: Callable[[ServedModel], Question]) -> Answer:
        start, model = self._clock(), ""
        try:
            self._enter()
            try:
                routes = self.table.routes(ask.model)
                model = routes.name
                answer = self._of(routes, ask, question, start)
            finally:
                self._leave()
        except Refusal as refusal:
            self._telemetry.refused(model, refusal.kind, refusal.code, self._clock() - start)
            raise
        self._telemetry.answered(answer, self._clock() - start)
        return answer

    def _of(self, routes: Routes, ask: Ask, question: Callable[[ServedModel], Question], start: float) -> Answer:
        deadline = min(ask.deadline, start + self._settings.max_seconds)
        if deadline <= start:
            raise Refusal("timed_out", "timed_out", "deadline", "has passed already", expected="a deadline to come")
        entry = routes.find(ask.version)
        with self.table.hold(entry) as served, self._telemetry.span("forecast", model=served.name, version=served.version):
            fallback = self.table.assigned(routes, "fallback")
            if fallback is None or fallback[0] is entry:
                return self._chain.answer(question(served), [Link(served, "champion")], served, deadline)
            return self._with_fallback(question(served), served, fallback[0], deadline)

    def _with_fallback(self, question: Question, served: ServedModel, fallback: Entry, deadline: float) -> Answer:
        with self.table.hold(fallback) as other:
            return self._chain.answer(question, [Link(served, "champion"), Link(other, "fallback")], served, deadline)

    def _enter(self) -> None:
        with self._lock:
            if self._closing:
                retry = self._settings.retry_after
                raise Refusal("unavailable", "shutting_down", "plane", "the server is shutting down", retry_after=retry)
            if self._pending >= self._settings.max_pending:
                found = f"{self._pending} requests are pending"
                raise Refusal("unavailable", "overloaded", "plane", found, retry_after=self._settings.retry_after)
            self._pending += 1

    def _leave(self) -> None:
        with self._lock:
            self._pending -= 1


__all__ = ["Plane"]
