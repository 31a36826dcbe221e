"""Where long work tells how far it is: a protocol that every floor may take, and one that tells nobody."""

from typing import Protocol


class Progress(Protocol):
    """Told now and then that `done` of `total` steps are done; `note` says what the step was."""

    def update(self, done: int, total: int, note: str = "") -> None: ...


class SilentProgress:
    """Tells nobody."""

    def update(self, done: int, total: int, note: str = "") -> None:
        return None


__all__ = ["Progress", "SilentProgress"]
