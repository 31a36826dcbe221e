"""The one rule by which training lets go of what it shares with what judges it.

A label of an observation spans bars t0 .. t1, both included. It is dropped where it meets a block of bars, touching
counted, or begins within the embargo after it. Holdout, k-fold and slices all call `purge`; there is no second copy.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from barmill.errors import SplitError

Int64Array = npt.NDArray[np.int64]


def purge(train: npt.ArrayLike, blocks: Iterable[tuple[int, int]], t0: npt.ArrayLike, t1: npt.ArrayLike, embargo: int = 0) -> Int64Array:
    """The positions of `train` whose labels meet no block and do not begin within `embargo` bars after one.

    Parameters
    ----------
    train : int array, positions of observations
    blocks : (first, last) bars, both included; they may overlap and come in any order
    t0, t1 : int arrays of shape (n_observations,), first and last bar of each label, both included
    embargo : int, base bars after a block's last bar, >= 0

    Returns
    -------
    int64 array, the positions that are kept, in the order of `train`. Observation i is dropped if t0_i <= last + embargo and
    t1_i >= first for some block.

    Raises: SplitError for a block or label that ends before it begins, or a negative embargo.
    Cost: n log m for n positions and m blocks.
    Source: López de Prado (2018), chapter 7, snippets 7.1 and 7.2.
    """
    starts, ends = checked_spans(t0, t1)
    if embargo < 0:
        raise SplitError("purge.embargo", f"{embargo}", expected="0 or more bars")
    positions = np.asarray(train, dtype=np.int64)
    zones = np.array([(first, last) for first, last in blocks], dtype=np.int64).reshape(-1, 2)
    if not zones.size:
        return positions.copy()
    if (zones[:, 1] < zones[:, 0]).any():
        first, last = zones[int(np.argmax(zones[:, 1] < zones[:, 0]))]
        raise SplitError("purge.blocks", f"bars {first} to {last}", expected="a block that does not end before it begins")
    # Of the blocks that begin no later than a label ends, the one that reaches farthest decides: the label meets one of
    # them if and only if it begins no later than that one's end and embargo.
    zones = zones[np.argsort(zones[:, 0], kind="stable")]
    reach = np.maximum.accumulate(zones[:, 1]) + embargo
    n_begun = np.searchsorted(zones[:, 0], ends[positions], side="right")
    meets = (n_begun > 0) & (starts[positions] <= reach[np.maximum(n_begun, 1) - 1])
    return positions[~meets]


def purge_embargo(t0: npt.ArrayLike, t1: npt.ArrayLike, test: npt.ArrayLike, embargo_bars: int) -> Int64Array:
    """The observations kept for training beside the test positions, ascending.

    Each maximal run of consecutive test positions is one block, from its first t0 to its latest t1 (labels can end out of
    order, so that is not the t1 of its last observation). Separate runs stay separate: what lies free between them is kept.

    Parameters
    ----------
    t0, t1 : int arrays of shape (n_observations,), in order of t0
    test : int array of test positions, in any order
    embargo_bars : int, base bars after a run's latest label end, >= 0

    Raises: SplitError if labels are out of order or end before they begin, or a test position does not exist.
    Source: López de Prado (2018), snippets 7.1 and 7.2; snippet 7.3 lets labels touch, this does not.
    """
    starts, ends = checked_spans(t0, t1)
    out_of_order = np.diff(starts) < 0
    if out_of_order.any():
        at = int(np.argmax(out_of_order)) + 1
        raise SplitError(f"t0[{at}]", f"{starts[at]} after {starts[at - 1]}", expected="observations in order of t0")
    positions = np.unique(np.asarray(test, dtype=np.int64))
    if positions.size and (positions[0] < 0 or positions[-1] >= starts.size):
        raise SplitError("test", f"positions {positions[0]} to {positions[-1]}", expected=f"positions from 0 to {starts.size - 1}")
    is_test = np.zeros(starts.size, dtype=bool)
    is_test[positions] = True
    return purge(np.flatnonzero(~is_test), runs_of(positions, starts, ends), starts, ends, embargo_bars)


def runs_of(positions: Int64Array, t0: Int64Array, t1: Int64Array) -> list[tuple[int, int]]:
    """First and last bar of the labels of each maximal run of consecutive numbers in the ascending `positions`."""
    if not positions.size:
        return []
    begins = np.flatnonzero(np.r_[True, np.diff(positions) > 1])
    first = np.minimum.reduceat(t0[positions], begins)
    last = np.maximum.reduceat(t1[positions], begins)
    return list(zip(first.tolist(), last.tolist(), strict=True))


def checked_spans(t0: npt.ArrayLike, t1: npt.ArrayLike) -> tuple[Int64Array, Int64Array]:
    """Starts and ends as int64 of one shape (n_observations,); SplitError naming the first label that ends before it begins."""
    starts, ends = np.asarray(t0), np.asarray(t1)
    for name, array in (("t0", starts), ("t1", ends)):
        if array.ndim != 1 or array.shape != starts.shape or (array.size and array.dtype.kind not in "iu"):
            found = f"an array of shape {array.shape} and type {array.dtype}"
            raise SplitError(name, found, expected=f"integers of shape ({starts.size},), one for each observation")
    starts, ends = starts.astype(np.int64, copy=False), ends.astype(np.int64, copy=False)
    wrong = ends < starts
    if wrong.any():
        at = int(np.argmax(wrong))
        raise SplitError(f"label {at}", f"ends at bar {ends[at]} and begins at bar {starts[at]}", expected="t0 <= t1")
    return starts, ends
