"""Positions as ranges: what a split holds of a million labels is a few numbers, not a million."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.errors import SplitError

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Ascending, disjoint, half-open intervals [start, stop) of positions; its length is the number of positions.

    Parameters
    ----------
    bounds : int64 array of shape (n_ranges, 2), none of them empty

    Raises: SplitError for ranges that are empty, overlap or are out of order.

    Examples
    --------
    >>> kept = Ranges.of([0, 1, 2, 7, 8])
    >>> kept.bounds.tolist()
    [[0, 3], [7, 9]]
    >>> len(kept), kept.positions().tolist()
    (5, [0, 1, 2, 7, 8])
    """

    bounds: Int64Array

    def __post_init__(self) -> None:
        bounds = self.bounds
        if bounds.ndim != 2 or bounds.shape[1] != 2 or bounds.dtype != np.int64:
            found = f"an array of shape {bounds.shape} and type {bounds.dtype}"
            raise SplitError("Ranges.bounds", found, expected="int64 of shape (n_ranges, 2)")
        flat = bounds.ravel()
        room = flat[1:] - flat[:-1]
        room[::2] -= 1  # within a range at least one position, between ranges none
        if room.size and room.min() < 0:
            raise SplitError("Ranges.bounds", "ranges that are empty, overlap or are out of order", expected="ascending [start, stop)")

    @classmethod
    def of(cls, positions: npt.ArrayLike) -> "Ranges":
        """The ranges that hold exactly `positions`, ascending and each once; SplitError otherwise."""
        ascending = _integers(positions)
        gaps = np.diff(ascending)
        if (gaps <= 0).any():
            at = int(np.argmax(gaps <= 0))
            found = f"{ascending[at + 1]} after {ascending[at]}"
            raise SplitError("positions", found, expected="each position once, in ascending order")
        cut = np.flatnonzero(gaps > 1)
        starts = ascending[np.concatenate([[0], cut + 1])] if ascending.size else ascending
        stops = ascending[np.concatenate([cut, [-1]])] + 1 if ascending.size else ascending
        return cls(np.stack([starts, stops], axis=1))

    @classmethod
    def between(cls, start: int, stop: int) -> "Ranges":
        """All positions from `start` to before `stop`; none where `stop` is not beyond `start`."""
        return cls(np.array([[start, stop]] if stop > start else [], dtype=np.int64).reshape(-1, 2))

    @classmethod
    def union(cls, starts: npt.ArrayLike, stops: npt.ArrayLike) -> "Ranges":
        """What lies in at least one of the intervals [start, stop), which may overlap, be empty and come in any order."""
        begins, ends = _integers(starts), _integers(stops)
        order = np.argsort(begins, kind="stable")
        order = order[(ends > begins)[order]]
        begins, reach = begins[order], np.maximum.accumulate(ends[order])
        if not begins.size:
            return cls.between(0, 0)
        parted = np.flatnonzero(begins[1:] > reach[:-1])
        return cls(np.stack([begins[np.concatenate([[0], parted + 1])], reach[np.concatenate([parted, [-1]])]], axis=1))

    def __len__(self) -> int:
        return int((self.bounds[:, 1] - self.bounds[:, 0]).sum())

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Each range as (start, stop)."""
        return ((start, stop) for start, stop in self.bounds.tolist())

    def positions(self) -> Int64Array:
        """Every position, ascending: int64 array of shape (len,). This is the one place where a range costs its length."""
        starts, stops = self.bounds[:, 0], self.bounds[:, 1]
        steps = np.ones(len(self), dtype=np.int64)
        if steps.size:
            steps[0] = starts[0]
            steps[np.cumsum(stops[:-1] - starts[:-1])] = starts[1:] - stops[:-1] + 1
        return np.cumsum(steps, out=steps)

    def outside(self, start: int, stop: int) -> "Ranges":
        """The positions of [start, stop) that are not among these."""
        inner = np.clip(self.bounds, start, stop).ravel()
        edges = np.concatenate([[start], inner, [stop]]).reshape(-1, 2)
        return Ranges(edges[edges[:, 1] > edges[:, 0]])

    def shared(self, other: "Ranges") -> "Ranges":
        """The positions that are in both."""
        mine, theirs = self.bounds, other.bounds
        first = np.searchsorted(theirs[:, 1], mine[:, 0], side="right")
        counts = np.searchsorted(theirs[:, 0], mine[:, 1], side="left") - first
        own = np.repeat(np.arange(mine.shape[0]), counts)
        met = np.arange(own.size) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
        starts = np.maximum(mine[own, 0], theirs[met, 0])
        stops = np.minimum(mine[own, 1], theirs[met, 1])
        return Ranges(np.stack([starts, stops], axis=1))

    def without(self, other: "Ranges") -> "Ranges":
        """The positions that are here and not in `other`."""
        if not self.bounds.size:
            return self
        left = other.outside(int(self.bounds[0, 0]), int(self.bounds[-1, 1]))
        return left if self.bounds.shape[0] == 1 else self.shared(left)


@dataclass(frozen=True, slots=True)
class Fold:
    """One split: the labels to learn from, and those that judge.

    train, test : ranges of positions among the labels
    test_groups : numbers of the groups that judge, ascending; one number, that of the fold, where a fold is one block
    """

    train: Ranges
    test: Ranges
    test_groups: tuple[int, ...]


def _integers(values: npt.ArrayLike) -> Int64Array:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise SplitError("positions", f"an array of shape {array.shape} and type {array.dtype}", expected="integers of shape (n,)")
    return array.astype(np.int64, copy=False)
