"""Where streams are written down: a file each, replaced as a whole, read back only where every byte is right."""

import re
from dataclasses import dataclass
from pathlib import Path

from barmill.artefacts import storage_errors, sync_folder, write_bytes
from barmill.bundles.stream_state import SavedStream
from barmill.errors import BundleCorruption, StorageError
from barmill.serving.refusals import Refusal

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")

_SUFFIX, _REFUSED = ".stream", ".refused"


def check_name(name: str) -> None:
    """Raise Refusal unless `name` may be that of a stream; such a name is a file name too, and leads out of no folder."""
    if NAME.fullmatch(name) is None:
        expected = "a letter or digit, then up to 127 letters, digits, '_', '.', ':' or '-'"
        raise Refusal("invalid", "bad_stream_name", "stream", f"{name[:140]!r}", expected=expected)


@dataclass(frozen=True, slots=True)
class SnapshotFolder:
    """The streams of each model in a folder of its own; names are of `check_name` and of bundles."""

    folder: Path

    def path(self, model: str, name: str) -> Path:
        """The file of a stream."""
        return self.folder / model / f"{name}{_SUFFIX}"

    def write(self, model: str, name: str, saved: SavedStream) -> None:
        """Replace the snapshot. Raises StorageError; then the old one is whole."""
        write_bytes(self.path(model, name), saved.to_bytes())

    def read(self, model: str, name: str) -> SavedStream | None:
        """The last snapshot, or None where there is none.

        Raises: BundleError for bytes that are something else, or of another stream; StorageError where they cannot be read.
        """
        path = self.path(model, name)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(str(path), f"cannot be read: {error.strerror}") from error
        saved = SavedStream.from_bytes(data, str(path))
        beside = saved.told.get("beside")
        if not isinstance(beside, dict) or (beside.get("model"), beside.get("name")) != (model, name):
            raise BundleCorruption(str(path), "is of another stream", expected=f"'{name}' of {model}")
        return saved

    def set_aside(self, model: str, name: str) -> None:
        """Keep a snapshot that cannot be used, under a name that is not read again. Raises StorageError."""
        path = self.path(model, name)
        with storage_errors(path):
            path.replace(path.with_name(f"{name}{_REFUSED}"))

    def forget(self, model: str, name: str) -> bool:
        """Remove a snapshot; whether there was one. Raises StorageError."""
        path = self.path(model, name)
        with storage_errors(path):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            sync_folder(path.parent)
        return True


__all__ = ["NAME", "SnapshotFolder", "check_name"]
