"""Uniqueness by prefix sums equals the mean over each label's bars, to the last digits."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import LabelError, ShapeError
from barmill.labels import average_uniqueness, concurrency


@st.composite
def spans(draw):
    n_bars = draw(st.integers(1, 60))
    starts = np.array(draw(st.lists(st.integers(0, n_bars - 1), max_size=20)), dtype=np.int64)
    lengths = np.array(draw(st.lists(st.integers(0, 30), min_size=starts.size, max_size=starts.size)), dtype=np.int64)
    return starts, np.minimum(starts + lengths, n_bars - 1), n_bars


@given(spans())
@settings(max_examples=200, deadline=None)
def test_uniqueness_is_the_mean_of_the_inverse_concurrency(drawn):
    t0, t1, n_bars = drawn
    alive = [sum(int(first <= t <= last) for first, last in zip(t0, t1, strict=True)) for t in range(n_bars)]
    exact = [
        float(sum(Fraction(1, alive[t]) for t in range(first, last + 1)) / int(last - first + 1))
        for first, last in zip(t0, t1, strict=True)
    ]
    assert concurrency(t0, t1, n_bars).tolist() == alive
    np.testing.assert_allclose(average_uniqueness(t0, t1, n_bars), exact, rtol=1e-15)


def test_a_label_alone_is_unique_and_twins_share():
    assert average_uniqueness([0, 5, 5], [3, 8, 8], 10).tolist() == [1.0, 0.5, 0.5]


def test_half_overlapping_labels_by_hand():
    # bars 0..3 and 2..5: concurrency 1 1 2 2 1 1
    assert concurrency([0, 2], [3, 5], 7).tolist() == [1, 1, 2, 2, 1, 1, 0]
    assert average_uniqueness([0, 2], [3, 5], 7).tolist() == [0.75, 0.75]


def test_digits_survive_a_million_bars():
    n_bars = 1_000_000
    t0 = np.arange(n_bars - 60)
    t1 = t0 + np.random.default_rng(0).integers(1, 60, t0.size)
    inverse = 1.0 / np.maximum(concurrency(t0, t1, n_bars), 1)
    fast = average_uniqueness(t0, t1, n_bars)
    for label in np.r_[0:20, t0.size - 1000 : t0.size : 37]:
        slow = math.fsum(inverse[t0[label] : t1[label] + 1]) / int(t1[label] - t0[label] + 1)
        assert fast[label] == pytest.approx(slow, rel=1e-14)


def test_no_labels_leave_every_bar_alone():
    empty = np.empty(0, dtype=np.int64)
    assert concurrency(empty, empty, 3).tolist() == [0, 0, 0]
    assert average_uniqueness(empty, empty, 3).size == 0


@pytest.mark.parametrize(
    ("t0", "t1", "error", "message"),
    [
        ([0, 3], [1, 2], LabelError, "label 1: bars 3 to 2; expected 0 <= t0 <= t1 < 5"),
        ([0], [5], LabelError, "label 0: bars 0 to 5"),
        ([-1], [0], LabelError, "label 0: bars -1 to 0"),
        ([0, 1], [1], ShapeError, r"t1: an array of shape \(1,\)"),
        ([0.5], [1.5], ShapeError, "t0: .*type float64"),
    ],
)
def test_spans_that_cannot_be_are_refused(t0, t1, error, message: str):
    with pytest.raises(error, match=message):
        average_uniqueness(t0, t1, 5)


def test_arrays_that_cannot_be_written_to_are_read():
    t0, t1 = np.array([0, 2]), np.array([3, 5])
    t0.flags.writeable = t1.flags.writeable = False
    assert average_uniqueness(t0, t1, 7).tolist() == [0.75, 0.75]
