"""One purge, judged by the definition over all pairs and by another library where the two agree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import SplitError
from barmill.splits import purge, purge_embargo


@st.composite
def observations(draw, max_size: int = 24):
    """Labels in order of t0, with gaps and ties, whose ends come in any order."""
    steps = draw(st.lists(st.integers(0, 3), min_size=1, max_size=max_size))
    # mostly short, so that blocks stay apart, and some so long that they reach over one
    length = st.one_of(st.just(0), st.just(0), st.integers(0, 25))
    lengths = draw(st.lists(length, min_size=len(steps), max_size=len(steps)))
    t0 = np.cumsum(steps)
    return t0, t0 + np.array(lengths)


def slow_purge_embargo(t0, t1, test: set[int], embargo: int) -> list[int]:
    """Section 4 of the definitions, sentence by sentence."""
    runs, run = [], []
    for i in range(len(t0)):
        if i in test:
            run.append(i)
        elif run:
            runs.append(run)
            run = []
    if run:
        runs.append(run)
    kept = []
    for i in range(len(t0)):
        if i in test:
            continue
        for run in runs:
            lo, hi = min(t0[j] for j in run), max(t1[j] for j in run)
            if t0[i] <= hi + embargo and t1[i] >= lo:
                break
        else:
            kept.append(i)
    return kept


@given(drawn=observations(), embargo=st.integers(0, 8), data=st.data())
@settings(max_examples=300, deadline=None)
def test_what_is_kept_is_what_the_definition_keeps(drawn, embargo, data):
    t0, t1 = drawn
    test = data.draw(st.sets(st.integers(0, len(t0) - 1)))
    order = data.draw(st.permutations(sorted(test)))
    kept = purge_embargo(t0, t1, np.array(order, dtype=np.int64), embargo)
    assert kept.tolist() == slow_purge_embargo(t0, t1, test, embargo)


@given(drawn=observations(), embargo=st.integers(0, 8), data=st.data())
@settings(max_examples=150, deadline=None)
def test_purge_is_the_and_over_its_blocks(drawn, embargo, data):
    t0, t1 = drawn
    spans = data.draw(st.lists(st.tuples(st.integers(0, int(t1.max())), st.integers(0, 20)), max_size=5))
    blocks = [(first, first + length) for first, length in spans]
    train = np.array(data.draw(st.permutations(range(len(t0)))), dtype=np.int64)
    keep = np.ones(train.size, dtype=bool)
    for first, last in blocks:
        keep &= (t1[train] < first) | (t0[train] > last + embargo)
    np.testing.assert_array_equal(purge(train, blocks, t0, t1, embargo), train[keep])


def test_a_block_inside_another_does_not_shorten_it():
    t0 = np.arange(12)
    assert purge(t0, [(4, 5), (2, 8)], t0, t0, 1).tolist() == [0, 1, 10, 11]


def test_touching_counts_and_so_does_the_last_bar_of_the_embargo():
    t0 = np.array([0, 5, 8, 10, 12, 13])
    t1 = np.array([4, 5, 9, 11, 12, 13])
    # the test label spans 5..5: label 0 ends at 4 and stays; an embargo of 3 reaches bar 8, which begins label 2
    assert purge_embargo(t0, t1, [1], 3).tolist() == [0, 3, 4, 5]
    assert purge_embargo(t0, np.where(t0 == 0, 5, t1), [1], 2).tolist() == [2, 3, 4, 5]


def test_the_latest_end_of_a_run_counts_not_that_of_its_last_label():
    t0 = np.arange(6)
    t1 = np.array([0, 4, 2, 3, 4, 5])
    # the run is labels 1 and 2; label 1 ends at 4, after label 2
    assert purge_embargo(t0, t1, [1, 2], 0).tolist() == [0, 5]


def test_one_long_label_among_short_ones_makes_no_other_label_longer():
    t0 = np.arange(12)
    t1 = np.where(t0 == 0, 9, t0)
    assert purge(t0, [(3, 3), (6, 6)], t0, t1).tolist() == [1, 2, 4, 5, 7, 8, 9, 10, 11]
    assert purge_embargo(t0, t1, [3, 6], 0).tolist() == [1, 2, 4, 5, 7, 8, 9, 10, 11]


def test_what_lies_free_between_two_runs_is_kept():
    t0 = np.arange(9)
    assert purge_embargo(t0, t0, [0, 8], 2).tolist() == [3, 4, 5, 6, 7]


def test_a_label_that_spans_the_run_is_dropped():
    assert purge_embargo([0, 5, 30], [20, 6, 31], [1], 0).tolist() == [2]


@pytest.mark.parametrize("length", [0, 5])
@pytest.mark.parametrize("embargo", [0, 7])
def test_labels_of_one_length_are_kept_as_skfolio_keeps_them(length: int, embargo: int):
    # skfolio counts purge and embargo in rows; with a label on each bar and one length for all this is the same thing.
    # Where labels differ in length or bars are left out it has no label ends to go by, and the two part.
    from skfolio.model_selection import CombinatorialPurgedCV

    t0 = np.arange(120)
    splits = CombinatorialPurgedCV(n_folds=6, n_test_folds=2, purged_size=length, embargo_size=embargo)
    n_splits = 0
    for train, test in splits.split(np.zeros((120, 2))):
        ours = purge_embargo(t0, t0 + length, np.concatenate(test), embargo)
        np.testing.assert_array_equal(ours, np.sort(train))
        n_splits += 1
    assert n_splits == 15


def test_many_runs_cost_no_loop_over_them():
    t0 = np.arange(400_000)
    kept = purge_embargo(t0, t0, t0[::4], 1)
    np.testing.assert_array_equal(kept, np.flatnonzero(t0 % 4 > 1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: purge([0], [(0, 1)], [0], [1], -1), "embargo: -1; expected 0 or more bars"),
        (lambda: purge([0], [(0, 1), (5, 4)], [0], [1]), "blocks: bars 5 to 4"),
        (lambda: purge([0], [], [3], [2]), "label 0: ends at bar 2 and begins at bar 3"),
        (lambda: purge_embargo([0, 2, 1], [3, 3, 3], [0], 0), r"t0\[2\]: 1 after 2, labels out of order; expected observations in order"),
        (lambda: purge_embargo([0, 1], [3, 3], [2], 0), "test: positions 2 to 2; expected positions from 0 to 1"),
        (lambda: purge_embargo([0, 1], [3], [0], 0), r"t1: an array of shape \(1,\)"),
        (lambda: purge_embargo([0.0], [3.0], [0], 0), "type float64"),
    ],
)
def test_what_cannot_be_purged_is_refused(call, message: str):
    with pytest.raises(SplitError, match=message):
        call()
