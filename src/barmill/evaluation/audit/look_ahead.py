"""How far a leaking feature sees ahead, by bisection, and what most likely makes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from barmill.errors import DataError
from barmill.evaluation.audit.evidence import Sample, Trace, Values
from barmill.evaluation.audit.other_futures import with_another_future
from barmill.market import Bars, Timeframe

MOST_RUNS = 48  # of the features, to measure all that leak: what is not known by then is told as "at least"
_TIMEFRAMES = (2, 3, 5, 10, 15, 20, 25, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 1440, 10_080)  # minutes
_BREAK = 5  # bars without trading end a session

Make = Callable[[Bars], Values]
"""The table of some bars, columns in the order of the audit. Raises DataError."""


@dataclass(slots=True)
class Leak:
    """A feature whose value at `row` is not final given `low` bars after it, and final given `high`."""

    feature: int
    sample: Sample
    trace: Trace
    row: int = field(init=False)
    low: int = field(init=False)
    high: int = field(init=False)
    step: int = 1
    known: bool = True

    def __post_init__(self) -> None:
        self.row = self.trace.reach_row
        self.low = self.trace.reach - 1
        self.high = len(self.sample.bars) - 1 - self.row

    @property
    def reach(self) -> int:
        """Bars ahead that it needs, or at least needs."""
        return self.high if self.known else self.low + 1

    @property
    def at_least(self) -> bool:
        """Whether it may need more: the runs were used up, or the sample ended first."""
        return not self.known or self.high == len(self.sample.bars) - 1 - self.row

    def next_try(self) -> int:
        """How many bars ahead to try next: one, then twice as many, until enough; then halfway."""
        if self.low + self.step < self.high and self.step:
            return self.low + self.step
        self.step = 0
        return (self.low + self.high) // 2

    def tried(self, ahead: int, *, final: bool) -> None:
        """Take in whether the value is final given `ahead` bars after it."""
        if final:
            self.high, self.step = ahead, 0
        else:
            self.low, self.step = ahead, self.step * 2


def measure(leaks: Sequence[Leak], make: Make, most_runs: int = MOST_RUNS) -> int:
    """Find for each leak the fewest bars ahead that make its value final. Returns the runs that it took.

    A run serves all leaks that ask for the same number of bars: windows and shifts of any width do at their first try.
    """
    runs = 0
    while open_leaks := [leak for leak in leaks if leak.known and leak.high - leak.low > 1]:
        wanted: dict[tuple[int, int], list[tuple[Leak, int]]] = {}
        for leak in open_leaks:
            ahead = leak.next_try()
            wanted.setdefault((leak.sample.start, leak.row + 1 + ahead), []).append((leak, ahead))
        for (_, length), asking in sorted(wanted.items(), key=lambda each: -len(each[1])):
            if runs == most_runs:
                for leak, _ in asking:
                    leak.known = False
                continue
            runs += 1
            try:
                made = make(asking[0][0].sample.bars.slice(0, length))
            except DataError:
                for leak, _ in asking:
                    leak.known = False
                continue
            for leak, ahead in asking:
                leak.tried(ahead, final=_is_final(leak, made))
    return runs


def _is_final(leak: Leak, made: Values) -> bool:
    ours, theirs = leak.sample.values[leak.row, [leak.feature]], made[leak.row, [leak.feature]]
    return not leak.sample.tolerance.differ(ours, theirs, [leak.feature]).any()


def whole_sample_cause(trace: Trace) -> str:
    """What most likely makes a value depend on bars at the far end of the sample."""
    shape = trace.shape
    if trace.n_altered == 0:
        return "the number of bars, or a place counted from the last one, enters the value"
    if shape.missing and shape.constant:
        return "back-fill from the far end of the sample"
    if shape.n_levels == 1:
        return "one value of the whole sample, or of its last session, such as its highest or its last"
    if shape.n_levels <= 64:
        return "bins, ranks, clusters or states made of the whole sample (quantile bins, decoding)"
    if shape.affine:
        return "scaled with a mean, standard deviation, minimum or maximum of the whole sample"
    return "ranks, a transform or a smoothing over the whole series (wavelet, Fourier, HMM), or parameters fitted on all of it"


def finite_cause(leak: Leak, make: Make, *, may_run: bool) -> str:
    """What most likely makes a value depend on a few bars ahead. may_run : whether the features may be computed once more."""
    shape, ahead = leak.trace.shape, leak.reach
    if shape.missing and shape.constant and shape.n_changed > 1:
        return "back-fill: a missing value was filled with the next one there is"
    if longer := _longer_bar(leak):
        return longer
    if shape.fading:
        return "smoothed or filtered backwards in time (a reversed mean, a two-sided filter, HMM smoothing)"
    if ahead == 1:
        return "shift(-1), or a centred window of 3 bars"
    between = _reads_between(leak, make) if may_run else None
    if between is False:
        return f"shift(-{ahead})"
    window = f"a centred window of {2 * ahead + 1} bars, or another that ends {ahead} bars ahead"
    if between is None:
        return f"shift(-{ahead}), or {window}"
    return window if shape.missing else f"{window}; a two-sided filter or wavelet does the same"


def _reads_between(leak: Leak, make: Make) -> bool | None:
    """Whether the bars between the row and the last that it needs matter; None if that cannot be found out."""
    seen = leak.sample.bars.slice(0, leak.row + 1 + leak.reach)
    try:
        made = make(with_another_future(seen, leak.row + 1, seed=leak.row, last=len(seen) - 1))
    except DataError:
        return None
    return not _is_final(leak, made)


def _longer_bar(leak: Leak) -> str:
    """The timeframe or session whose bars explain the changes: they begin with it, and end with it."""
    bars, pairs = leak.sample.bars, leak.trace.pairs
    if len(pairs) < 2:
        return ""
    cuts, rows = (np.array(each, dtype=np.int64) for each in zip(*pairs, strict=True))
    for minutes in _TIMEFRAMES:
        step = minutes * 60_000
        if step > bars.timeframe.ms and _explains(bars.open_time // step, cuts, rows):
            timeframe = Timeframe(minutes)
            return f"a bar of {timeframe} is shown before its close (resampled, then joined on the label of its open)"
    sessions = np.concatenate([[0], np.cumsum(np.diff(bars.open_time) > _BREAK * bars.timeframe.ms)])
    if sessions[-1] and _explains(sessions, cuts, rows):
        return "a value of a whole session is shown before its end"
    return ""


def _explains(bucket: Values, cuts: Values, rows: Values) -> bool:
    """No change begins before the bucket of the last bar given, none is there once it is full, and most begin with it."""
    last = bucket[cuts - 1]
    if (bucket[rows] != last).any() or (bucket[cuts] != last).any():
        return False
    begins = (rows == 0) | (bucket[np.maximum(rows - 1, 0)] != bucket[rows])
    return bool((cuts - rows > 1).any() and begins.mean() > 0.5)


__all__ = ["MOST_RUNS", "Leak", "Make", "finite_cause", "measure", "whole_sample_cause"]
