"""The bars that each label spans, checked once: all that a split may know of a label."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from barmill.errors import SplitError

Int64Array = npt.NDArray[np.int64]

_CHUNK = 1 << 16


class LabelSpans(Protocol):
    """What splits need of labels: first and last bar of each, both included, in order of t0."""

    @property
    def t0(self) -> Int64Array: ...
    @property
    def t1(self) -> Int64Array: ...


@dataclass(frozen=True, slots=True, eq=False)
class OrderedSpans:
    """Label i spans the bars t0[i] .. t1[i], both included; t0 ascends, t1 comes in any order. Made by `of`.

    t0, t1 : int64 arrays of shape (n_labels,)
    longest : int, the largest t1 - t0: a label that begins more bars before a block cannot reach it
    """

    t0: Int64Array
    t1: Int64Array
    longest: int

    @classmethod
    def of(cls, t0: npt.ArrayLike, t1: npt.ArrayLike, at_least: int = 0) -> "OrderedSpans":
        """Checked spans, in which a label that ends earlier than `at_least` bars after its start counts as ending there.

        Raises: SplitError for labels out of order of t0, or that end before they begin.
        Cost: linear in the labels, without memory but for the column of ends where some are moved.
        """
        starts, ends = checked_spans(t0, t1)
        early = _first(starts[1:], starts[:-1])
        if early is not None:
            found = f"{starts[early + 1]} after {starts[early]}, labels out of order"
            raise SplitError(f"t0[{early + 1}]", found, expected="observations in order of t0")
        shortest, longest = _lengths(starts, ends)
        if shortest < at_least:
            ends = np.maximum(ends, starts + at_least)
        return cls(starts, ends, max(longest, at_least))

    def __len__(self) -> int:
        return self.t0.size


def checked_spans(t0: npt.ArrayLike, t1: npt.ArrayLike) -> tuple[Int64Array, Int64Array]:
    """Starts and ends as int64 of one shape (n_observations,); SplitError naming the first label that ends before it begins."""
    starts, ends = np.asarray(t0), np.asarray(t1)
    for name, array in (("t0", starts), ("t1", ends)):
        if array.ndim != 1 or array.shape != starts.shape or (array.size and array.dtype.kind not in "iu"):
            found = f"an array of shape {array.shape} and type {array.dtype}"
            raise SplitError(name, found, expected=f"integers of shape ({starts.size},), one for each observation")
    starts, ends = starts.astype(np.int64, copy=False), ends.astype(np.int64, copy=False)
    at = _first(ends, starts)
    if at is not None:
        raise SplitError(f"label {at}", f"ends at bar {ends[at]} and begins at bar {starts[at]}", expected="t0 <= t1")
    return starts, ends


def _chunks(n: int) -> Iterator[slice]:
    """So much at a time as stays in the cache: a pass over a million labels takes no new memory, which would cost more than the pass."""
    return (slice(begin, begin + _CHUNK) for begin in range(0, n, _CHUNK))


def _first(smaller: Int64Array, larger: Int64Array) -> int | None:
    """The first place where `smaller` is below `larger`, as it should nowhere be."""
    for chunk in _chunks(smaller.size):
        wrong = smaller[chunk] < larger[chunk]
        if wrong.any():
            return chunk.start + int(np.argmax(wrong))
    return None


def _lengths(starts: Int64Array, ends: Int64Array) -> tuple[int, int]:
    """The least and the largest distance from start to end; 0 where there are no labels."""
    spreads = [(int(part.min()), int(part.max())) for part in (ends[chunk] - starts[chunk] for chunk in _chunks(starts.size))]
    return min((low for low, _ in spreads), default=0), max((high for _, high in spreads), default=0)
