"""Combinatorial purged cross-validation: every choice of test groups, and the backtest paths that they make up."""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cache
from itertools import combinations, pairwise
from math import comb

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError, SplitError
from barmill.splits.frequency import share_of
from barmill.splits.kfold import group_bounds
from barmill.splits.purging import check_embargo, meeting_ranges
from barmill.splits.ranges import Fold, Int64Array, Ranges
from barmill.splits.spans import LabelSpans, OrderedSpans
from barmill.splits.splitter import BarsOrAuto, Splitter, n_rows

Float64Array = npt.NDArray[np.float64]


def cpcv_counts(n_groups: int, n_test_groups: int) -> tuple[int, int]:
    """`n_splits` = C(N, k) and `n_paths` = k/N * C(N, k), which is C(N - 1, k - 1).

    Raises: SplitError unless 1 <= n_test_groups < n_groups.
    Source: López de Prado (2018), section 12.4.

    Examples
    --------
    >>> cpcv_counts(10, 2)
    (45, 9)
    """
    _check_groups("cpcv", n_groups, n_test_groups)
    return comb(n_groups, n_test_groups), comb(n_groups - 1, n_test_groups - 1)


def cpcv_splits(
    t0: npt.ArrayLike, t1: npt.ArrayLike, n_groups: int, n_test_groups: int, embargo_bars: int
) -> Iterator[tuple[Int64Array, Int64Array]]:
    """Yield (train, test) positions of every split, in lexicographic order of the test groups.

    Parameters
    ----------
    t0, t1 : int arrays of shape (n_observations,), first and last bar of each label, both included, in order of t0
    n_groups, n_test_groups : int, contiguous groups as those of `purged_kfold`, and how many of them judge
    embargo_bars : int, base bars, >= 0

    Yields
    ------
    train, test : int64 arrays, ascending. Train is what `purge_embargo` keeps beside all test groups; adjacent ones are one run.

    Raises: SplitError, at the call, for too few observations or groups. `CombinatorialPurgedCV.folds` gives the same without arrays.
    Source: López de Prado (2018), section 12.3.
    """
    _check_groups("cpcv_splits", n_groups, n_test_groups)
    folds = _folds(OrderedSpans.of(t0, t1), n_groups, n_test_groups, embargo_bars)
    return ((fold.train.positions(), fold.test.positions()) for fold in folds)


def cpcv_path_ids(n_groups: int, n_test_groups: int) -> Int64Array:
    """The path to which each split gives each of its test groups: int64 of shape (n_splits, n_test_groups).

    The j-th split in which a group is a test group gives that group's piece to path j. One row a split, in the order of its groups.

    Examples
    --------
    >>> cpcv_path_ids(4, 2).tolist()
    [[0, 0], [1, 0], [2, 0], [1, 1], [2, 1], [2, 2]]
    """
    _check_groups("cpcv_path_ids", n_groups, n_test_groups)
    chosen = np.array(list(combinations(range(n_groups), n_test_groups)), dtype=np.int64)
    times_tested = np.cumsum((chosen[:, :, None] == np.arange(n_groups)).any(axis=1), axis=0, dtype=np.int64)
    return np.take_along_axis(times_tested, chosen, axis=1) - 1


def cpcv_paths(forecasts: Sequence[npt.ArrayLike], n_groups: int, n_test_groups: int) -> Float64Array:
    """Put the forecasts of all splits together into backtest paths, in each of which every observation stands exactly once.

    Parameters
    ----------
    forecasts : one array for each split, in the order of `cpcv_splits`: shape (n_test, ...), a row for each test position
    n_groups, n_test_groups : int, as the splits were made

    Returns
    -------
    float64 array of shape (n_paths, n_observations, ...).

    Raises: ShapeError for another number of splits, or one whose rows are not those of its test groups.
    """
    n_splits, n_paths = cpcv_counts(n_groups, n_test_groups)
    pieces = [np.asarray(forecast, dtype=np.float64) for forecast in forecasts]
    if len(pieces) != n_splits or not all(piece.ndim for piece in pieces):
        raise ShapeError("cpcv_paths.forecasts", f"forecasts of {len(pieces)} splits", expected=f"an array for each of {n_splits} splits")
    n = sum(piece.shape[0] for piece in pieces) // n_paths
    bounds = group_bounds(n, n_groups, "cpcv_paths").tolist()
    paths = np.empty((n_paths, n, *pieces[0].shape[1:]))
    path_ids = cpcv_path_ids(n_groups, n_test_groups).tolist()
    for number, groups in enumerate(combinations(range(n_groups), n_test_groups)):
        piece, begin = pieces[number], 0
        expected = (sum(bounds[group + 1] - bounds[group] for group in groups), *paths.shape[2:])
        if piece.shape != expected:
            raise ShapeError(
                f"cpcv_paths.forecasts[{number}]", f"an array of shape {piece.shape}", expected=f"{expected}, a row for each test position"
            )
        for group, path in zip(groups, path_ids[number], strict=True):
            size = bounds[group + 1] - bounds[group]
            paths[path, bounds[group] : bounds[group + 1]] = piece[begin : begin + size]
            begin += size
    return paths


@dataclass(frozen=True, eq=False)
class CombinatorialPurgedCV(Splitter):
    """Every way to choose the groups that judge: many backtest paths through the same years, instead of one.

    Groups are contiguous and in the order of time. All splits of a million labels take a few milliseconds and hardly any memory:
    they are ranges, cut by binary search. Training on all of them is what costs: C(n_groups, n_test_groups) fits.

    Parameters
    ----------
    n_groups : int, at least 2
    n_test_groups : int, from 1 to n_groups - 1; with 1 the splits are those of `PurgedKFold`
    purge : int, the least number of bars that a label is taken to span after its first, or "auto"
    embargo : int, bars after a test run's last label end in which no training label may begin, or "auto"
    labels, t0, t1, times : of the rows, for scikit-learn's protocol; see `Splitter`

    Examples
    --------
    >>> cv = CombinatorialPurgedCV(n_groups=4, n_test_groups=2)
    >>> cv.n_paths, cv.get_n_splits()
    (3, 6)
    >>> train, test = next(cv.split([[0.0]] * 8))
    >>> train.tolist(), test.tolist()
    ([4, 5, 6, 7], [0, 1, 2, 3])

    Source: López de Prado (2018), chapter 12.
    """

    n_groups: int = 10
    n_test_groups: int = 2
    _: KW_ONLY
    purge: BarsOrAuto = 0
    embargo: BarsOrAuto = 0
    labels: LabelSpans | None = field(default=None, repr=False)
    t0: npt.ArrayLike | None = field(default=None, repr=False)
    t1: npt.ArrayLike | None = field(default=None, repr=False)
    times: npt.ArrayLike | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.check()
        _check_groups("CombinatorialPurgedCV", self.n_groups, self.n_test_groups)

    @property
    def n_paths(self) -> int:
        return cpcv_counts(self.n_groups, self.n_test_groups)[1]

    @property
    def path_ids(self) -> Int64Array:
        """As `cpcv_path_ids`: row s says which path each test group of split s belongs to."""
        return cpcv_path_ids(self.n_groups, self.n_test_groups)

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        return cpcv_counts(self.n_groups, self.n_test_groups)[0]

    def cut(self, spans: OrderedSpans, embargo: int, times: Int64Array | None) -> Iterator[Fold]:
        return _folds(spans, self.n_groups, self.n_test_groups, embargo)

    def group_ranges(self, n_labels: int) -> list[Ranges]:
        """The positions of each group of `n_labels` labels."""
        bounds = group_bounds(n_labels, self.n_groups, "CombinatorialPurgedCV.n_groups").tolist()
        return [Ranges.between(start, stop) for start, stop in pairwise(bounds)]


@dataclass(frozen=True, eq=False)
class CPCV:
    """Combinatorial purged cross-validation told in shares of the sample, with two test groups.

    Parameters
    ----------
    n_splits : int, the number of groups; of 5 groups, 2 of which judge, there are 10 splits
    embargo_pct : float, embargo as a share of the rows: floor(share * n) bars after each test run
    purge_pct : float, the least that a label is taken to span, as a share of the rows
    labels : spans, one for each row; without them each row is a bar

    Examples
    --------
    >>> import numpy as np
    >>> cpcv = CPCV(n_splits=5, embargo_pct=0.01, purge_pct=0.01)
    >>> train, test = next(cpcv.split(np.zeros((1000, 3))))
    >>> len(train), len(test)
    (580, 400)
    """

    n_splits: int = 5
    embargo_pct: float = 0.01
    purge_pct: float = 0.01
    labels: LabelSpans | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_groups("CPCV", self.n_splits, 2)
        for name, share in (("embargo_pct", self.embargo_pct), ("purge_pct", self.purge_pct)):
            if not 0 <= share < 1:
                raise SplitError(f"CPCV.{name}", f"{share}", expected="a share of the sample from 0 to below 1, such as 0.01")

    def of_rows(self, n: int) -> CombinatorialPurgedCV:
        """The splitter that this is for `n` rows."""
        purge, embargo = share_of(self.purge_pct, n), share_of(self.embargo_pct, n)
        return CombinatorialPurgedCV(n_groups=self.n_splits, n_test_groups=2, purge=purge, embargo=embargo, labels=self.labels)

    def split(
        self, X: object, y: object = None, times: npt.ArrayLike | None = None, groups: object = None
    ) -> Iterator[tuple[Int64Array, Int64Array]]:
        """Yield (train, test) positions; `times` must ascend, or SplitError is raised: rows out of order of time leak."""
        return self.of_rows(n_rows(X)).split(X, y, groups, times)

    def folds(self, labels: LabelSpans, times: npt.ArrayLike | None = None) -> Iterator[Fold]:
        """Each split as ranges of positions among `labels`."""
        return self.of_rows(labels.t0.size).folds(labels, times)

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        return cpcv_counts(self.n_splits, 2)[0]


def _folds(spans: OrderedSpans, n_groups: int, n_test_groups: int, embargo: int) -> Iterator[Fold]:
    bounds = group_bounds(len(spans), n_groups, "cpcv.n_groups")
    check_embargo("cpcv.embargo_bars", embargo)
    first_bars = spans.t0[bounds[:-1]].tolist()
    last_bars = np.maximum.reduceat(spans.t1, bounds[:-1]).tolist()  # once for all splits: the one look at every label
    edges = bounds.tolist()

    @cache
    def dropped(first: int, last: int) -> Ranges:
        """What the run of these groups drops. Few runs serve many splits, so each is looked for once."""
        return meeting_ranges([(first_bars[first], max(last_bars[first : last + 1]))], spans, embargo)

    def fold(groups: tuple[int, ...]) -> Fold:
        runs = _runs(groups)
        test = Ranges(np.array([(edges[first], edges[last + 1]) for first, last in runs], dtype=np.int64))
        met = np.concatenate([dropped(*run).bounds for run in runs])
        return Fold(Ranges.union(met[:, 0], met[:, 1]).outside(0, len(spans)), test, groups)

    return (fold(groups) for groups in combinations(range(n_groups), n_test_groups))


def _runs(groups: tuple[int, ...]) -> list[tuple[int, int]]:
    """First and last of each maximal run of consecutive group numbers."""
    runs: list[tuple[int, int]] = []
    for group in groups:
        if runs and runs[-1][1] == group - 1:
            runs[-1] = (runs[-1][0], group)
        else:
            runs.append((group, group))
    return runs


def _check_groups(place: str, n_groups: int, n_test_groups: int) -> None:
    if not 1 <= n_test_groups < n_groups:
        raise SplitError(
            f"{place}.n_test_groups", f"{n_test_groups} of {n_groups} groups", expected="at least 1, and fewer than there are groups"
        )


__all__ = ["CPCV", "CombinatorialPurgedCV", "cpcv_counts", "cpcv_path_ids", "cpcv_paths", "cpcv_splits"]
