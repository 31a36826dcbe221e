"""The trial ledger: every fit that is judged and every opening of a test block, one file per data fingerprint.

What it promises: an entry that was acknowledged is on the disk; an entry that is edited, deleted, inserted or moved
afterwards is detected; several processes may append at once; nobody types the number of trials.

How: a line of canonical JSON per entry, which holds the hash of the line before it and its own. Beside the file a small
head says how many entries there are and the hash of the last, so that lines cut off the end are missed too. (Who deletes
file and head together starts a new ledger; the chain is evidence against accidents and temptation, not a signature.)

A crash in the middle of an append leaves a last line without its newline, which no head covers. Such an entry was
never acknowledged: readers pass over it, and the next append cuts it off. A last line that lost its newline although the
head covers it was damaged afterwards, and is an error.
"""

import fcntl
import json
import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from barmill.artefacts import canonical_json, sha256, storage_errors, sync_folder, write_bytes
from barmill.errors import LedgerError, ShapeError, StorageError

Kind = Literal["fit", "test_opened"]
KINDS: tuple[Kind, ...] = ("fit", "test_opened")

_MEND = "Restore the file from a backup, or move it away together with its .head file to begin a new count, and say so."


def ledger_folder() -> Path:
    """Where ledgers are kept unless a folder is given: $BARMILL_LEDGER, else $XDG_DATA_HOME/barmill/ledger (an absolute path, as its
    specification wants), else ~/.local/share/barmill/ledger."""
    if chosen := os.environ.get("BARMILL_LEDGER"):
        return Path(chosen).expanduser()
    data_home = os.environ.get("XDG_DATA_HOME", "")
    base = Path(data_home) if Path(data_home).is_absolute() else Path.home() / ".local" / "share"
    return base / "barmill" / "ledger"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line.

    sequence : int, from 1
    kind : "fit" or "test_opened"
    trial : plain JSON that says what was tried; it holds no time and no place, so that the same trial is the same again
    trial_id : sha256 of kind and trial in canonical form: the trial's identity
    note : plain JSON beside it (run name, time, outcome), in the chain but not in the identity
    previous, hash : sha256 of the line before (for the first, of the data fingerprint) and of this line without `hash`
    """

    sequence: int
    kind: Kind
    trial: Mapping[str, Any]
    trial_id: str
    note: Mapping[str, Any]
    previous: str
    hash: str

    def to_json(self) -> dict[str, Any]:
        """What its line holds."""
        return {**_unsealed(self.sequence, self.kind, self.trial, self.trial_id, self.note, self.previous), "hash": self.hash}


@dataclass(frozen=True, slots=True)
class _Head:
    """How far the ledger had come when an entry was last acknowledged; size is in bytes."""

    sequence: int
    hash: str
    size: int


class Ledger:
    """The ledger of one data fingerprint; cheap to make, and it keeps nothing in memory: every answer is read and verified anew.

    Parameters
    ----------
    folder : where ledgers are kept; made at the first append
    data_fingerprint : str of letters, digits, '.', '_' and '-' (a SHA-256 in hexadecimal), names the file
    """

    def __init__(self, folder: Path, data_fingerprint: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", data_fingerprint):
            raise ShapeError("data_fingerprint", f"is {data_fingerprint!r}", expected="a hexadecimal digest")
        self.folder = Path(folder)
        self.data_fingerprint = data_fingerprint
        self.path = self.folder / f"{data_fingerprint}.jsonl"
        self.head_path = self.folder / f"{data_fingerprint}.head"

    @classmethod
    def of(cls, data_fingerprint: str) -> "Ledger":
        """The ledger in the default folder, see `ledger_folder`."""
        return cls(ledger_folder(), data_fingerprint)

    def append(self, kind: Kind, trial: Mapping[str, Any], note: Mapping[str, Any] | None = None) -> LedgerEntry:
        """Add an entry, flushed to the disk before this returns.

        Only what was added since the head is verified here, so appending stays quick in a long ledger; reading verifies all.
        Raises: LedgerError if the end of the ledger was altered, StorageError if it cannot be written.
        """
        if kind not in KINDS:
            raise ShapeError("kind", f"is {kind!r}", expected=" or ".join(KINDS))
        try:
            canonical_json([dict(trial), dict(note or {})])
        except (TypeError, ValueError) as error:
            raise ShapeError("trial", f"is not plain JSON: {error}", expected="strings, finite numbers, lists and mappings") from error
        with storage_errors(self.path):
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # of this opening: holds among threads and processes alike
                head, size = self._read_head(descriptor), os.fstat(descriptor).st_size
                if size < head.size:
                    found = f"is {size} bytes long; {head.size} with {head.sequence} entries were acknowledged"
                    raise LedgerError(str(self.path), found, mend=_MEND)
                newer, unfinished = self._parse(os.pread(descriptor, size - head.size, head.size), head)
                end = size - unfinished
                last = newer[-1] if newer else head
                entry = _entry(last.sequence + 1, kind, trial, note or {}, last.hash)
                line = canonical_json(entry.to_json()) + b"\n"
                if unfinished:
                    os.ftruncate(descriptor, end)
                _write_all(descriptor, line, end)
                os.fsync(descriptor)
                if end == 0:
                    sync_folder(self.folder)
                acknowledged = _Head(entry.sequence, entry.hash, end + len(line))
                write_bytes(self.head_path, canonical_json(asdict(acknowledged)) + b"\n")
            finally:
                os.close(descriptor)
        return entry

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """Every entry, in order, verified. Raises LedgerError naming the line that was altered."""
        if not self.path.exists():
            if self.head_path.exists():
                raise LedgerError(str(self.path), "is missing, though its .head file is there", mend=_MEND)
            return ()
        with self._opened() as descriptor:
            head = self._read_head(descriptor)
            data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        entries, _ = self._parse(data, self._genesis())
        covered = entries[head.sequence - 1].hash if 0 < head.sequence <= len(entries) else self._genesis().hash
        if covered != head.hash:
            found = f"holds {len(entries)} whole lines that fit together, but {head.sequence} were acknowledged, or others"
            raise LedgerError(str(self.path), found, mend=_MEND)
        return tuple(entries)

    @property
    def trials(self) -> tuple[LedgerEntry, ...]:
        """The different trials that were fitted: of identical ones the first."""
        first: dict[str, LedgerEntry] = {}
        for entry in self.entries:
            if entry.kind == "fit":
                first.setdefault(entry.trial_id, entry)
        return tuple(first.values())

    @property
    def count(self) -> int:
        """Number of trials: the N of the deflated Sharpe ratio."""
        return len(self.trials)

    def summary(self) -> dict[str, int]:
        """trials: different ones; fits: all, repeated ones too; test_openings: each time a test block was opened."""
        entries = self.entries
        fits = [entry.trial_id for entry in entries if entry.kind == "fit"]
        openings = sum(entry.kind == "test_opened" for entry in entries)
        return {"trials": len(set(fits)), "fits": len(fits), "test_openings": openings}

    def verify(self) -> int:
        """Read and check every line; the number of entries. Raises LedgerError naming the first line that was altered."""
        return len(self.entries)

    @contextmanager
    def _opened(self) -> Generator[int]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            found = f"cannot be read: {os.strerror(error.errno or 0).lower()}"
            raise StorageError(str(self.path), found, mend="Make it readable, or choose another folder with BARMILL_LEDGER.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield descriptor
        finally:
            os.close(descriptor)

    def _genesis(self) -> _Head:
        """What the first line follows; the fingerprint is in it, so a ledger cannot be passed off as another's."""
        return _Head(0, sha256(f"barmill ledger 1 {self.data_fingerprint}".encode()), 0)

    def _read_head(self, descriptor: int) -> _Head:
        """The head, under the lock of `descriptor`. Without one, there may be at most the line of an append cut short before its head."""
        size = os.fstat(descriptor).st_size
        if not self.head_path.exists():
            if os.pread(descriptor, size, 0).count(b"\n") > 1:
                raise LedgerError(str(self.head_path), "is missing, though the ledger has several lines", mend=_MEND)
            return self._genesis()
        try:
            raw = json.loads(self.head_path.read_bytes())
            head = _Head(int(raw["sequence"]), str(raw["hash"]), int(raw["size"]))
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(str(self.head_path), f"cannot be read: {error}", mend=_MEND) from error
        return head

    def _parse(self, data: bytes, start: _Head) -> tuple[list[LedgerEntry], int]:
        """The whole lines in `data`, which follow `start`, each checked; and the bytes of an unfinished last line."""
        *lines, unfinished = data.split(b"\n")
        entries: list[LedgerEntry] = []
        sequence, previous = start.sequence, start.hash
        for line in lines:
            sequence += 1
            entry = self._checked(line, sequence, previous)
            previous = entry.hash
            entries.append(entry)
        return entries, len(unfinished)

    def _checked(self, line: bytes, sequence: int, previous: str) -> LedgerEntry:
        place = f"{self.path} line {sequence}"
        try:
            raw = json.loads(line)
            entry = _entry(int(raw["sequence"]), raw["kind"], raw["trial"], raw["note"], str(raw["previous"]))
            same_bytes = canonical_json(entry.to_json()) == line
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(place, f"is no entry: {error}", mend=_MEND) from error
        if entry.sequence != sequence or entry.previous != previous:
            found = f"is entry {entry.sequence}, which does not follow the line before it"
            raise LedgerError(place, found, expected=f"entry {sequence}", mend=_MEND)
        if not same_bytes:
            raise LedgerError(place, "was altered: its content does not give its hash", mend=_MEND)
        return entry


def _entry(sequence: int, kind: Kind, trial: Mapping[str, Any], note: Mapping[str, Any], previous: str) -> LedgerEntry:
    trial_id = sha256(canonical_json({"kind": kind, "trial": dict(trial)}))
    seal = sha256(canonical_json(_unsealed(sequence, kind, trial, trial_id, note, previous)))
    return LedgerEntry(sequence, kind, dict(trial), trial_id, dict(note), previous, seal)


def _unsealed(sequence: int, kind: Kind, trial: Mapping[str, Any], trial_id: str, note: Mapping[str, Any], previous: str) -> dict[str, Any]:
    """A line without its hash: what the hash is of."""
    return {"sequence": sequence, "kind": kind, "trial": dict(trial), "trial_id": trial_id, "note": dict(note), "previous": previous}


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


__all__ = ["Ledger", "LedgerEntry", "ledger_folder"]
