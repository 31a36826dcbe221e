"""How much of a label is its own: overlapping labels share bars, and what they share is not evidence twice."""

import numpy as np
import numpy.typing as npt

from barmill.errors import LabelError, ShapeError
from barmill.labels._arguments import Float64Array, Int64Array


def concurrency(t0: npt.ArrayLike, t1: npt.ArrayLike, n_bars: int) -> Int64Array:
    """Number of labels alive at each bar: int64 array of shape (n_bars,), counting labels with t0 <= t <= t1.

    Raises: ShapeError if lengths differ; LabelError naming the first label that ends before it starts or leaves the bars.
    Source: López de Prado (2018), section 4.3.
    """
    starts, ends = checked_spans("concurrency", t0, t1, n_bars)
    return _concurrency(starts, ends, n_bars)


def average_uniqueness(t0: npt.ArrayLike, t1: npt.ArrayLike, n_bars: int) -> Float64Array:
    """Mean over each label's bars of 1 / (number of labels alive): 1 for a label alone, 1/k for one of k twins.

    The mean of the inverses, not the inverse of the mean. Linear in bars and labels, however long the labels are.

    Parameters
    ----------
    t0, t1 : int arrays of shape (n_labels,), first and last bar of each label, both included
    n_bars : int

    Returns
    -------
    float64 array of shape (n_labels,), in (0, 1].

    Raises: as `concurrency`. Source: López de Prado (2018), section 4.4.
    """
    from barmill.labels import _kernels  # compiles at first import; see there

    starts, ends = checked_spans("average_uniqueness", t0, t1, n_bars)
    out = np.empty(starts.size)
    # a bar without a label is in no label's sum; any number would do for it
    _kernels.sums_over_labels(1.0 / np.maximum(_concurrency(starts, ends, n_bars), 1), starts, ends, out)
    return out / (ends - starts + 1)


def checked_spans(place: str, t0: npt.ArrayLike, t1: npt.ArrayLike, n_bars: int) -> tuple[Int64Array, Int64Array]:
    """Starts and ends as contiguous int64 of one shape (n_labels,), each label within the bars."""
    starts, ends = np.asarray(t0), np.asarray(t1)
    for name, array in (("t0", starts), ("t1", ends)):
        if array.ndim != 1 or array.shape != starts.shape or (array.size and array.dtype.kind not in "iu"):
            found = f"an array of shape {array.shape} and type {array.dtype}"
            raise ShapeError(f"{place}.{name}", found, expected=f"integers of shape ({starts.size},), one for each label")
    starts, ends = np.ascontiguousarray(starts, dtype=np.int64), np.ascontiguousarray(ends, dtype=np.int64)
    wrong = (starts < 0) | (ends < starts) | (ends >= n_bars)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise LabelError(f"{place} label {at}", f"bars {starts[at]} to {ends[at]}", expected=f"0 <= t0 <= t1 < {n_bars}")
    return starts, ends


def _concurrency(starts: Int64Array, ends: Int64Array, n_bars: int) -> Int64Array:
    changes = np.bincount(starts, minlength=n_bars + 1) - np.bincount(ends + 1, minlength=n_bars + 1)
    return np.cumsum(changes[:n_bars], dtype=np.int64)
