"""Folders of models as a watcher finds them: what is there, without parsing any of it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from barmill.bundles.folder import POINTER, VERSION_NAME, Pointer, read_pointer
from barmill.bundles.manifest import MANIFEST, SEAL
from barmill.bundles.manifest_rules import NAME

Looks = tuple[tuple[str, int, int, int], ...]  # of each entry: path, inode, size, time of change in ns

_MOST_ENTRIES = 1_000
_READS = 3  # of a pointer, before it is said to be bad: it may have been replaced between two looks at it


class Found(NamedTuple):
    """A model's folder at one moment.

    versions : by number, how the folder looks; another look means that it changed
    pointer : what `current.json` says; None where there is none
    pointer_problem : what is wrong with it, where it cannot be read
    """

    versions: Mapping[int, Looks]
    pointer: Pointer | None
    pointer_problem: str


def model_folders(root: Path) -> dict[str, Path]:
    """Models below `root` by name, in order. Raises OSError where it cannot be listed."""
    with os.scandir(root) as entries:
        found = {entry.name: Path(entry.path) for entry in entries if NAME.fullmatch(entry.name) and entry.is_dir()}
    return dict(sorted(found.items()))


def look_at(folder: Path) -> Found:
    """A model's folder as it is now. Raises OSError where it cannot be listed.

    The pointer is read first: what it names was there before it, and so is among the versions.
    """
    pointer, problem = _pointer(folder)
    with os.scandir(folder) as entries:
        numbers = sorted(int(entry.name) for entry in entries if VERSION_NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False))
    return Found({number: looks_of(folder / str(number)) for number in numbers}, pointer, problem)


def _pointer(folder: Path) -> tuple[Pointer | None, str]:
    """The pointer, and what is wrong with it."""
    problem = ""
    for _ in range(_READS):
        if not (folder / POINTER).exists():
            return None, ""
        try:
            return read_pointer(folder), ""
        except Exception as error:  # noqa: BLE001 - whatever it holds, the versions are served as before
            problem = str(error)
    return None, problem


def looks_of(folder: Path) -> Looks:
    """Every entry of a version's folder, and every folder in it that cannot be listed; empty where it is gone."""
    found: list[tuple[str, int, int, int]] = []

    def unlisted(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            found.append((str(error.filename), 0, 0, 0))

    for place, folders, files in os.walk(folder, onerror=unlisted):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(place, name)  # noqa: PTH118 - thousands a minute
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                continue
            found.append((path, status.st_ino, status.st_size, status.st_mtime_ns))
            if len(found) == _MOST_ENTRIES:
                return tuple(found)
    return tuple(found)


def is_version(path: Path) -> bool:
    """Whether `path` is the folder of one version, and not of a model."""
    return (path / MANIFEST).exists() or (path / SEAL).exists()


__all__ = ["Found", "Looks", "is_version", "look_at", "looks_of", "model_folders"]
