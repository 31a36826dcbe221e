"""The bars that each label spans, checked once: all that a split may know of a label."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from barmill.errors import SplitError

Int64Array = npt.NDArray[np.int64]


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

        Raises: SplitError for labels out of order of t0, or that end before they begin. Linear in the labels.
        """
        starts, ends = checked_spans(t0, t1)
        early = starts[1:] < starts[:-1]
        if early.any():
            at = int(np.argmax(early)) + 1
            raise SplitError(
                f"t0[{at}]", f"{starts[at]} after {starts[at - 1]}, labels out of order", expected="observations in order of t0"
            )
        lengths = ends - starts
        if lengths.size and lengths.min() < at_least:
            ends = np.maximum(np.add(starts, at_least, out=lengths), ends, out=lengths)
            lengths = ends - starts
        return cls(starts, ends, int(lengths.max()) if lengths.size else 0)

    def __len__(self) -> int:
        return self.t0.size

    def block(self, start: int, stop: int) -> tuple[int, int]:
        """First and last bar of the labels at positions [start, stop), at least one: by the latest end, not by that of the last."""
        return int(self.t0[start]), int(self.t1[start:stop].max())


def checked_spans(t0: npt.ArrayLike, t1: npt.ArrayLike) -> tuple[Int64Array, Int64Array]:
    """Starts and ends as int64 of one shape (n_observations,); SplitError naming the first label that ends before it begins."""
    starts, ends, _ = _with_lengths(t0, t1)
    return starts, ends


def _with_lengths(t0: npt.ArrayLike, t1: npt.ArrayLike) -> tuple[Int64Array, Int64Array, Int64Array]:
    starts, ends = np.asarray(t0), np.asarray(t1)
    for name, array in (("t0", starts), ("t1", ends)):
        if array.ndim != 1 or array.shape != starts.shape or (array.size and array.dtype.kind not in "iu"):
            found = f"an array of shape {array.shape} and type {array.dtype}"
            raise SplitError(name, found, expected=f"integers of shape ({starts.size},), one for each observation")
    starts, ends = starts.astype(np.int64, copy=False), ends.astype(np.int64, copy=False)
    lengths = ends - starts
    if lengths.size and lengths.min() < 0:
        at = int(np.argmax(lengths < 0))
        raise SplitError(f"label {at}", f"ends at bar {ends[at]} and begins at bar {starts[at]}", expected="t0 <= t1")
    return starts, ends, lengths
