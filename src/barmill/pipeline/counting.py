"""One line of progress for stages of which there are hundreds."""

import time

from barmill.pipeline.events import Listener, Plan


class Counting:
    """Counts the stages that workers finish under one name, instead of telling each.

    listener : to be told
    name : of the whole; done, total : stages
    """

    def __init__(self, listener: Listener, name: str, done: int, total: int) -> None:
        self._listener, self._name, self._done, self._total = listener, name, done, total
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since it began to count."""
        return time.perf_counter() - self._began

    def planned(self, plan: Plan) -> None:
        self._listener.planned(plan)

    def said(self, text: str) -> None:
        self._listener.said(text)

    def started(self, stage: str) -> None:
        del stage

    def progressed(self, stage: str, done: int, total: int, note: str) -> None:
        del stage, done, total, note

    def finished(self, stage: str, seconds: float) -> None:
        del seconds
        self._done += 1
        self._listener.progressed(self._name, self._done, self._total, stage)


__all__ = ["Counting"]
