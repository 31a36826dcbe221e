"""Purged k-fold: contiguous folds in time order, and training rows that share nothing with the fold they are judged on."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field

import numpy as np
import numpy.typing as npt

from barmill.errors import SplitError
from barmill.splits.purging import blocks_of, check_embargo, purge_ranges
from barmill.splits.ranges import Fold, Int64Array, Ranges
from barmill.splits.spans import LabelSpans, OrderedSpans
from barmill.splits.splitter import BarsOrAuto, Splitter


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
    folds = _folds(OrderedSpans.of(t0, t1), n_splits, embargo_bars, "purged_kfold")
    return ((fold.train.positions(), fold.test.positions()) for fold in folds)


@dataclass(frozen=True, eq=False)
class PurgedKFold(Splitter):
    """K-fold for labels that span bars: each fold is judged by a model that shares no bar with it.

    Every label is judged exactly once. Where labels are few and one number is too little, `CombinatorialPurgedCV` gives many paths.

    Parameters
    ----------
    n_splits : int, at least 2
    purge : int, the least number of bars that a label is taken to span after its first, or "auto"
    embargo : int, bars after a fold's last label end in which no training label may begin, or "auto"
    labels, t0, t1, times : of the rows, for scikit-learn's protocol; see `Splitter`

    Examples
    --------
    >>> import numpy as np
    >>> for train, test in PurgedKFold(n_splits=3, purge=1).split(np.zeros((9, 2))):
    ...     print(train, test)
    [4 5 6 7 8] [0 1 2]
    [0 1 7 8] [3 4 5]
    [0 1 2 3 4] [6 7 8]

    Source: López de Prado (2018), section 7.4.1.
    """

    n_splits: int = 5
    _: KW_ONLY
    purge: BarsOrAuto = 0
    embargo: BarsOrAuto = 0
    labels: LabelSpans | None = field(default=None, repr=False)
    t0: npt.ArrayLike | None = field(default=None, repr=False)
    t1: npt.ArrayLike | None = field(default=None, repr=False)
    times: npt.ArrayLike | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.check()
        if self.n_splits < 2:
            raise SplitError("PurgedKFold.n_splits", f"{self.n_splits}", expected="2 folds or more")

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        return self.n_splits

    def cut(self, spans: OrderedSpans, embargo: int, times: Int64Array | None) -> Iterator[Fold]:
        return _folds(spans, self.n_splits, embargo, "PurgedKFold")


def group_bounds(n: int, n_groups: int, place: str) -> Int64Array:
    """Where contiguous groups of `n` observations begin, and n: int64 of shape (n_groups + 1,); the first n mod n_groups have one more.

    Raises: SplitError at `place` for fewer than 2 groups, or fewer observations than groups.
    """
    if not 2 <= n_groups <= n:
        raise SplitError(
            place,
            f"{n_groups} folds of {n} observations",
            expected="at least 2 folds and an observation for each",
            mend="Give more bars or ask for fewer folds.",
        )
    size, longer = divmod(n, n_groups)
    numbers = np.arange(n_groups + 1, dtype=np.int64)
    return numbers * size + np.minimum(numbers, longer)


def _folds(spans: OrderedSpans, n_splits: int, embargo: int, place: str) -> Iterator[Fold]:
    bounds = group_bounds(len(spans), n_splits, f"{place}.n_splits").tolist()
    check_embargo(f"{place}.embargo_bars", embargo)
    everything = Ranges.between(0, len(spans))

    def fold(number: int) -> Fold:
        test = Ranges.between(bounds[number], bounds[number + 1])
        train = purge_ranges(everything.without(test), blocks_of(test, spans), spans, embargo)
        return Fold(train, test, (number,))

    return (fold(number) for number in range(n_splits))


__all__ = ["PurgedKFold", "purged_kfold"]
