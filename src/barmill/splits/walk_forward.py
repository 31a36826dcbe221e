"""Walk-forward: always trained on what lies before, judged on what comes next, as a model is used."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field

import numpy as np
import numpy.typing as npt

from barmill.errors import SplitError
from barmill.splits.purging import blocks_of, purge_ranges
from barmill.splits.ranges import Fold, Int64Array, Ranges
from barmill.splits.row_times import DAY_MS, WindowSize
from barmill.splits.spans import LabelSpans, OrderedSpans
from barmill.splits.splitter import BarsOrAuto, Splitter, n_rows


def walk_forward(
    t0: npt.ArrayLike, t1: npt.ArrayLike, n_splits: int, test_size: int, train_size: int | None = None, anchored: bool = False
) -> Iterator[tuple[Int64Array, Int64Array]]:
    """Yield (train, test) positions: the last n_splits * test_size observations are the test blocks, in order.

    Parameters
    ----------
    t0, t1 : int arrays of shape (n_observations,), first and last bar of each label, both included, in order of t0
    n_splits, test_size : int, at least 1; the number of test blocks, and of observations in each
    train_size : int, observations just before a block that it may train on, fewer where there are none; those that are then
        purged are not replaced. Not looked at, and not needed, if anchored
    anchored : bool, train on all earlier observations instead

    Yields
    ------
    train, test : int64 arrays, ascending; train holds the observations with t1 < t0 of the block's first. It may be empty.

    Raises: SplitError at the call where the blocks do not leave an observation before them, or a size is missing.
    """
    spans = OrderedSpans.of(t0, t1)
    n, first = len(spans), len(spans) - n_splits * test_size
    if n_splits < 1 or test_size < 1 or first < 1:
        found = f"{n_splits} blocks of {test_size} observations, out of {n}"
        raise SplitError(
            "walk_forward", found, expected="blocks that leave an observation before them", mend="Ask for fewer or shorter ones."
        )
    if not anchored and (train_size is None or train_size < 1):
        raise SplitError("walk_forward.train_size", f"{train_size}", expected="1 observation or more, or anchored")
    reach = n if anchored or train_size is None else train_size
    edges = [(max(0, begin - reach), begin, begin + test_size) for begin in range(first, n, test_size)]
    return ((fold.train.positions(), fold.test.positions()) for fold in _folds(spans, edges, 0))


@dataclass(frozen=True, eq=False)
class WalkForward(Splitter):
    """Windows that walk through time: train, judge on what comes next, step on by what was judged.

    The last test window ends with the data, so that the newest labels judge; what does not fill a window is the oldest. Sizes are bars, or
    lengths of time (UTC), and then the last window ends with the last label's day. The older the data, the fewer the windows that
    see it: prefer `CombinatorialPurgedCV` where the distribution of a result matters more than how it was earned.

    Parameters
    ----------
    train_size : int or str, bars, or such as "120d", "12w", "4mo"; the window before a test window, or at least so much if anchored
    test_size : int or str, in the same kind
    n_splits : int, the number of test windows; None takes as many as have a whole training window before them
    anchored : bool, train on all that lies before, instead of the window
    purge : int, the least number of bars that a label is taken to span after its first, or "auto"
    embargo : int, bars between the last training label's end and the test window's first label, or "auto"
    labels, t0, t1, times : of the rows, for scikit-learn's protocol; see `Splitter`. Lengths of time need times

    Examples
    --------
    >>> import numpy as np
    >>> for train, test in WalkForward(train_size=4, test_size=2, purge=1).split(np.zeros((9, 1))):
    ...     print(train, test)
    [1 2 3] [5 6]
    [3 4 5] [7 8]

    Source: López de Prado (2018), section 12.2.
    """

    train_size: int | str = "4mo"
    test_size: int | str = "2mo"
    _: KW_ONLY
    n_splits: int | None = None
    anchored: bool = False
    purge: BarsOrAuto = 0
    embargo: BarsOrAuto = 0
    labels: LabelSpans | None = field(default=None, repr=False)
    t0: npt.ArrayLike | None = field(default=None, repr=False)
    t1: npt.ArrayLike | None = field(default=None, repr=False)
    times: npt.ArrayLike | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.check()
        train, test = self._sizes()
        if train.is_time != test.is_time:
            found = f"train_size {self.train_size!r} and test_size {self.test_size!r}"
            raise SplitError("WalkForward", found, expected="both in bars, or both lengths of time")
        if self.n_splits is not None and self.n_splits < 1:
            raise SplitError("WalkForward.n_splits", f"{self.n_splits}", expected="1 window or more, or None")

    @classmethod
    def by_days(cls, window_days: int, step_days: int, *, anchored: bool = False, embargo: BarsOrAuto = 0) -> "WalkForward":
        """Train on `window_days`, judge on the `step_days` after them, step on by these."""
        return cls(train_size=f"{window_days}d", test_size=f"{step_days}d", anchored=anchored, embargo=embargo)

    @classmethod
    def by_months(cls, train_months: int, test_months: int, *, anchored: bool = False, embargo: BarsOrAuto = 0) -> "WalkForward":
        """Train on `train_months` of the calendar, judge on the `test_months` after them."""
        return cls(train_size=f"{train_months}mo", test_size=f"{test_months}mo", anchored=anchored, embargo=embargo)

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """The number of windows; where `n_splits` is None that of the rows of X, which must then be given."""
        if self.n_splits is not None:
            return self.n_splits
        n = n_rows(X)
        return len(self._windows(self._clock(self.spans_of_rows(n).t0, self.milliseconds(n))))

    def cut(self, spans: OrderedSpans, embargo: int, times: Int64Array | None) -> Iterator[Fold]:
        clock = self._clock(spans.t0, times)
        edges = [tuple(np.searchsorted(clock, window).tolist()) for window in self._windows(clock)]
        return _folds(spans, edges, embargo)

    def _sizes(self) -> tuple[WindowSize, WindowSize]:
        return WindowSize.parse(self.train_size, "WalkForward.train_size"), WindowSize.parse(self.test_size, "WalkForward.test_size")

    def _clock(self, t0: Int64Array, times: Int64Array | None) -> Int64Array:
        """What the sizes count in: the labels' bars, or their times."""
        if not self._sizes()[0].is_time:
            return t0
        if times is None:
            raise SplitError(
                "WalkForward.times", "sizes in time, and no times", expected="times=, one a row", mend="Give them, or sizes in bars."
            )
        return times

    def _windows(self, clock: Int64Array) -> list[tuple[int, int, int]]:
        """Begin of training, begin of judging and end of judging (not included) of each window, in the order of time."""
        train, test = self._sizes()
        if not clock.size:
            raise SplitError("WalkForward", "no labels", mend="Give more bars.")
        day = DAY_MS if train.is_time else 1
        first, end = int(clock[0]) // day * day, (int(clock[-1]) // day + 1) * day
        windows: list[tuple[int, int, int]] = []
        while self.n_splits is None or len(windows) < self.n_splits:
            stop, begin = test.before(end, len(windows)), test.before(end, len(windows) + 1)
            whole = train.before(begin)
            if (whole if self.n_splits is None else begin - 1) < first:
                break
            windows.append((first if self.anchored else whole, begin, stop))
        if not windows or (self.n_splits is not None and len(windows) < self.n_splits):
            told = f"{len(clock)} labels over {(end - first) // day} {'days' if train.is_time else 'bars'}"
            wanted = f"{self.n_splits or 'a'} test window{'s' if (self.n_splits or 1) > 1 else ''} of {self.test_size}"
            raise SplitError(
                "WalkForward", told, expected=f"room for {wanted} with training before", mend="Give more bars, or ask for shorter windows."
            )
        return windows[::-1]


def _folds(spans: OrderedSpans, edges: list[tuple[int, int, int]], embargo: int) -> Iterator[Fold]:
    """Folds of (first to train on, first to judge, end) positions; the embargo lies before what judges, where the training is."""

    def fold(number: int, first: int, begin: int, end: int) -> Fold:
        test = Ranges.between(begin, end)
        blocks = [(first_bar - embargo, last_bar) for first_bar, last_bar in blocks_of(test, spans)]
        return Fold(purge_ranges(Ranges.between(first, begin), blocks, spans), test, (number,))

    return (fold(number, *positions) for number, positions in enumerate(edges))


__all__ = ["WalkForward", "walk_forward"]
