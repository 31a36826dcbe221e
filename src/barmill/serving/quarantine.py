"""Notes on versions that were refused, a file each, for whoever has to find out why."""

import time
from collections.abc import Mapping
from pathlib import Path

from barmill.artefacts import write_json
from barmill.errors import StorageError
from barmill.serving.telemetry import Telemetry


class QuarantineNotes:
    """Writes notes into a folder; those that a full disk refuses are written when there is room again.

    folder : None writes none
    """

    def __init__(self, folder: Path | None, telemetry: Telemetry) -> None:
        self._folder, self._telemetry = folder, telemetry
        self._unwritten: dict[str, Mapping[str, object]] = {}

    def write(self, model: str, number: int, version: str, digest: str, reason: str) -> None:
        """Note a version that was refused."""
        name = f"{model}-{number}-{digest[:12] or 'unread'}.json"
        note = {"model": model, "number": number, "version": version, "digest": digest, "reason": reason, "time": int(time.time())}
        failed = self._write(name, note)
        if failed:
            self._unwritten[name] = note
            self._telemetry.event("quarantine_note_failed", "error", model=model, number=number, reason=failed)

    def write_left(self) -> None:
        """Write what could not be written before. That it still cannot is not told again."""
        for name, note in list(self._unwritten.items()):
            if self._write(name, note):
                return
            del self._unwritten[name]

    def _write(self, name: str, note: Mapping[str, object]) -> str:
        """Why it could not be written; empty where it was."""
        if self._folder is None:
            return ""
        try:
            write_json(self._folder / name, note)
        except StorageError as error:
            return str(error)
        return ""


__all__ = ["QuarantineNotes"]
