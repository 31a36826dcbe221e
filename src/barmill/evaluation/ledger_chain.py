"""The chain of a trial ledger: lines that hold the hash of the line before them, and a head that says how far it had come."""

import json
from dataclasses import dataclass
from pathlib import Path

from barmill.artefacts import canonical_json, sha256
from barmill.errors import LedgerError
from barmill.evaluation.ledger_entries import LedgerEntry, entry_of

MEND = "Restore the file from a backup, or move it away together with its .head file to begin a new count, and say so."


@dataclass(frozen=True, slots=True)
class Head:
    """How far the ledger had come when an entry was last acknowledged; size is in bytes."""

    sequence: int
    hash: str
    size: int


def genesis(data_fingerprint: str) -> Head:
    """What the first line follows; the fingerprint is in it, so a ledger cannot be passed off as another's."""
    return Head(0, sha256(f"barmill ledger 1 {data_fingerprint}".encode()), 0)


def parse_head(data: bytes, path: Path) -> Head:
    """What a .head file says. Raises LedgerError."""
    try:
        raw = json.loads(data)
        return Head(int(raw["sequence"]), str(raw["hash"]), int(raw["size"]))
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(str(path), f"cannot be read: {error}", mend=MEND) from error


def parse_lines(data: bytes, start: Head, path: Path) -> tuple[list[LedgerEntry], int]:
    """The whole lines in `data`, which follow `start`, each checked; and the bytes of an unfinished last line."""
    *lines, unfinished = data.split(b"\n")
    entries: list[LedgerEntry] = []
    sequence, previous = start.sequence, start.hash
    for line in lines:
        sequence += 1
        entry = _checked(line, sequence, previous, path)
        previous = entry.hash
        entries.append(entry)
    return entries, len(unfinished)


def require_covered(entries: list[LedgerEntry], head: Head, start: Head, path: Path) -> None:
    """Refuse a chain that lacks what was acknowledged: lines cut off its end leave a chain that fits together."""
    covered = entries[head.sequence - 1].hash if 0 < head.sequence <= len(entries) else start.hash
    if covered != head.hash:
        found = f"holds {len(entries)} whole lines that fit together, but {head.sequence} were acknowledged, or others"
        raise LedgerError(str(path), found, mend=MEND)


def _checked(line: bytes, sequence: int, previous: str, path: Path) -> LedgerEntry:
    place = f"{path} line {sequence}"
    try:
        raw = json.loads(line)
        entry = entry_of(int(raw["sequence"]), raw["kind"], raw["trial"], raw["note"], str(raw["previous"]))
        same_bytes = canonical_json(entry.to_json()) == line
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(place, f"is no entry: {error}", mend=MEND) from error
    if entry.sequence != sequence or entry.previous != previous:
        found = f"is entry {entry.sequence}, which does not follow the line before it"
        raise LedgerError(place, found, expected=f"entry {sequence}", mend=MEND)
    if not same_bytes:
        raise LedgerError(place, "was altered: its content does not give its hash", mend=MEND)
    return entry


__all__ = ["MEND", "Head", "genesis", "parse_head", "parse_lines", "require_covered"]
