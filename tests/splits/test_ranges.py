"""Ranges are sets of positions, told shortly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import SplitError
from barmill.splits import Ranges

positions = st.sets(st.integers(0, 40)).map(sorted)


@given(one=positions, other=positions)
@settings(max_examples=200, deadline=None)
def test_ranges_do_what_sets_do(one: list[int], other: list[int]):
    mine, theirs = Ranges.of(one), Ranges.of(other)
    assert len(mine) == len(one)
    assert mine.positions().tolist() == one
    assert mine.shared(theirs).positions().tolist() == sorted(set(one) & set(other))
    assert mine.without(theirs).positions().tolist() == sorted(set(one) - set(other))
    assert mine.outside(5, 30).positions().tolist() == sorted(set(range(5, 30)) - set(one))
    assert [position for start, stop in mine for position in range(start, stop)] == one


@given(pairs=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8))
@settings(max_examples=200, deadline=None)
def test_a_union_is_maximal_runs_of_whatever_it_is_given(pairs: list[tuple[int, int]]):
    union = Ranges.union([start for start, _ in pairs], [stop for _, stop in pairs])
    assert union.positions().tolist() == sorted({each for start, stop in pairs for each in range(start, stop)})
    assert all(later[0] > earlier[1] for earlier, later in zip(list(union), list(union)[1:], strict=False))


def test_ranges_of_positions_are_maximal_runs():
    assert Ranges.of([3, 4, 5, 9]).bounds.tolist() == [[3, 6], [9, 10]]
    assert Ranges.between(4, 4).bounds.shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Ranges(np.array([[0, 3], [2, 5]])), "overlap"),
        (lambda: Ranges(np.array([[3, 3]])), "empty"),
        (lambda: Ranges(np.array([[5, 6], [1, 2]])), "out of order"),
        (lambda: Ranges(np.array([0, 3])), "shape"),
        (lambda: Ranges(np.array([[0.0, 3.0]])), "type float64"),
        (lambda: Ranges.of([2, 2]), "2 after 2; expected each position once"),
        (lambda: Ranges.of([2, 1]), "1 after 2"),
        (lambda: Ranges.of([0.5]), "type float64"),
    ],
)
def test_what_is_no_range_is_refused(call, message: str):
    with pytest.raises(SplitError, match=message):
        call()
