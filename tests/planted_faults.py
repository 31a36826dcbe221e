"""Faults that are planted in what a bundle says."""

from collections.abc import Callable
from typing import Any


class Faulty:
    """A pipeline that says what `fault` makes of what the real one says, which nothing guards."""

    def __init__(self, pipeline: Any, fault: Callable[[dict[str, Any]], Any]) -> None:
        self._pipeline, self._fault = pipeline, fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return self._fault(self._pipeline.run(*args, **kwargs))


__all__ = ["Faulty"]
