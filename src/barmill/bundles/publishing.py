"""Publishing: a version folder appears whole or not at all, and one pointer file says which is current.

    <repository>/<model>/.staging/<uuid>/    filled with O_EXCL, every file and folder flushed
    <repository>/<model>/<integer>/          takes its name by one rename, then the parent is flushed
    <repository>/<model>/current.json        replaced last, atomically

A process killed at any call leaves the old pointer or the new, and only whole versions; what it left in staging is swept
by the next publisher, who holds the lock. Imports the standard library alone, so that the test that kills it at each
system call is fast.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Generator, Mapping
from pathlib import Path

from barmill.artefacts import canonical_json, sha256, storage_errors, sync_folder, write_bytes, write_new
from barmill.bundles.folder import POINTER, VERSION_NAME, inspect, read_pointer, read_version
from barmill.bundles.manifest import MANIFEST, SEAL, check_name, list_files, parse_manifest, seal_of
from barmill.errors import BundleError

_STAGING = ".staging"
_LOCK = ".lock"


def publish(files: Mapping[str, bytes], repository: Path, model: str) -> Path:
    """Publish an assembled bundle as the next version of `model`, and make it the current one.

    Parameters
    ----------
    files : path to bytes, as `assemble` makes them
    repository : folder of models, made if it is not there
    model : name of the model's folder

    Returns
    -------
    Path of the version, `<repository>/<model>/<integer>`. A bundle with the same digest that is already there (and is
    whole) is not written again: its version is returned, and becomes the current one.

    Raises
    ------
    BundleError if `files` do not agree with their manifest; StorageError if the disk is full or refuses: then the
    pointer and every visible version are as they were, or the version is whole.
    """
    check_name(model)
    digest = _check(files)
    folder = repository / model
    with storage_errors(folder):
        _make_folder(folder)
    with _locked(folder):
        with storage_errors(folder):
            _sweep(folder)
        version = _published(folder, digest)
        if version is None:
            version = _write_version(folder, files)
        with storage_errors(folder):
            sync_folder(folder)
        _point(folder, version, digest)
    return folder / str(version)


def promote(model_folder: Path, version: int) -> str:
    """Make a version that was published before the current one, whole or not at all; its digest comes back.

    Every byte of the version is checked first. Raises BundleError (all that is wrong in one) where it is not whole: the pointer is then as
    it was.
    """
    digest = read_version(model_folder / str(version)).digest
    with _locked(model_folder):
        _point(model_folder, version, digest)
    return digest


def _point(folder: Path, version: int, digest: str) -> None:
    """Replace the pointer, under the lock: so that no two have one revision, and who reads tells the later from the earlier."""
    try:
        revision = read_pointer(folder).revision
    except BundleError:  # there is none, or none that can be read: it is counted anew
        revision = 0
    write_bytes(folder / POINTER, canonical_json({"digest": digest, "format": 1, "revision": revision + 1, "version": version}))


def _check(files: Mapping[str, bytes]) -> str:
    """The digest of an assembled bundle, whose files must agree with its manifest."""
    missing = [name for name in (MANIFEST, SEAL) if name not in files]
    if missing:
        raise BundleError(missing[0], "is missing", expected="what assemble() makes")
    if files[SEAL] != seal_of(files[MANIFEST]):
        raise BundleError(SEAL, "is not the digest of the manifest", expected="what assemble() makes")
    manifest = parse_manifest(files[MANIFEST], MANIFEST)
    rest = {path: data for path, data in files.items() if path not in (MANIFEST, SEAL)}
    if list_files(rest) != manifest.files:
        raise BundleError(MANIFEST, "differs from the files beside it", expected="what assemble() makes")
    return sha256(files[MANIFEST])


def _make_folder(folder: Path) -> None:
    """Make `folder` and its parents, flushing each new name."""
    missing = [folder, *folder.parents]
    for parent in reversed(missing[: next(i for i, path in enumerate(missing) if path.exists())]):
        parent.mkdir(exist_ok=True)
        sync_folder(parent.parent)


@contextlib.contextmanager
def _locked(folder: Path) -> Generator[None]:
    """One publisher of a model at a time; the system frees the lock of a killed one."""
    with storage_errors(folder):
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with storage_errors(folder):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove what killed publishers left; under the lock nobody else is at work here."""
    staging = folder / _STAGING
    for left in sorted(staging.iterdir()) if staging.is_dir() else ():
        shutil.rmtree(left)
    for left in sorted(folder.glob(f".{POINTER}.*.partial")):
        left.unlink()


def _published(folder: Path, digest: str) -> int | None:
    """The newest whole version that has this digest."""
    for version in sorted(_versions(folder), reverse=True):
        place = folder / str(version)
        with contextlib.suppress(OSError):  # an unreadable version is not the one asked for; inspect() tells of it elsewhere
            if sha256((place / MANIFEST).read_bytes()) == digest and not inspect(place).problems:
                return version
    return None


def _versions(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if VERSION_NAME.fullmatch(path.name)]


def _write_version(folder: Path, files: Mapping[str, bytes]) -> int:
    staging = folder / _STAGING / uuid.uuid4().hex
    try:
        with storage_errors(folder):
            staging.parent.mkdir(exist_ok=True)
            staging.mkdir()
            folders = sorted({inner for path in files for inner in (staging / path).parents if staging in inner.parents})
            for inner in folders:
                inner.mkdir()
            for path, data in sorted(files.items()):
                write_new(staging / path, data)
            for inner in [*folders, staging]:
                sync_folder(inner)
            return _take_number(folder, staging)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _take_number(folder: Path, staging: Path) -> int:
    """Rename `staging` to the next free integer."""
    version = max(_versions(folder), default=0) + 1
    while True:
        try:
            staging.rename(folder / str(version))
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            version += 1
        else:
            return version


__all__ = ["promote", "publish"]
