"""Walk-forward by counts, bars, days and months."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import TimeSeriesSplit

from barmill.errors import SplitError
from barmill.splits import WalkForward, walk_forward
from barmill.splits.row_times import WindowSize

DAY = 86_400_000


@dataclass(frozen=True)
class Spans:
    t0: np.ndarray
    t1: np.ndarray


def each_bar(n: int, length: int = 0) -> Spans:
    return Spans(np.arange(n), np.arange(n) + length)


def days(first: str, last: str, step: str = "1h") -> np.ndarray:
    """Open times from the first day to the end of the last."""
    return np.arange(np.datetime64(first), np.datetime64(last) + 1, np.timedelta64(int(step[:-1]), step[-1]))


def spans_in_days(fold, times: np.ndarray) -> list[str]:
    inside = [fold.train.positions(), fold.test.positions()]
    return [f"{times[rows[0]].astype('M8[D]')} {times[rows[-1]].astype('M8[D]')}" for rows in inside]


@st.composite
def labels(draw):
    steps = draw(st.lists(st.integers(0, 3), min_size=8, max_size=40))
    lengths = draw(st.lists(st.integers(0, 9), min_size=len(steps), max_size=len(steps)))
    t0 = np.cumsum(steps)
    return Spans(t0, t0 + np.array(lengths))


@given(spans=labels(), n_splits=st.integers(1, 4), test_size=st.integers(1, 6), train_size=st.integers(1, 12), anchored=st.booleans())
@settings(max_examples=200, deadline=None)
def test_windows_are_those_of_the_definition(spans: Spans, n_splits: int, test_size: int, train_size: int, anchored: bool):
    n = spans.t0.size
    if n_splits * test_size >= n:
        with pytest.raises(SplitError, match="an observation before them"):
            walk_forward(spans.t0, spans.t1, n_splits, test_size, train_size, anchored)
        return
    expected = []
    for begin in range(n - n_splits * test_size, n, test_size):
        earlier = range(begin) if anchored else range(max(0, begin - train_size), begin)
        expected.append(([i for i in earlier if spans.t1[i] < spans.t0[begin]], list(range(begin, begin + test_size))))
    found = [(train.tolist(), test.tolist()) for train, test in walk_forward(spans.t0, spans.t1, n_splits, test_size, train_size, anchored)]
    assert found == expected


@pytest.mark.parametrize("train_size", [None, 20])
def test_without_labels_that_reach_it_is_scikit_learns_time_series_split(train_size: int | None):
    theirs = TimeSeriesSplit(n_splits=4, test_size=10, max_train_size=train_size)
    t0 = np.arange(75)
    ours = walk_forward(t0, t0, 4, 10, train_size, anchored=train_size is None)
    for (train, test), (their_train, their_test) in zip(ours, theirs.split(t0), strict=True):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)


def test_an_embargo_is_a_gap_as_scikit_learn_has_it():
    theirs = TimeSeriesSplit(n_splits=4, test_size=10, gap=3)
    ours = WalkForward(train_size=20, test_size=10, n_splits=4, anchored=True, embargo=3)
    for (train, test), (their_train, their_test) in zip(ours.split(np.zeros(75)), theirs.split(np.zeros(75)), strict=True):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)


@pytest.mark.parametrize("anchored", [False, True])
def test_windows_in_bars_are_the_counted_ones_where_each_bar_has_a_label(anchored: bool):
    spans = each_bar(100, 4)
    cv = WalkForward(train_size=30, test_size=10, n_splits=5, anchored=anchored)
    for fold, (train, test) in zip(cv.folds(spans), walk_forward(spans.t0, spans.t1, 5, 10, 30, anchored), strict=True):
        np.testing.assert_array_equal(fold.train.positions(), train)
        np.testing.assert_array_equal(fold.test.positions(), test)


def test_as_many_windows_as_have_a_whole_training_window():
    assert WalkForward(train_size=30, test_size=10).get_n_splits(np.zeros(100)) == 7
    assert WalkForward(train_size=30, test_size=10).get_n_splits(np.zeros(99)) == 6
    assert next(WalkForward(train_size=30, test_size=10).split(np.zeros(100)))[0].tolist() == list(range(30))


def test_bars_are_bars_not_labels():
    spans = Spans(np.arange(0, 100, 5), np.arange(0, 100, 5))  # a label on every fifth bar, the last on bar 95
    fold = list(WalkForward(train_size=20, test_size=10).folds(spans))[-1]
    assert spans.t0[fold.test.positions()].tolist() == [90, 95]
    assert spans.t0[fold.train.positions()].tolist() == [70, 75, 80, 85]


def test_four_months_train_and_two_test():
    times = days("2023-01-01", "2023-12-31")
    folds = list(WalkForward.by_months(4, 2).folds(each_bar(times.size), times))
    assert [spans_in_days(fold, times) for fold in folds] == [
        ["2023-01-01 2023-04-30", "2023-05-01 2023-06-30"],
        ["2023-03-01 2023-06-30", "2023-07-01 2023-08-31"],
        ["2023-05-01 2023-08-31", "2023-09-01 2023-10-31"],
        ["2023-07-01 2023-10-31", "2023-11-01 2023-12-31"],
    ]
    anchored = list(WalkForward.by_months(4, 2, anchored=True).folds(each_bar(times.size), times))
    assert {spans_in_days(fold, times)[0][:10] for fold in anchored} == {"2023-01-01"}


def test_forty_five_days_and_steps_of_fifteen():
    times = days("2024-01-01", "2024-03-30")  # 90 days: three steps behind the first window
    folds = list(WalkForward.by_days(window_days=45, step_days=15).folds(each_bar(times.size), times))
    assert [spans_in_days(fold, times)[1] for fold in folds] == ["2024-02-15 2024-02-29", "2024-03-01 2024-03-15", "2024-03-16 2024-03-30"]
    assert spans_in_days(folds[0], times)[0] == "2024-01-01 2024-02-14"


def test_a_first_label_after_the_warm_up_still_belongs_to_its_day():
    times = days("2024-01-01", "2024-03-30")[5:]
    assert len(list(WalkForward.by_days(45, 15).folds(each_bar(times.size), times))) == 3


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4mo", WindowSize(months=4)),
        ("4 months", WindowSize(months=4)),
        ("1 Month", WindowSize(months=1)),
        ("45d", WindowSize(ms=45 * DAY)),
        ("120 days", WindowSize(ms=120 * DAY)),
        ("2 weeks", WindowSize(ms=14 * DAY)),
        ("6w", WindowSize(ms=42 * DAY)),
        ("12h", WindowSize(ms=DAY // 2)),
        (500, WindowSize(bars=500)),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str | int, size: WindowSize):
    assert WindowSize.parse(text) == size


def test_months_go_back_by_the_calendar_and_a_short_one_ends_at_its_end():
    def back(text: str, months: int) -> str:
        end = int(np.datetime64(text, "ms").astype(np.int64))
        return str(np.datetime64(WindowSize(months=1).before(end, months), "ms").astype("M8[m]"))

    assert back("2024-01-01", 2) == "2023-11-01T00:00"
    assert back("2024-03-15T06:00", 1) == "2024-02-15T06:00"
    assert back("2024-03-31", 1) == "2024-03-01T00:00"  # the end of February
    assert back("2024-03-31", 2) == "2024-01-31T00:00"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: WalkForward(train_size="4mo", test_size=10), "both in bars, or both lengths of time"),
        (lambda: WalkForward(train_size=0, test_size=10), "WalkForward.train_size: 0; expected at least one bar"),
        (lambda: WalkForward(train_size="soon"), "WalkForward.train_size: 'soon'; expected a number of bars, or a length of time"),
        (lambda: WalkForward(train_size="0d", test_size="1d"), "train_size: '0d'"),
        (lambda: WalkForward(train_size=1, test_size=1, n_splits=0), "n_splits: 0"),
        (lambda: WalkForward().folds(each_bar(10)), "sizes in time, and no times"),
        (
            lambda: WalkForward(train_size=9, test_size=2).folds(each_bar(10)),
            "10 labels over 10 bars; expected room for a test window of 2",
        ),
        (lambda: WalkForward(train_size=1, test_size=4, n_splits=3).folds(each_bar(10)), "room for 3 test windows of 4"),
        (lambda: WalkForward(train_size=1, test_size=4).folds(each_bar(0)), "no labels"),
        (
            lambda: list(WalkForward(train_size=2, test_size=2).folds(Spans(np.array([0, 1, 5]), np.array([0, 1, 5])))),
            "nothing to judge on",
        ),
        (lambda: walk_forward([0, 1], [0, 1], 1, 1), "train_size: None; expected 1 observation or more, or anchored"),
        (lambda: walk_forward([0, 1], [0, 1], 1, 2, 1), "1 blocks of 2 observations, out of 2"),
    ],
)
def test_windows_that_do_not_fit_are_refused(call, message: str):
    with pytest.raises(SplitError, match=message):
        call()
