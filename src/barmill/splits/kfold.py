"""Purged k-fold: contiguous folds in time order, and training rows that share nothing with the fold they are judged on."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from barmill.errors import SplitError
from barmill.splits.purging import Int64Array, checked_spans, purge_embargo


def purged_kfold(t0: npt.ArrayLike, t1: npt.ArrayLike, n_splits: int, embargo_bars: int) -> Iterator[tuple[Int64Array, Int64Array]]:
    """Yield (train, test) positions for each of `n_splits` folds.

    Parameters
    ----------
    t0, t1 : int arrays of shape (n_observations,), first and last bar of each label, both included, in order of t0
    n_splits : int, from 2 to n_observations; the first n_observations mod n_splits folds have one observation more
    embargo_bars : int, base bars, >= 0

    Yields
    ------
    train, test : int64 arrays, ascending. Train may be empty where labels or embargo reach over everything else.

    Raises: SplitError saying how many observations there are and how many folds were asked for; at the call, not at the
    first fold.
    Source: López de Prado (2018), section 7.4.1.
    """
    starts, ends = checked_spans(t0, t1)
    if not 2 <= n_splits <= starts.size:
        raise SplitError(
            "purged_kfold.n_splits",
            f"{n_splits} folds of {starts.size} observations",
            expected="at least 2 folds and an observation for each",
            mend="Give more bars or ask for fewer folds.",
        )
    if embargo_bars < 0:
        raise SplitError("purged_kfold.embargo_bars", f"{embargo_bars}", expected="0 or more bars")
    folds = np.array_split(np.arange(starts.size, dtype=np.int64), n_splits)
    return ((purge_embargo(starts, ends, fold, embargo_bars), fold) for fold in folds)
