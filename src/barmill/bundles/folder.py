"""A version folder, read once into memory and checked there: nothing is parsed whose digest was not checked.

What is verified is what is used: each file is opened once, without following links, hashed in memory, and never looked
at again on the disk. A flipped bit in a booster's text can crash the process that parses it, so digests come first.
"""

import contextlib
import json
import os
import re
import stat
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from barmill.artefacts import sha256
from barmill.bundles.manifest import (
    FOLDERS,
    MANIFEST,
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    SEAL,
    WEIGHTS,
    FileEntry,
    Manifest,
    parse_manifest,
    seal_of,
)
from barmill.bundles.strict_json import parse_canonical
from barmill.errors import BundleCorruption, BundleError

POINTER = "current.json"
VERSION_NAME = re.compile(r"[1-9][0-9]{0,8}")

_MEND = "Copy the bundle again from where it was published."
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # non-blocking: a pipe put there later must not hang us
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is in a version folder.

    folder : path of the version
    digest : str, SHA-256 of the manifest's bytes; empty if there are none
    manifest : None if it could not be read
    files : path to bytes, of those files alone whose digest is right
    problems : everything found wrong, in the order of the files
    """

    folder: Path
    digest: str = ""
    manifest: Manifest | None = None
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    problems: tuple[BundleError, ...] = ()


class Pointer(NamedTuple):
    """What `current.json` says.

    version, digest : of the one that is current
    revision : how often the pointer was written, which only grows; 0 where nobody counted
    """

    version: int
    digest: str
    revision: int = 0


@dataclass(frozen=True, slots=True)
class VerifiedFiles:
    """The bytes of a bundle in memory, each checked against the manifest."""

    folder: Path
    digest: str
    manifest: Manifest
    files: Mapping[str, bytes]


def read_bundle(path: Path) -> VerifiedFiles:
    """The verified files of the bundle at `path`: a version's folder, or a model's, whose `current.json` is followed.

    Raises BundleError (all that is wrong in one).
    """
    folder, expected = find_version(path)
    verified = read_version(folder)
    if expected and expected != verified.digest:
        raise pointer_mismatch(folder, verified.digest, expected)
    return verified


def pointer_mismatch(folder: Path, found: str, expected: str) -> BundleCorruption:
    """What is said of a version that is not the one that `current.json` was written for."""
    wanted = f"{expected[:12]}.. of {POINTER}"
    return BundleCorruption(str(folder), f"digest {found[:12]}..", expected=wanted, mend="Publish again, or name another version.")


def read_version(folder: Path) -> VerifiedFiles:
    """The files of the version `folder`, verified. Raises BundleError (all that is wrong in one)."""
    found = inspect(folder)
    if found.problems or found.manifest is None:
        raise type(found.problems[0]).gathered(found.problems)
    return VerifiedFiles(found.folder, found.digest, found.manifest, found.files)


def inspect(folder: Path) -> Inspection:
    """Look at every entry of the version `folder` and check every byte; what is wrong is told, not raised."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        mend = "Name the folder of a version, or of a model that has a current.json."
        return Inspection(
            folder, problems=(BundleError(str(folder), f"no bundle here: {os.strerror(error.errno or 0).lower()}", mend=mend),)
        )
    try:
        return _inspect(folder, descriptor)
    finally:
        os.close(descriptor)


def _inspect(folder: Path, root: int) -> Inspection:
    sizes, strangers = _list(folder, root)
    if MANIFEST not in sizes and all(problem.place != str(folder / MANIFEST) for problem in strangers):
        mend = "Name the folder of a version, or of a model that has a current.json."
        return Inspection(folder, problems=(BundleError(str(folder), f"no bundle here: there is no {MANIFEST}", mend=mend),))
    if strangers:
        return Inspection(folder, problems=tuple(strangers))
    digest = ""
    try:
        data = _read(folder, root, MANIFEST, sizes[MANIFEST], MAX_MANIFEST_BYTES)
        digest = sha256(data)
        _check_seal(folder, root, sizes, data)
        manifest = parse_manifest(data, str(folder / MANIFEST))
    except BundleError as error:
        return Inspection(folder, digest, problems=(error,))
    problems = _compare_names(folder, sizes, manifest)
    if problems:
        return Inspection(folder, digest, manifest, problems=tuple(problems))
    files: dict[str, bytes] = {}
    for entry in manifest.files:
        try:
            files[entry.path] = _read_entry(folder, root, entry)
        except BundleError as error:
            problems.append(error)
    return Inspection(folder, digest, manifest, files, tuple(problems))


def _list(folder: Path, root: int) -> tuple[dict[str, int], list[BundleError]]:
    """Sizes of the plain files by path, and a refusal for every entry of another kind, a folder without files among them."""
    sizes: dict[str, int] = {}
    strangers: list[BundleError] = []

    def visit(descriptor: int, prefix: str) -> None:
        with os.scandir(descriptor) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = prefix + entry.name
                status = entry.stat(follow_symlinks=False)
                if len(sizes) + len(strangers) > 4 * MAX_FILES:
                    return
                if stat.S_ISDIR(status.st_mode) and (path in FOLDERS or prefix == f"{WEIGHTS}/"):  # a member has a folder of its own there
                    before = len(sizes) + len(strangers)
                    with _subfolder(descriptor, entry.name) as inner:
                        visit(inner, f"{path}/")
                    if path != WEIGHTS and len(sizes) + len(strangers) == before:
                        strangers.append(BundleCorruption(str(folder / path), "is an empty folder", mend=_MEND))
                elif kind := _kind(status):
                    strangers.append(BundleCorruption(str(folder / path), f"is {kind}", expected="a plain file of its own", mend=_MEND))
                else:
                    sizes[path] = status.st_size

    try:
        visit(root, "")
    except OSError as error:
        strangers.append(_unreadable(folder, error))
    return sizes, strangers


def _kind(status: os.stat_result) -> str:
    """What an entry is other than a plain file with one name; empty for a plain file."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return "a hard link (the same file has another name)" if status.st_nlink > 1 else ""
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "not a file")


def _check_seal(folder: Path, root: int, sizes: Mapping[str, int], manifest: bytes) -> None:
    if SEAL not in sizes:
        raise BundleCorruption(str(folder / SEAL), "is missing", mend=_MEND)
    seal = _read(folder, root, SEAL, sizes[SEAL], 256)
    expected = seal_of(manifest)
    if seal == expected:
        return
    if re.fullmatch(rb"[0-9a-f]{64}  manifest\.json\n", seal):
        raise BundleCorruption(
            str(folder / MANIFEST), f"SHA-256 {sha256(manifest)[:12]}..", expected=f"{seal[:12].decode()}.. of {SEAL}", mend=_MEND
        )
    raise BundleCorruption(str(folder / SEAL), "is not a digest of the manifest", expected=f"'<sha256>  {MANIFEST}'", mend=_MEND)


def _compare_names(folder: Path, sizes: Mapping[str, int], manifest: Manifest) -> list[BundleError]:
    """Missing and extra files, and sizes, before a single byte is read."""
    problems: list[BundleError] = []
    listed = {entry.path: entry.size for entry in manifest.files}
    for path in sorted({*sizes, *listed} - {MANIFEST, SEAL}):
        if path not in sizes:
            problems.append(BundleCorruption(str(folder / path), "is missing", mend=_MEND))
        elif path not in listed:
            problems.append(BundleCorruption(str(folder / path), "is not in the manifest", mend="Remove it, or copy the bundle again."))
        elif sizes[path] != listed[path]:
            problems.append(BundleCorruption(str(folder / path), f"{sizes[path]} bytes", expected=f"{listed[path]} bytes", mend=_MEND))
    return problems


def _read_entry(folder: Path, root: int, entry: FileEntry) -> bytes:
    data = _read(folder, root, entry.path, entry.size, entry.size)
    found = sha256(data)
    if found != entry.sha256:
        raise BundleCorruption(str(folder / entry.path), f"SHA-256 {found[:12]}..", expected=f"{entry.sha256[:12]}..", mend=_MEND)
    return data


def _read(folder: Path, root: int, path: str, size: int, most: int) -> bytes:
    """All `size` bytes of a plain file below the open folder `root`, through one descriptor."""
    if size > most:
        raise BundleCorruption(str(folder / path), f"{size} bytes", expected=f"at most {most}", mend=_MEND)
    try:
        with contextlib.ExitStack() as stack:
            *parents, name = path.split("/")
            inside = root
            for parent in parents:  # one by one: a link anywhere on the way is not followed
                inside = stack.enter_context(_subfolder(inside, parent))
            descriptor = os.open(name, _READ_FLAGS, dir_fd=inside)
            with os.fdopen(descriptor, "rb", buffering=0) as file:
                if kind := _kind(os.fstat(descriptor)):
                    raise BundleCorruption(str(folder / path), f"is {kind}", expected="a plain file of its own", mend=_MEND)
                data = _read_up_to(file.fileno(), size + 1)
    except OSError as error:
        raise _unreadable(folder / path, error) from error
    if len(data) != size:
        raise BundleCorruption(str(folder / path), "changed its size while it was read", expected=f"{size} bytes", mend=_MEND)
    return data


def _read_up_to(descriptor: int, most: int) -> bytes:
    pieces: list[bytes] = []
    while most > 0 and (piece := os.read(descriptor, min(most, 1 << 24))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


@contextlib.contextmanager
def _subfolder(root: int, name: str) -> Generator[int]:
    descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=root)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unreadable(path: Path, error: OSError) -> BundleError:
    mend = "Give yourself leave to read it." if isinstance(error, PermissionError) else "Try again; if it stays so, copy it again."
    return BundleError(str(path), f"cannot be read: {os.strerror(error.errno or 0).lower()}", mend=mend)


def find_version(path: Path) -> tuple[Path, str]:
    """The version folder that `path` means, and the digest it must have (empty if it is not known).

    `path` is a version folder itself, or a model's folder, whose `current.json` is followed.
    """
    pointer = path / POINTER
    if (path / MANIFEST).exists() or not pointer.exists():
        return path, ""
    pointed = read_pointer(path)
    return path / str(pointed.version), pointed.digest


def read_pointer(model_folder: Path) -> Pointer:
    """What `current.json` points at. Raises BundleError where there is none, or it says something else."""
    place = str(model_folder / POINTER)
    try:
        root = os.open(model_folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(model_folder, error) from error
    try:
        size = os.stat(POINTER, dir_fd=root, follow_symlinks=False).st_size
        value = parse_canonical(_read(model_folder, root, POINTER, size, 4096), place)
    except FileNotFoundError as error:
        raise BundleError(place, "there is none", mend="Publish a version, or name the folder of one.") from error
    finally:
        os.close(root)
    match value if "revision" in value or not isinstance(value, dict) else {**value, "revision": 0}:
        case {"digest": str(digest), "format": 1, "revision": int(revision), "version": int(version), **rest} if (
            not rest and version is not True and version > 0 and revision is not True and revision >= 0
        ):
            return Pointer(version, digest, revision)
        case _:
            expected = '{"digest": .., "format": 1, "revision": .., "version": ..}'
            raise BundleCorruption(place, json.dumps(value)[:80], expected=expected, mend="Publish again.")


__all__ = [
    "POINTER",
    "VERSION_NAME",
    "Inspection",
    "Pointer",
    "VerifiedFiles",
    "find_version",
    "inspect",
    "pointer_mismatch",
    "read_bundle",
    "read_pointer",
    "read_version",
]
