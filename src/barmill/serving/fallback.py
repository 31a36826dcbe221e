"""Who answers when a model does not: the version that was asked for, then its fallback, then the constant prior, then nobody."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from barmill.errors import ForecastError
from barmill.serving.answers import Answer, Source
from barmill.serving.failures import Failures
from barmill.serving.output_checks import checked_columns
from barmill.serving.questions import ModelFailed, Question, Said, Unsuitable
from barmill.serving.refusals import Refusal
from barmill.serving.served import ServedModel
from barmill.serving.settings import PlaneSettings
from barmill.serving.telemetry import Telemetry
from barmill.serving.workers import TooLate, Workers


class Link(NamedTuple):
    """One of a chain, and what an answer of it says of its source."""

    served: ServedModel
    source: Source


@dataclass
class Why:
    """Why the first of a chain did not answer; empty while it may."""

    reason: str = ""
    detail: str = ""

    def add(self, reason: str, detail: str) -> None:
        if not self.reason:
            self.reason, self.detail = reason, detail


class Chain:
    """Asks one after another until an answer may be given out."""

    def __init__(
        self, settings: PlaneSettings, telemetry: Telemetry, workers: Workers, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._telemetry, self._workers, self._clock = settings, telemetry, workers, clock
        self._failures = Failures(settings, telemetry, clock)

    def answer(self, question: Question, links: Sequence[Link], asked: ServedModel, deadline: float) -> Answer:
        """The first good answer, marked with who gave it and why not somebody before.

        links : who is asked, in this order, a canary before the champion
        asked : the version whose outputs are promised, and whose prior answers where none of `links` does

        Raises Refusal: what is wrong with the question, or "failed" where nobody is left.
        """
        why = Why()
        for number, link in enumerate(links):
            left = deadline - self._clock()
            seconds = left * self._settings.first_share if number + 1 < len(links) else left
            said = self._ask(question, link.served, asked, seconds, why, first=number == 0)
            if said is None:
                continue
            degraded = link.source == "fallback"
            return _answer(link.served, said, source=link.source, degraded=degraded, reason=why.reason)
        return self._prior(question, asked, why)

    def _ask(self, question: Question, served: ServedModel, asked: ServedModel, seconds: float, why: Why, *, first: bool) -> Said | None:
        """What one version says, checked; None, and why, where that may not be given out."""
        now = self._clock()
        if seconds <= 0:
            return self._not_answered(served, why, "timed_out", "no time was left for it")
        allowed = served.breaker.allows(now) or question.lasting  # asked in any case: where it is open, this may be the trial
        if not allowed or served.stuck >= self._settings.max_stuck:
            return self._not_answered(served, why, "breaker_open", "it failed too often of late")
        in_range = True
        try:
            said = self._run(question, served, seconds)
            in_range = said.in_range
            outputs = asked.bundle.outputs
            columns = checked_columns(said.columns, outputs, said.n_rows, self._settings.max_expected_return, served.label)
        except Unsuitable as error:
            return self._not_answered(served, why, error.reason, str(error))
        except Refusal as refusal:
            if first or refusal.kind == "unavailable":
                raise
            return self._not_answered(served, why, "model_error", str(refusal))
        except TooLate:
            found = f"no answer within {seconds:.3g} s"
            if not self._failures.are_enough(seconds):
                return self._not_answered(served, why, "timed_out", found)
            return self._failed(served, why, "timed_out", found, in_range=True)
        except ModelFailed as failure:
            return self._failed(served, why, failure.reason, str(failure), in_range=failure.in_range)
        except ForecastError as error:
            return self._failed(served, why, error.reason, str(error), in_range=in_range)
        served.breaker.succeeded()
        return said._replace(columns=columns)

    def _run(self, question: Question, served: ServedModel, seconds: float) -> Said:
        if not (served.inline and question.light):
            try:
                return self._workers.run(lambda: question.ask(served), seconds, served.count_stuck)
            except TooLate as late:
                if late.started:
                    raise
                found = "every thread is at work"
                raise Refusal("unavailable", "overloaded", "plane", found, retry_after=self._settings.retry_after) from late
        start = self._clock()
        said = question.ask(served)
        if self._clock() - start > self._settings.max_seconds:  # not the asker's own deadline, by which anybody could slow it for all
            served.inline = False
            self._telemetry.event("no_longer_inline", "warning", model=served.name, version=served.version)
        return said

    def _failed(self, served: ServedModel, why: Why, reason: str, detail: str, *, in_range: bool) -> None:
        """The same for a failure of the model's own; features far outside those of training say nothing against it."""
        self._failures.count(served, reason, detail, against=in_range)
        return self._not_answered(served, why, reason, detail)

    def _not_answered(self, served: ServedModel, why: Why, reason: str, detail: str) -> None:
        why.add(reason, detail)
        self._telemetry.fell_back(served.name, served.version, reason)

    def _prior(self, question: Question, asked: ServedModel, why: Why) -> Answer:
        """The constant answer of `asked`, which asks no model and so may come after the deadline."""
        if self._settings.prior and asked.prior is not None:
            rows = question.unanswered(asked)
            try:
                columns = asked.prior.columns(asked.bundle.outputs, rows.n_rows)
                checked = checked_columns(columns, asked.bundle.outputs, rows.n_rows, self._settings.max_expected_return, "prior")
            except (ForecastError, KeyError) as error:
                self._telemetry.event("prior_failed", "error", model=asked.name, version=asked.version, detail=str(error))
            else:
                said = rows._replace(columns=checked, notes=(*rows.notes, f"the prior: {asked.prior.said}"))
                return _answer(asked, said, source="prior", degraded=True, reason=why.reason)
        kind, code = ("timed_out", "timed_out") if why.reason == "timed_out" else ("failed", why.reason)
        found = f"no model gave an answer that may be given out ({why.reason})"
        raise Refusal(kind, code, asked.label, found, retry_after=self._settings.retry_after)


def _answer(served: ServedModel, said: Said, *, source: Source, degraded: bool, reason: str) -> Answer:
    name, version, number, digest = said.by or (served.name, served.version, served.number, served.digest)
    return Answer(
        model=name,
        version=version,
        number=number,
        digest=digest,
        columns=said.columns,
        open_time=said.open_time,
        known_at=said.known_at,
        source=source,
        degraded=degraded,
        reason=reason,
        notes=said.notes,
        stream=said.stream,
    )


__all__ = ["Chain", "Link", "Why"]
