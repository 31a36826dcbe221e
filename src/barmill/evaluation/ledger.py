"""The trial ledger: every fit that is judged and every opening of a test block, one file per data fingerprint.

What it promises: an entry that was acknowledged is on the disk; an entry that is edited, deleted, inserted or moved
afterwards is detected; several processes may append at once; nobody types the number of trials.

How: a line of canonical JSON per entry, which holds the hash of the line before it and its own. Beside the file a small
head says how many entries there are and the hash of the last, so that lines cut off the end are missed too. (Who deletes
file and head together starts a new ledger; the chain is evidence against accidents and temptation, not a signature.)

Bars that grew by a day have another fingerprint and so another ledger. Each says once which symbol and which time it is
of, and `overlapping` finds the others: who tries on January to June has tried on most of January to July.

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
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import canonical_json, storage_errors, sync_folder, write_bytes
from barmill.errors import LedgerError, ShapeError, StorageError
from barmill.evaluation.ledger_chain import MEND, Head, genesis, parse_head, parse_lines, require_covered
from barmill.evaluation.ledger_counts import (
    DataSpan,
    LedgerCounts,
    Overlap,
    counts_of,
    data_of,
    outcomes_of,
    overlaps_of,
    sharpes_of,
    summary_of,
    trials_of,
)
from barmill.evaluation.ledger_entries import BLOCKS, Block, Kind, LedgerEntry, entry_of, require_entry, trial_id_of

Float64Array = npt.NDArray[np.float64]


def ledger_folder() -> Path:
    """Where ledgers are kept unless a folder is given: $BARMILL_LEDGER, else $XDG_DATA_HOME/barmill/ledger (an absolute path, as its
    specification wants), else ~/.local/share/barmill/ledger."""
    if chosen := os.environ.get("BARMILL_LEDGER"):
        return Path(chosen).expanduser()
    data_home = os.environ.get("XDG_DATA_HOME", "")
    base = Path(data_home) if Path(data_home).is_absolute() else Path.home() / ".local" / "share"
    return base / "barmill" / "ledger"


def ledgers_in(folder: Path) -> "tuple[Ledger, ...]":
    """Every ledger of a folder, by fingerprint; one whose file is gone though its head is there counts too."""
    names = {path.stem for pattern in ("*.jsonl", "*.head") for path in Path(folder).glob(pattern) if not path.name.startswith(".")}
    return tuple(Ledger(Path(folder), name) for name in sorted(names))


def entries_in(folder: Path) -> dict[str, tuple[LedgerEntry, ...]]:
    """The entries of every ledger of a folder, by fingerprint, verified. Raises LedgerError for the first that was altered."""
    return {ledger.data_fingerprint: ledger.entries for ledger in ledgers_in(folder)}


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

    def describe(self, symbol: str, timeframe: str, first: int, last: int, rows: int) -> LedgerEntry:
        """Say which bars this ledger is of; once is enough, and to say the same again writes nothing.

        Parameters
        ----------
        symbol, timeframe : str, as the bars have them
        first, last : int, open time of the first and of the last bar, ms UTC
        rows : int, bars

        Raises: ShapeError if the ledger says otherwise already.
        """
        return self.append("data", {"symbol": symbol, "timeframe": timeframe, "first": first, "last": last, "rows": rows})

    def append(self, kind: Kind, trial: Mapping[str, Any], note: Mapping[str, Any] | None = None) -> LedgerEntry:
        """Add an entry, flushed to the disk before this returns.

        Only what was added since the head is verified here, so appending stays quick in a long ledger; reading verifies all.

        kind : "fit" and "test_opened" take any trial; "data" is what `describe` writes; "outcome" takes
            {"trial": the trial_id of a fit that is in the ledger, "block": "cross_validation", "selection", "test" or "tuning",
            "sharpe": per observation and net of costs (null where undefined), "n_obs": int} and whatever else is worth keeping

        Raises: ShapeError for what is no entry, LedgerError if the end of the ledger was altered, StorageError if it cannot be
        written.
        """
        note = note or {}
        require_entry(kind, trial, note)
        with self._open_to_write() as descriptor:
            head, size = self._read_head(descriptor), os.fstat(descriptor).st_size
            if size < head.size:
                found = f"is {size} bytes long; {head.size} with {head.sequence} entries were acknowledged"
                raise LedgerError(str(self.path), found, mend=MEND)
            newer, unfinished = parse_lines(os.pread(descriptor, size - head.size, head.size), head, self.path)
            end = size - unfinished
            if kind == "data" and (there := self._described(os.pread(descriptor, end, 0), trial)) is not None:
                return there
            if kind == "outcome":
                self._require_fit(os.pread(descriptor, end, 0), trial["trial"])
            last = newer[-1] if newer else head
            entry = entry_of(last.sequence + 1, kind, trial, note, last.hash)
            line = canonical_json(entry.to_json()) + b"\n"
            if unfinished:
                os.ftruncate(descriptor, end)
            _write_all(descriptor, line, end)
            os.fsync(descriptor)
            if end == 0:
                sync_folder(self.folder)
            acknowledged = Head(entry.sequence, entry.hash, end + len(line))
            write_bytes(self.head_path, canonical_json(asdict(acknowledged)) + b"\n")
        return entry

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """Every entry, in order, verified. Raises LedgerError naming the line that was altered."""
        if not self.path.exists():
            if self.head_path.exists():
                raise LedgerError(str(self.path), "is missing, though its .head file is there", mend=MEND)
            return ()
        with self._open_to_read() as descriptor:
            head = self._read_head(descriptor)
            data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        start = genesis(self.data_fingerprint)
        entries, _ = parse_lines(data, start, self.path)
        require_covered(entries, head, start, self.path)
        return tuple(entries)

    @property
    def trials(self) -> tuple[LedgerEntry, ...]:
        """The different trials that were fitted: of identical ones the first."""
        return trials_of(self.entries)

    @property
    def count(self) -> int:
        """Number of different trials on these very bars; `counts().total` adds those on bars that overlap them."""
        return len(self.trials)

    @property
    def data(self) -> DataSpan | None:
        """Which bars the ledger is of; None where nothing described it."""
        return data_of(self.entries)

    def summary(self) -> dict[str, int]:
        """trials: different ones; fits: all, repeated ones too; test_openings: each time a test block was opened."""
        return summary_of(self.entries)

    def outcomes(self, block: Block | None = None) -> dict[str, dict[str, LedgerEntry]]:
        """trial_id -> block -> the latest outcome of that trial in that block; of all blocks if None."""
        return outcomes_of(self.entries, block)

    def trial_sharpes(self, block: Block) -> Float64Array:
        """The latest Sharpe ratio per observation of each different trial judged on `block`, float64 of shape (n,).

        Their sample variance is the `var_sr` of `deflated_sharpe_ratio`. Trials without an outcome there, or with an undefined one, are
        trials all the same and count in N; they have no place here.
        """
        if block not in BLOCKS:
            raise ShapeError("block", f"is {block!r}", expected=" or ".join(BLOCKS))
        return sharpes_of(self.entries, block)

    def overlapping(self) -> tuple[Overlap, ...]:
        """The other ledgers of this folder on the same symbol whose time overlaps ours, the largest share first.

        Timeframes do not matter: five-minute bars of a month hold the same month. Empty where nothing described this ledger.
        Raises: LedgerError if any ledger of the folder was altered: who it overlaps cannot be known then.
        """
        return overlaps_of(self.data_fingerprint, entries_in(self.folder))

    def counts(self) -> LedgerCounts:
        """Trials and openings on these bars and on those that overlap them; `total` is the N of the deflated Sharpe ratio."""
        return counts_of(self.data_fingerprint, entries_in(self.folder))

    def verify(self) -> int:
        """Read and check every line; the number of entries. Raises LedgerError naming the first line that was altered."""
        return len(self.entries)

    def _described(self, data: bytes, trial: Mapping[str, Any]) -> LedgerEntry | None:
        """The data entry that is there already and says the same as `trial`; None if there is none."""
        entries, _ = parse_lines(data, genesis(self.data_fingerprint), self.path)
        there = next((entry for entry in entries if entry.kind == "data"), None)
        if there is not None and there.trial_id != trial_id_of("data", trial):
            mend = "One fingerprint is one set of bars: look at what was passed."
            raise ShapeError(f"{self.path} line {there.sequence}", f"says {dict(there.trial)}", expected=f"{dict(trial)}", mend=mend)
        return there

    def _require_fit(self, data: bytes, trial_id: str) -> None:
        named = canonical_json({"trial_id": trial_id})[1:-1]  # a line is parsed only where it holds these bytes: appending stays quick
        lines = (json.loads(line) for line in data.split(b"\n") if named in line)
        if not any(line["kind"] == "fit" and line["trial_id"] == trial_id for line in lines):
            mend = "Append the fit first, and pass its trial_id."
            raise ShapeError("outcome", f"is of trial {trial_id!r}, which is not in {self.path}", mend=mend)

    @contextmanager
    def _open_to_write(self) -> Generator[int]:
        """The file, made where it is not there, locked against every other process and thread."""
        with storage_errors(self.path):
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # of this opening: holds among threads and processes alike
                yield descriptor
            finally:
                os.close(descriptor)

    @contextmanager
    def _open_to_read(self) -> Generator[int]:
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

    def _read_head(self, descriptor: int) -> Head:
        """The head, under the lock of `descriptor`. Without one, there may be at most the line of an append cut short before its head."""
        size = os.fstat(descriptor).st_size
        if not self.head_path.exists():
            if os.pread(descriptor, size, 0).count(b"\n") > 1:
                raise LedgerError(str(self.head_path), "is missing, though the ledger has several lines", mend=MEND)
            return genesis(self.data_fingerprint)
        return parse_head(self.head_path.read_bytes(), self.head_path)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


__all__ = ["Ledger", "LedgerEntry", "entries_in", "ledger_folder", "ledgers_in"]
