"""What one version alone can say, such as which pattern a picture shows: asked until a deadline and behind its breaker, as a forecast is.

Nobody answers in its place. A fallback or a prior may stand in for a forecast, whose meaning is the same whoever makes it; another model's
patterns and embeddings mean something else.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from barmill.errors import ForecastError
from barmill.serving.contract import Finding
from barmill.serving.failures import Failures
from barmill.serving.refusals import Refusal
from barmill.serving.served import ServedModel
from barmill.serving.settings import PlaneSettings
from barmill.serving.telemetry import Telemetry
from barmill.serving.workers import TooLate, Workers

F = TypeVar("F", bound=Finding)


class Consulting:
    """Asks a version on a thread that is given up at the deadline."""

    def __init__(
        self, settings: PlaneSettings, telemetry: Telemetry, workers: Workers, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._workers, self._clock = settings, workers, clock
        self._failures = Failures(settings, telemetry, clock)

    def ask(self, served: ServedModel, work: Callable[[ServedModel], F], deadline: float) -> F:
        """What `work` finds with `served`, once every number of it is seen to be finite.

        Raises Refusal: what `work` refuses, or unavailable, timed out and failed where the version does not answer.
        """
        now, retry_after = self._clock(), self._settings.retry_after
        if not served.breaker.allows(now) or served.stuck >= self._settings.max_stuck:
            raise Refusal(
                "unavailable", "breaker_open", served.label, "failed too often of late", mend="Try again.", retry_after=retry_after
            )
        seconds = deadline - now
        try:
            found = self._workers.run(lambda: work(served), seconds, served.count_stuck)
            _check_finite(found, served)
        except Refusal:
            raise
        except TooLate as late:
            if not late.started:
                raise Refusal("unavailable", "overloaded", "plane", "every thread is at work", retry_after=retry_after) from late
            said = f"no answer within {seconds:.3g} s"
            if self._failures.are_enough(seconds):
                self._failures.count(served, "timed_out", said)
            raise Refusal("timed_out", "timed_out", served.label, said, retry_after=retry_after) from late
        except Exception as error:  # models are of many libraries, each with errors of its own
            reason = error.reason if isinstance(error, ForecastError) else "model_error"
            self._failures.count(served, reason, f"{type(error).__name__}: {error}")
            raise Refusal("failed", reason, served.label, "gave no answer that may be given out", retry_after=retry_after) from error
        served.breaker.succeeded()
        return found


def _check_finite(found: Finding, served: ServedModel) -> None:
    for name, column in found.columns.items():
        if not np.isfinite(column).all():
            raise ForecastError(served.label, f"{name} is not finite", reason="not_finite")


__all__ = ["Consulting"]
