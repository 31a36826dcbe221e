"""Keys of a file that changes while the server runs: a key that is taken out of it stops working, one that is added begins to."""

import threading
from collections.abc import Callable
from pathlib import Path

from barmill.errors import InputError
from barmill.serving.http.keys import Keys, Principal
from barmill.serving.telemetry import Silent, Telemetry

LOOK_SECONDS = 1.0

_Looks = tuple[int, int, int, int]


class KeyFile:
    """The keys of a file as it was when it was last looked at. Safe to share.

    No request waits for the disk: `start` looks on a thread of its own. A file that cannot be read, or is no file of keys, changes nothing
    and is told once; the keys of before go on, since a slip of an editor must not lock everybody out.

    Parameters
    ----------
    path : of the file, which must be good now
    telemetry : is told when keys were read again, and when they could not be
    wait : waits so many seconds, and returns whether to look no more; None for a clock's

    Raises: InputError, as `Keys.read`.
    """

    def __init__(self, path: Path, telemetry: Telemetry | None = None, wait: Callable[[float], bool] | None = None) -> None:
        self._path = path
        self._telemetry: Telemetry = telemetry or Silent()
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._thread: threading.Thread | None = None
        self._told = ""
        self._unsure = True  # what is written in one tick of the file system's clock looks alike: what changed is read once more
        self._looks = _looks_of(path)  # before it is read: what is written meanwhile is seen at the next look
        self._keys = Keys.read(path)

    def principal(self, key: str) -> Principal:
        """Whose `key` it is, see `Keys.principal`."""
        return self._keys.principal(key)

    def look(self) -> None:
        """Read the file again if it changed."""
        looks = _looks_of(self._path)
        if looks == self._looks and not self._unsure:
            return
        changed, self._looks = looks != self._looks, looks
        self._unsure = changed
        try:
            self._keys = Keys.read(self._path)
        except Exception as error:  # noqa: BLE001 - whatever stands in the file must not end the watch over it
            self._complain(str(error) if isinstance(error, InputError) else type(error).__name__)
            return
        self._told = ""
        if changed:
            self._telemetry.event("keys_read", file=str(self._path), n_keys=len(self._keys))

    def start(self) -> None:
        """Look once a second, until `stop`."""
        self._thread = threading.Thread(target=self._run, name="barmill-keys", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._wait(LOOK_SECONDS):
            self.look()

    def _complain(self, reason: str) -> None:
        if reason != self._told:
            self._told = reason
            self._telemetry.event("keys_unreadable", "error", file=str(self._path), reason=reason)


def _looks_of(path: Path) -> _Looks | None:
    """What changes when a file is written or replaced; None where it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


__all__ = ["LOOK_SECONDS", "KeyFile"]
