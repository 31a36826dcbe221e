"""What a trial ledger's entries amount to: how many trials, how they came out, and which other bars share their time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.evaluation.ledger_entries import Block, LedgerEntry

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DataSpan:
    """Which bars a ledger is of.

    symbol, timeframe : str
    first, last : int, open time of the first and of the last bar, ms UTC
    rows : int, bars
    """

    symbol: str
    timeframe: str
    first: int
    last: int
    rows: int

    def share_covered_by(self, other: "DataSpan") -> float:
        """Which share of this span's time `other` covers, 0 to 1; 0 for another symbol, whatever the timeframes."""
        if not self.touches(other):
            return 0.0
        if self.first == self.last:
            return 1.0
        return (min(self.last, other.last) - max(self.first, other.first)) / (self.last - self.first)

    def touches(self, other: "DataSpan") -> bool:
        """Whether the two have a moment of the same symbol in common; a span holds both its ends."""
        same = other.symbol.casefold() == self.symbol.casefold()
        return same and other.first <= self.last and other.last >= self.first


@dataclass(frozen=True, slots=True)
class Overlap:
    """Another ledger of the same symbol whose bars share time with ours.

    fingerprint : str, of the other's bars
    data : its span
    share : float, which share of our time it covers
    trials, test_openings : int, its own
    """

    fingerprint: str
    data: DataSpan
    share: float
    trials: int
    test_openings: int

    def to_json(self) -> dict[str, Any]:
        """One flat mapping."""
        counted = {"share": self.share, "trials": self.trials, "test_openings": self.test_openings}
        return {"fingerprint": self.fingerprint, **asdict(self.data), **counted}


@dataclass(frozen=True, slots=True)
class LedgerCounts:
    """How much was tried.

    trials : int, different fits on these very bars
    fits : int, repeated ones too
    test_openings : int, each time a test block of these bars was opened
    overlapping_trials, overlapping_test_openings : int, of other bars of the symbol that share time with these
    total : int, different trials in all: the N of the deflated Sharpe ratio
    """

    trials: int
    fits: int
    test_openings: int
    overlapping_trials: int
    overlapping_test_openings: int
    total: int

    def to_json(self) -> dict[str, int]:
        """Plain numbers by name."""
        return asdict(self)


def trials_of(entries: Sequence[LedgerEntry]) -> tuple[LedgerEntry, ...]:
    """The different trials that were fitted: of identical ones the first."""
    first: dict[str, LedgerEntry] = {}
    for entry in entries:
        if entry.kind == "fit":
            first.setdefault(entry.trial_id, entry)
    return tuple(first.values())


def summary_of(entries: Sequence[LedgerEntry]) -> dict[str, int]:
    """trials: different ones; fits: all, repeated ones too; test_openings: each time a test block was opened."""
    fits = sum(entry.kind == "fit" for entry in entries)
    openings = sum(entry.kind == "test_opened" for entry in entries)
    return {"trials": len(trials_of(entries)), "fits": fits, "test_openings": openings}


def data_of(entries: Sequence[LedgerEntry]) -> DataSpan | None:
    """Which bars the ledger is of; None where it was written before ledgers said it."""
    for entry in entries:
        if entry.kind == "data":
            return DataSpan(**{name: entry.trial[name] for name in DataSpan.__slots__})
    return None


def outcomes_of(entries: Sequence[LedgerEntry], block: Block | None = None) -> dict[str, dict[str, LedgerEntry]]:
    """trial_id -> block -> the latest outcome of that trial in that block; of all blocks if None. Trials in the order of their fits."""
    found: dict[str, dict[str, LedgerEntry]] = {trial.trial_id: {} for trial in trials_of(entries)}
    for entry in entries:
        if entry.kind == "outcome" and block in (None, entry.trial["block"]):
            found.setdefault(entry.trial["trial"], {})[entry.trial["block"]] = entry
    return found


def sharpes_of(entries: Sequence[LedgerEntry], block: Block) -> Float64Array:
    """The latest Sharpe ratio, per observation, of each different trial judged on `block`, where it is defined."""
    latest = (by_block[block].trial["sharpe"] for by_block in outcomes_of(entries, block).values() if block in by_block)
    return np.array([sharpe for sharpe in latest if sharpe is not None], dtype=np.float64)


def overlaps_of(fingerprint: str, ledgers: Mapping[str, Sequence[LedgerEntry]]) -> tuple[Overlap, ...]:
    """Which of `ledgers`, by fingerprint, share time with the one named; the largest share of its time first."""
    own = data_of(ledgers.get(fingerprint, ()))
    if own is None:
        return ()
    found: list[Overlap] = []
    for other, entries in ledgers.items():
        span = data_of(entries)
        if other != fingerprint and span is not None and own.touches(span):
            summary = summary_of(entries)
            found.append(Overlap(other, span, own.share_covered_by(span), summary["trials"], summary["test_openings"]))
    return tuple(sorted(found, key=lambda overlap: (-overlap.share, overlap.fingerprint)))


def counts_of(fingerprint: str, ledgers: Mapping[str, Sequence[LedgerEntry]]) -> LedgerCounts:
    """Counts of the ledger named, with those of `ledgers` that overlap it. A trial that stands in several is one trial."""
    own = ledgers.get(fingerprint, ())
    others = [ledgers[overlap.fingerprint] for overlap in overlaps_of(fingerprint, ledgers)]
    ours = {trial.trial_id for trial in trials_of(own)}
    theirs = {trial.trial_id for entries in others for trial in trials_of(entries)}
    openings = sum(summary_of(entries)["test_openings"] for entries in others)
    return LedgerCounts(**summary_of(own), overlapping_trials=len(theirs), overlapping_test_openings=openings, total=len(ours | theirs))


__all__ = [
    "DataSpan",
    "LedgerCounts",
    "Overlap",
    "counts_of",
    "data_of",
    "outcomes_of",
    "overlaps_of",
    "sharpes_of",
    "summary_of",
    "trials_of",
]
