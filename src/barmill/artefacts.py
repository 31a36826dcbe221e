"""Artefacts on disk: canonical JSON, digests, and files and folders that appear whole or not at all.

Every write goes beside its place, is flushed to the disk, and is then renamed; a killed process leaves the old
or the new, never half (Pillai et al., OSDI 2014). Nothing else in Barmill writes outside a folder that
`new_folder` gave it.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from barmill.errors import StorageError

_MENDS = {
    errno.ENOSPC: "Free some space or choose another folder, then run the same command again.",
    errno.EDQUOT: "Free some of your quota or choose another folder, then run the same command again.",
    errno.EACCES: "Choose a folder that you may write to.",
    errno.EPERM: "Choose a folder that you may write to.",
    errno.EROFS: "Choose a folder on a disk that is not read-only.",
    errno.EIO: "The disk failed: look at it before anything else.",
    errno.EFBIG: "The file would be larger than this disk or process allows.",
}


def cache_folder() -> Path:
    """Where what can be made again is kept between runs: $BARMILL_CACHE, or barmill in the user's cache."""
    if given := os.environ.get("BARMILL_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "barmill"


def canonical_json(value: Any) -> bytes:
    """`value` as JSON whose bytes depend on its content alone: sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def readable_json(value: Any) -> bytes:
    """`value` as indented JSON for files that people open; keys keep their order."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_json(path: Path) -> Any:
    """What a JSON file of ours says."""
    return json.loads(path.read_bytes())


def without_nan(value: Any) -> Any:
    """`value` with what JSON cannot say made sayable: NaN becomes null, infinity a word, tuples lists."""
    if isinstance(value, Mapping):
        return {name: without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def storage_errors(path: Path) -> Generator[None]:
    """Turn what the operating system says of a failed write to `path` into a `StorageError`."""
    try:
        yield
    except OSError as error:
        # NumPy reports a short write without an error number
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        mend = _MENDS.get(error.errno or 0, "Look at the disk, then run the same command again.")
        raise StorageError(str(path), f"cannot be written: {reason}", mend=mend) from error


@contextlib.contextmanager
def full_disk_errors(path: Path) -> Generator[None]:
    """As `storage_errors`, for a block that does more than write: only what a disk says is told so, the rest passes."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.errno not in _MENDS:
            raise
        with storage_errors(path):
            raise


def sync_folder(folder: Path) -> None:
    """Flush the names in `folder` to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, data: bytes) -> None:
    """Write and flush a file that must not exist yet (its folder is not flushed: see `sync_folder`)."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def new_file(path: Path) -> Generator[Path]:
    """A file to make under a name of its own, which replaces `path` only if the block ends well. Raises StorageError.

    For what is too large to hold; `write_bytes` is for the rest.
    """
    with full_disk_errors(path):
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        try:
            yield beside
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` at once. Raises StorageError; then the old file is untouched."""
    with storage_errors(path), new_file(path) as beside:
        write_new(beside, data)


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as readable JSON, at once."""
    write_bytes(path, readable_json(value))


@contextlib.contextmanager
def new_folder(path: Path) -> Generator[Path]:
    """A folder to fill, which takes its name `path` only if the block ends well.

    If `path` is there already (another process was first), what was made is dropped and the old one stays.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        staging.mkdir()
    try:
        yield staging
        with storage_errors(path):
            flush_tree(staging)
            try:
                os.rename(staging, path)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            sync_folder(path.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` (relative name to content) as the new folder `path`, whole or not at all."""
    with new_folder(path) as staging, storage_errors(path):
        for name, data in sorted(files.items()):
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            write_new(staging / name, data)


def flush_tree(folder: Path) -> None:
    """Flush every file and folder below `folder` to the disk, children first."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in sorted(names):
            descriptor = os.open(Path(parent) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(parent))


__all__ = [
    "cache_folder",
    "canonical_json",
    "flush_tree",
    "full_disk_errors",
    "new_file",
    "new_folder",
    "read_json",
    "readable_json",
    "sha256",
    "storage_errors",
    "sync_folder",
    "without_nan",
    "write_bytes",
    "write_folder",
    "write_json",
    "write_new",
]
