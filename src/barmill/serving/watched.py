"""What a watcher knows of models and their versions, and when it tries again what it refused."""

from dataclasses import dataclass, field
from pathlib import Path

from barmill.bundles.folder import Pointer
from barmill.errors import BundleCorruption, BundleError, BundleVersionError, SetupError
from barmill.serving.loading import TooSlow
from barmill.serving.model_folders import Looks

AGAIN_SECONDS = 5.0  # until what could not be read or tried is tried again; twice as long each time
LONGEST_SECONDS = 60.0


@dataclass(slots=True)
class Version:
    """What is known of a version's folder.

    looks : when it was last looked at; still : polls since it changed
    state : "waiting", "served" or "refused"
    digest : of what is served, or was tried; empty before
    reason : why it is not served
    told : the type of error that it was refused with, which is told once; None before
    again_at : when a refusal is tried again; None for one that the bytes alone decide
    waited : seconds between the last two tries
    """

    looks: Looks
    still: int = 0
    state: str = "waiting"
    digest: str = ""
    reason: str = ""
    told: type[Exception] | None = None
    again_at: float | None = None
    waited: float = 0.0

    def refuse(self, error: Exception, *, again: bool, now: float) -> bool:
        """Refuse it, for good or for some time; whether that is news."""
        is_news = self.told is not type(error)
        self.state, self.told = "refused", type(error)
        if is_news:
            self.reason = told(error)
        self.waited = min(2 * self.waited or AGAIN_SECONDS, LONGEST_SECONDS)
        self.again_at = now + self.waited if again else None
        return is_news

    def try_again(self, now: float) -> None:
        """Let it wait to be tried, if it is time: it stood still before."""
        if self.state == "refused" and self.again_at is not None and now >= self.again_at:
            self.state, self.digest = "waiting", ""


@dataclass(slots=True)
class Model:
    """What is known of a model's folder.

    unloaded : an operator said so; until it is loaded again
    applied : the pointer that was last followed
    older : a pointer that was written before that one, and the polls since it is there
    told : the last complaint about the pointer, which is told once
    """

    folder: Path
    versions: dict[int, Version] = field(default_factory=dict[int, Version])
    unloaded: bool = False
    applied: Pointer | None = None
    older: tuple[Pointer, int] | None = None
    told: str = ""

    @property
    def highest(self) -> Pointer | None:
        """Who is the champion without a pointer."""
        served = [(number, known.digest) for number, known in self.versions.items() if known.state == "served"]
        return Pointer(*max(served)) if served else None

    def goes_back(self, pointer: Pointer, polls: int) -> bool:
        """Whether `pointer` is older than the one that was followed, and has not stood there for so many polls.

        Who takes a version back writes a pointer of a higher revision. A lower one is a look at what was there before, or at a copy on its
        way; or somebody put it there by hand, and then it stays.
        """
        if self.applied is None or pointer.revision >= self.applied.revision:
            self.older = None
            return False
        before = 0 if self.older is None or self.older[0] != pointer else self.older[1]
        self.older = (pointer, before + 1)
        return before < polls

    @property
    def why_not(self) -> str:
        """Why nothing of it is served."""
        reasons = [known.reason for _, known in sorted(self.versions.items(), reverse=True) if known.reason]
        return next(iter(reasons), self.told or "there is no version in its folder")


def unreadable(error: Exception) -> bool:
    """Whether a folder could not be read, which says nothing of what is in it."""
    return not isinstance(error, BundleCorruption | BundleVersionError)


def untried(error: Exception) -> bool:
    """Whether a version could not be tried, or not be timed as it should: the machine lacked something, or was busy."""
    return isinstance(error, OSError | MemoryError | SetupError | TooSlow)


def told(error: Exception) -> str:
    """`error` as a reason."""
    return str(error) if isinstance(error, BundleError) else f"{type(error).__name__}: {error}"


__all__ = ["AGAIN_SECONDS", "LONGEST_SECONDS", "Model", "Version", "told", "unreadable", "untried"]
