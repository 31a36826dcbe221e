"""Stretches of prices that stand twice, under two times: a file appended twice, or bars drawn again to have more of them.

The columns' rows need not repeat then (the clock differs, means remember what was before), but the same hour was learned and judged.
"""

import numpy as np

from barmill.evaluation.leakage.dossier import Float64Array, Int64Array

LENGTH = 60  # bars of a stretch
FEWEST_MOVES = 20
"""Bars of a stretch in which the close must move: twenty moves of a tick up or down alike are one chance in a million, and most moves
are neither; a dead market, whose bars all look the same, is left alone."""
DECIMALS = 9  # of a log return: what a price rescaled on the way keeps
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2^64


def repeated_stretches(close: Float64Array) -> tuple[Int64Array, Int64Array]:
    """Last bars of the stretches of 60 returns that stood before, and of each the last bar of the first that is like it.

    Cost: one sort of the bars.
    """
    if close.size <= LENGTH + 1:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    moves = np.asarray(np.round(np.diff(np.log(close)), DECIMALS) + 0.0, dtype=np.float64)  # a negative zero is a zero
    marks = _marks_of_windows(moves)
    ends = np.arange(LENGTH, close.size)
    moving = _in_windows(moves != 0.0) >= FEWEST_MOVES
    marks, ends = marks[moving], ends[moving]
    _, first, place = np.unique(marks, return_index=True, return_inverse=True)
    again = first[place] < np.arange(marks.size)
    return ends[again], ends[first[place][again]]


def _marks_of_windows(moves: Float64Array) -> np.ndarray:
    """A 64-bit polynomial of each window of `LENGTH` moves, all from one running sum; integers wrap, which a ring allows."""
    bits = moves.view(np.uint64)
    mixed = (bits ^ (bits >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    powers = np.full(moves.size, _BASE, dtype=np.uint64)
    powers[0] = 1
    powers = np.cumprod(powers, dtype=np.uint64)
    total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(mixed * powers, dtype=np.uint64)])
    sums = total[LENGTH:] - total[:-LENGTH]
    return sums * powers[: sums.size][::-1]  # B^-i times a constant: windows are compared at the same power


def _in_windows(flags: np.ndarray) -> Int64Array:
    total = np.concatenate([[0], np.cumsum(flags)])
    return total[LENGTH:] - total[:-LENGTH]


__all__ = ["repeated_stretches"]
