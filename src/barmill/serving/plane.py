"""The plane: what every protocol asks. It knows arrays and forecasts, and no protocol.

A request is admitted or refused at once, finds its version without waiting for anybody, is checked against that version's schema, and is
answered by a chain that ends in an error rather than in a NaN. Every answer says who gave it, and why not who was asked.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Literal, TypeVar

import numpy as np

from barmill.market import Bar
from barmill.serving.admission import Admission
from barmill.serving.aliases import AliasStatus
from barmill.serving.answers import Answer, Ask, Float64Array, Int64Array, RawBars, StreamStatus, VersionStatus
from barmill.serving.bar_checks import check_bar, check_fresh, checked_bars, is_stale
from barmill.serving.consulting import Consulting
from barmill.serving.contract import Finding, Readiness, Served, StreamBook
from barmill.serving.fallback import Chain, Link
from barmill.serving.model_table import Lease, ModelTable
from barmill.serving.questions import OfBars, OfFeatures, Question
from barmill.serving.refusals import Refusal
from barmill.serving.revisions import check_revision
from barmill.serving.routes import Entry, Routes
from barmill.serving.served import ServedModel
from barmill.serving.settings import PlaneSettings
from barmill.serving.shadow import Shadow, drawn
from barmill.serving.stream_questions import OfStream
from barmill.serving.telemetry import Silent, Telemetry
from barmill.serving.workers import Workers

T = TypeVar("T")
F = TypeVar("F", bound=Finding)
_INLINE_PATIENCE = 0.02  # seconds


class Plane:
    """Forecasts of the versions in a table; see `contract.Forecasting`.

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
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.table, self._streams = table, streams
        self._settings = settings or PlaneSettings()
        self._telemetry: Telemetry = telemetry or Silent()
        self._clock, self._wall = clock, wall
        self._ahead = wall() - clock()  # of Unix time before the clock that only grows
        self._admission = Admission(self._settings)
        self._workers = Workers(self._settings.threads)
        self._chain = Chain(self._settings, self._telemetry, self._workers, clock)
        self._consulting = Consulting(self._settings, self._telemetry, self._workers, clock)
        self._shadow = Shadow(table, self._settings, self._telemetry)
        table.follow(self._adopt_streams)

    @property
    def pending(self) -> int:
        """Requests that are being answered."""
        return self._admission.pending

    def lease(self, ask: Ask) -> Lease:
        """The version that `ask` means, which stays loaded as long as it is held."""
        return self.table.lease(ask)

    def forecast(self, ask: Ask, features: Float64Array, names: Sequence[str] | None = None) -> Answer:
        """Forecast from features, unscaled."""

        def question(served: ServedModel) -> OfFeatures:
            schema = served.schema
            values, note, outside = schema.checked(features, names, self._settings.max_rows)
            return OfFeatures(values, schema.names, tuple(told for told in (note, outside) if told), not outside)

        return self._answered(ask, lambda routes, deadline: self._from_rows(routes, ask, question, deadline))

    def forecast_bars(self, ask: Ask, bars: RawBars, last: int = 1) -> Answer:
        """Forecast the last `last` ready ones of `bars`, which hold the history that warms up the features."""

        def question(served: ServedModel) -> OfBars:
            if not 1 <= last <= self._settings.max_rows:
                raise Refusal("invalid", "bad_last", "last", f"is {last}", expected=f"1 to {self._settings.max_rows:,}")
            checked, notes = checked_bars(bars, served.bundle, self._settings, self._now_ms())
            check_fresh(bars, served.bundle, self._settings, int(1000 * self._wall()))
            return OfBars(checked, last, notes)

        return self._answered(ask, lambda routes, deadline: self._from_rows(routes, ask, question, deadline))

    def push(self, ask: Ask, stream: str, bar: Bar) -> Answer:
        """One more closed bar of a named stream, and its forecast; without rows while the stream warms up."""

        def question(of: ServedModel, version: str | None, deadline: float) -> OfStream:
            check_bar(bar, of.bundle, self._settings, self._now_ms())
            times = np.array([bar.open_time], dtype=np.int64)
            return self._stream_question(
                of,
                stream,
                times,
                lambda served: self._book.push(served, stream, bar, version=version, deadline=self._until(served, deadline)),
            )

        return self._answered(ask, lambda routes, deadline: self._from_stream(routes, ask, stream, question, deadline))

    def extend(self, ask: Ask, stream: str, bars: RawBars) -> Answer:
        """Many more bars of a named stream, such as the history before the first live bar or after a gap, and their forecasts."""

        def question(of: ServedModel, version: str | None, deadline: float) -> OfStream:
            checked, _ = checked_bars(bars, of.bundle, self._settings, self._now_ms())
            return self._stream_question(
                of, stream, bars.open_time, lambda served: self._book.extend(served, stream, checked, version=version, deadline=deadline)
            )

        return self._answered(ask, lambda routes, deadline: self._from_stream(routes, ask, stream, question, deadline))

    def stream(self, ask: Ask, stream: str) -> StreamStatus:
        """Where a named stream stands."""
        return self._told(ask, lambda routes, deadline: self._with_stream(routes, ask, stream, deadline, self._book.status))

    def drop(self, ask: Ask, stream: str) -> StreamStatus:
        """Forget a named stream and its snapshot."""
        return self._told(ask, lambda routes, deadline: self._with_stream(routes, ask, stream, deadline, self._book.drop))

    def consult(self, ask: Ask, work: Callable[[Served], F]) -> F:
        """What `work` finds with the version that is asked, which is no forecast: nobody else could answer in its place."""
        start = self._clock()
        who, found = self._told(ask, lambda routes, deadline: self._consulted(routes, ask, work, deadline))
        self._telemetry.answered(Answer(*who, found.columns), self._clock() - start)
        return found

    def index(self) -> Sequence[VersionStatus]:
        """Every version that is known, also those that are refused, with the reason."""
        return self.table.index()

    def aliases(self, model: str) -> Sequence[AliasStatus]:
        """The aliases that an operator gave to a model, and which versions have them."""
        return self.table.aliases(model)

    def readiness(self, model: str | None = None, version: str | None = None) -> Readiness:
        """Of all champions, or of one model or version. A live process need not be ready."""
        if self._admission.closing:
            return Readiness(False, ("it is shutting down",))
        return self.table.readiness(model, version)

    def close(self, seconds: float = 30.0) -> bool:
        """Take no further request, answer those that are pending, and write the streams down; whether all were answered in `seconds`."""
        drained = self._admission.close(seconds)
        self._shadow.close(seconds)
        self._workers.close()
        if self._streams is not None:
            self._streams.close()
        return drained

    # every request

    def _answered(self, ask: Ask, work: Callable[[Routes, float], Answer]) -> Answer:
        start = self._clock()

        def checked(routes: Routes, deadline: float) -> Answer:
            answer = work(routes, deadline)
            check_revision(ask, answer.digest)  # somebody may have stood in
            return answer

        answer = self._told(ask, checked)
        self._telemetry.answered(answer, self._clock() - start)
        return answer

    def _told(self, ask: Ask, work: Callable[[Routes, float], T]) -> T:
        """What `work` gives, of the model that is asked for and until a deadline, once the request is admitted."""
        start, model = self._clock(), ""
        try:
            with self._admission:
                routes = self.table.routes(ask.model)
                model = routes.name
                deadline = min(ask.deadline, start + self._settings.max_seconds)
                if deadline <= start:
                    raise Refusal("timed_out", "timed_out", "deadline", "has passed already", expected="a deadline to come")
                with self._telemetry.span("plane", model=model, request_id=ask.request_id):
                    return work(routes, deadline)
        except Refusal as refusal:
            self._telemetry.refused(model, refusal.kind, refusal.code, self._clock() - start)
            raise
        except Exception as error:  # a fault of the server's own: told in full to whoever watches, and not to who asks
            self._telemetry.refused(model, "failed", "internal", self._clock() - start)
            self._telemetry.event(
                "internal_error", "error", model=model, request_id=ask.request_id, detail=f"{type(error).__name__}: {error}"
            )
            raise Refusal("failed", "internal", "server", "failed in a way that was not foreseen") from error

    def _from_rows(self, routes: Routes, ask: Ask, question: Callable[[ServedModel], Question], deadline: float) -> Answer:
        asked = routes.find(ask.version)
        with ExitStack() as held:
            served = held.enter_context(self.table.hold(asked))
            links = self._links(routes, asked, ask.version, ask.request_id, held)
            check_revision(ask, links[0].served.digest)
            asked_question = question(served)
            answer = self._chain.answer(asked_question, links, served, deadline)
        return self._shadowed(routes, asked, ask.version, ask.request_id, asked_question, answer)

    def _from_stream(
        self, routes: Routes, ask: Ask, stream: str, question: Callable[[ServedModel, str | None, float], OfStream], deadline: float
    ) -> Answer:
        version = self._book.version_of(routes.name, stream, ask.version)
        asked = routes.find(version)
        with ExitStack() as held:
            served = held.enter_context(self.table.hold(asked))
            links = self._links(routes, asked, version, stream, held)
            check_revision(ask, links[0].served.digest)  # before a bar is taken
            asked_question = question(links[0].served, version, deadline)
            answer = self._chain.answer(asked_question, links, served, deadline)
        return self._shadowed(routes, asked, version, stream, asked_question, answer) if asked_question.light else answer

    def _consulted(self, routes: Routes, ask: Ask, work: Callable[[Served], F], deadline: float) -> tuple[tuple[str, str, int, str], F]:
        with self.table.hold(routes.find(ask.version)) as served:
            check_revision(ask, served.digest)
            return (served.name, served.version, served.number, served.digest), self._consulting.ask(served, work, deadline)

    def _with_stream(self, routes: Routes, ask: Ask, stream: str, deadline: float, work: Callable[..., StreamStatus]) -> StreamStatus:
        version = self._book.version_of(routes.name, stream, ask.version)
        with self.table.hold(routes.find(version)) as served:
            return work(served, stream, deadline=deadline)

    # who is asked

    def _links(self, routes: Routes, asked: Entry, version: str | None, key: str, held: ExitStack) -> list[Link]:
        """Who is asked, in this order: the canary where the request is among its share, who was asked for, the fallback."""
        links = [Link(asked.served, "champion")]
        canary = self._drawn("canary", routes, asked, version, key)
        if canary is not None:
            links.insert(0, Link(held.enter_context(self.table.hold(canary)), "canary"))
        fallback = self.table.assigned(routes, "fallback")
        if fallback is not None and fallback[0] is not asked:
            links.append(Link(held.enter_context(self.table.hold(fallback[0])), "fallback"))
        return links

    def _shadowed(self, routes: Routes, asked: Entry, version: str | None, key: str, question: Question, answer: Answer) -> Answer:
        """`answer` as it is; a second version may be asked the same, of a canary's answers the champion."""
        if len(answer) and not answer.degraded:
            second = asked if answer.source == "canary" else self._drawn("shadow", routes, asked, version, key)
            if second is not None:
                self._shadow.offer(question, second, answer)
        return answer

    def _drawn(self, alias: Literal["canary", "shadow"], routes: Routes, asked: Entry, version: str | None, key: str) -> Entry | None:
        """The version of an alias, where a request that names no version is among its share."""
        if alias not in routes.assigned or version not in (None, "champion"):
            return None
        found = self.table.assigned(routes, alias)
        if found is None or found[0] is asked or not drawn(f"{routes.name}:{alias}", key, found[1]):
            return None
        return found[0]

    # streams

    @property
    def _book(self) -> StreamBook:
        if self._streams is None:
            raise Refusal("not_found", "no_streams", "stream", "this server keeps no streams", mend="Send the history with each request.")
        return self._streams

    def _stream_question(self, of: ServedModel, stream: str, open_time: Int64Array, take: Callable[[ServedModel], Answer]) -> OfStream:
        book = self._book
        stale = is_stale(int(open_time[-1]), of.bundle, self._settings, int(1000 * self._wall()))
        may_skip = self._settings.prior and of.prior is not None
        return OfStream(of, take, lambda: book.recent(of.name, stream), lambda: book.status(of, stream), open_time, stale, may_skip)

    def _until(self, served: ServedModel, deadline: float) -> float:
        """How long a stream that is busy is waited for: hardly, where an event loop may stand still meanwhile."""
        return min(deadline, self._clock() + _INLINE_PATIENCE) if served.inline else deadline

    def _adopt_streams(self, champion: ServedModel) -> None:
        """Take the streams of a model on to its new champion, but for those that the canary answers."""
        if self._streams is None:
            return
        routes = self.table.routes(champion.name)
        asked = routes.find(str(champion.number))
        self._streams.adopt(champion, lambda stream: self._drawn("canary", routes, asked, None, stream) is None)

    def _now_ms(self) -> int:
        """Unix time in ms that never goes back: a clock that is put back an hour must not make each live bar one of the future."""
        self._ahead = max(self._ahead, self._wall() - self._clock())
        return int(1000 * (self._clock() + self._ahead))


__all__ = ["Plane"]
