"""From a version's files to a version that may be served: tried in a child process, replayed, warm, and no slower than it should be."""

from barmill.bundles import Bundle, VerifiedFiles
from barmill.errors import BundleError
from barmill.serving.served import ServedModel, warm
from barmill.serving.settings import PlaneSettings

_NOT_SLOW = 1e-3  # seconds: what answers faster is fast enough, however much faster another is


class TooSlow(BundleError):
    """A version that took much longer than the champion when both were timed."""


def load_served(
    verified: VerifiedFiles, name: str, number: int, settings: PlaneSettings | None = None, beside: ServedModel | None = None
) -> ServedModel:
    """Load one version beside those that are served.

    Parameters
    ----------
    verified : its files, whose digests were checked
    name, number : its model's folder in the repository and its own; 0 for a bundle that was named by its folder
    beside : the version that answers now, than which it may not be slower by more than `settings.slower_at_most`

    Raises: whatever `Bundle.load` and `warm` raise; TooSlow.
    """
    told = settings or PlaneSettings()
    served = warm(Bundle.admit(verified), number, told, name=name)
    if beside is not None and served.seconds > max(_NOT_SLOW, told.slower_at_most * beside.seconds):
        found = f"one row takes {1e3 * served.seconds:.3g} ms, {served.seconds / beside.seconds:.0f} times as long as {beside.label}"
        mend = "Let it be as slow as that with the setting slower_at_most, or publish a faster one."
        raise TooSlow(served.label, found, expected=f"at most {told.slower_at_most:g} times", mend=mend)
    return served


__all__ = ["TooSlow", "load_served"]
