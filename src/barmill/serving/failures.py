"""Failures that are a version's own: told, and counted by its breaker, whatever it was asked."""

import time
from collections.abc import Callable

from barmill.serving.served import ServedModel
from barmill.serving.settings import PlaneSettings
from barmill.serving.telemetry import Telemetry

_FAIR = 0.5  # of the time that the settings give the first of a chain


class Failures:
    """Tells of them, on the plane's clock."""

    def __init__(self, settings: PlaneSettings, telemetry: Telemetry, clock: Callable[[], float] = time.monotonic) -> None:
        self._fair_seconds = _FAIR * settings.first_share * settings.max_seconds
        self._telemetry, self._clock = telemetry, clock

    def are_enough(self, seconds: float) -> bool:
        """Whether to be late after so many says anything of a version: else anybody's own short deadlines could take it from all."""
        return seconds >= self._fair_seconds

    def count(self, served: ServedModel, reason: str, detail: str, *, against: bool = True) -> None:
        """Tell of one. against : whether it speaks against the version, so that its breaker counts it"""
        if against and served.breaker.failed(self._clock()):
            self._telemetry.event("breaker_opened", "error", model=served.name, version=served.version, reason=reason)
        self._telemetry.event("model_failed", "error", model=served.name, version=served.version, reason=reason, detail=detail)


__all__ = ["Failures"]
