"""The run folder: stages by content address, each whole or absent, and a lock that keeps two runs apart."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barmill.artefacts import canonical_json, full_disk_errors, new_folder, readable_json, sha256, storage_errors, write_new
from barmill.errors import SetupError

_RECORD = "stage.json"


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the run and the content address of its result.

    name : str, as people read it, such as "features" or "model lightgbm"
    place : str, folder of the run and stem of the stage's own folder, such as "data/features"
    key : str, digest of everything that the result depends on
    """

    name: str
    place: str
    key: str

    @property
    def folder(self) -> str:
        return f"{self.place}-{self.key[:12]}"


class Workspace:
    """A run folder on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, stage: Stage) -> Path:
        return self.root / stage.folder

    def scratch(self, stage: Stage) -> Path:
        """Where an unfinished fit keeps its checkpoints; dropped with `drop_scratch` once the stage is done."""
        folder = self.root / ".scratch" / f"{stage.place.replace('/', '-')}-{stage.key[:12]}"
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def drop_scratch(self, stage: Stage) -> None:
        shutil.rmtree(self.scratch(stage), ignore_errors=True)

    def record(self, stage: Stage) -> dict[str, Any] | None:
        """The record of a finished stage whose files are the bytes that it wrote; None if it must be computed."""
        folder = self.path(stage)
        try:
            record: dict[str, Any] = json.loads((folder / _RECORD).read_bytes())
            if record["key"] != stage.key:
                return None
            intact = all(_digest(folder / name) == digest for name, digest in record["files"].items())
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
            return None
        return record if intact else None

    @contextlib.contextmanager
    def writing(self, stage: Stage) -> Generator[Path]:
        """A folder to write the stage's files into; it takes its place, with its record, when the block ends well."""
        final = self.path(stage)
        if final.exists():  # `record` said that it is damaged
            shutil.rmtree(final)
        with new_folder(final) as folder:
            with full_disk_errors(final):
                yield folder
            names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
            files = {name: _digest(folder / name) for name in names}
            record = {"stage": stage.name, "key": stage.key, "files": files, "digest": sha256(canonical_json(files))}
            with storage_errors(final):
                write_new(folder / _RECORD, readable_json(record))

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Hold the run folder for this process; the lock falls with the process, however it ends."""
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                mend = "Wait for it, or give this one another folder with --out."
                raise SetupError(str(self.root), "another run is at work in this folder", mend=mend) from error
            self._sweep()
            yield
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        """Remove what a killed process left half-written; the lock says that nobody is writing it now."""
        for parent in ("data", "models", "metrics", "."):
            for leftover in (self.root / parent).glob(".*.partial"):
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
