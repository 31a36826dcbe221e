"""What a run tells while it works: to whom is the caller's choice (the command line, a log, nobody)."""

from dataclasses import dataclass
from typing import Protocol

from barmill.pipeline.workspace import Stage


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """A stage, whether its result is there already, and where."""

    stage: Stage
    cached: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is about to do, known before it does any of it.

    memory_mb : estimated peak of the resident memory of all its processes together, MiB
    available_mb : memory that the machine has free, MiB
    workers : processes that fit models side by side
    notes : what is known before the work to be other than the recipe asks, and what its parameters lead to, a line each
    """

    stages: tuple[PlannedStage, ...]
    memory_mb: int
    available_mb: int
    workers: int
    notes: tuple[str, ...] = ()

    @property
    def to_do(self) -> tuple[PlannedStage, ...]:
        return tuple(planned for planned in self.stages if not planned.cached)


class Listener(Protocol):
    """Where a run tells what it does."""

    def planned(self, plan: Plan) -> None: ...
    def said(self, text: str) -> None: ...
    def started(self, stage: str) -> None: ...
    def progressed(self, stage: str, done: int, total: int, note: str) -> None: ...
    def finished(self, stage: str, seconds: float) -> None: ...


class Silence:
    """Listens to nothing."""

    def planned(self, plan: Plan) -> None:
        return None

    def said(self, text: str) -> None:
        return None

    def started(self, stage: str) -> None:
        return None

    def progressed(self, stage: str, done: int, total: int, note: str) -> None:
        return None

    def finished(self, stage: str, seconds: float) -> None:
        return None


@dataclass(frozen=True, slots=True)
class StageProgress:
    """A stage's own `Progress`, passing on to a listener."""

    listener: Listener
    stage: str

    def update(self, done: int, total: int, note: str = "") -> None:
        self.listener.progressed(self.stage, done, total, note)
