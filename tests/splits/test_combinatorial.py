"""Combinatorial purged cross-validation against the definition over all pairs, another library, and itself as arrays."""

import tracemalloc
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from barmill.errors import ShapeError, SplitError
from barmill.splits import (
    CPCV,
    CombinatorialPurgedCV,
    PurgedKFold,
    cpcv_counts,
    cpcv_path_ids,
    cpcv_paths,
    cpcv_splits,
    purge_embargo,
)


@dataclass(frozen=True)
class Spans:
    t0: np.ndarray
    t1: np.ndarray


@st.composite
def labels(draw, min_size: int = 12, max_size: int = 40):
    """In order of t0, with gaps and ties, and ends in any order."""
    steps = draw(st.lists(st.integers(0, 4), min_size=min_size, max_size=max_size))
    lengths = draw(st.lists(st.integers(0, 12), min_size=len(steps), max_size=len(steps)))
    t0 = np.cumsum(steps)
    return Spans(t0, t0 + np.array(lengths))


def slow_splits(spans: Spans, n_groups: int, n_test_groups: int, embargo: int):
    """Sections 4 of the definitions, sentence by sentence, over all pairs of a label and a run."""
    n = spans.t0.size
    groups = [list(map(int, part)) for part in np.array_split(np.arange(n), n_groups)]
    for chosen in combinations(range(n_groups), n_test_groups):
        test = sorted(i for group in chosen for i in groups[group])
        runs: list[list[int]] = []
        for i in test:
            if runs and runs[-1][-1] == i - 1:
                runs[-1].append(i)
            else:
                runs.append([i])
        zones = [(min(spans.t0[j] for j in run), max(spans.t1[j] for j in run)) for run in runs]
        free = [i for i in range(n) if i not in set(test)]
        yield [i for i in free if not any(spans.t0[i] <= hi + embargo and spans.t1[i] >= lo for lo, hi in zones)], test


@given(spans=labels(), n_groups=st.integers(2, 6), data=st.data(), embargo=st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_splits_are_those_of_the_definition(spans: Spans, n_groups: int, data: st.DataObject, embargo: int):
    n_test_groups = data.draw(st.integers(1, n_groups - 1))
    ours = [(train.tolist(), test.tolist()) for train, test in cpcv_splits(spans.t0, spans.t1, n_groups, n_test_groups, embargo)]
    assert ours == list(slow_splits(spans, n_groups, n_test_groups, embargo))


@given(spans=labels(min_size=30), purge=st.integers(0, 3), embargo=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_ranges_hold_the_positions_that_the_arrays_hold(spans: Spans, purge: int, embargo: int):
    cv = CombinatorialPurgedCV(n_groups=5, n_test_groups=2, purge=purge, embargo=embargo)
    longer = np.maximum(spans.t1, spans.t0 + purge)
    splits = list(cpcv_splits(spans.t0, longer, 5, 2, embargo))
    assume(all(train.size for train, _ in splits))
    for fold, (train, test) in zip(cv.folds(spans), splits, strict=True):
        np.testing.assert_array_equal(fold.train.positions(), train)
        np.testing.assert_array_equal(fold.test.positions(), test)
        np.testing.assert_array_equal(train, purge_embargo(spans.t0, longer, test, embargo))


@pytest.mark.parametrize(("n_groups", "n_test_groups"), [(4, 1), (6, 2), (6, 3), (10, 2), (5, 4)])
def test_every_path_holds_every_observation_once(n_groups: int, n_test_groups: int):
    t0 = np.arange(53)
    n_splits, n_paths = cpcv_counts(n_groups, n_test_groups)
    splits = list(cpcv_splits(t0, t0, n_groups, n_test_groups, 0))
    # each forecast tells the position that it is for, and the split that made it
    forecasts = [np.stack([test, np.full(test.size, number)], axis=1) for number, (_, test) in enumerate(splits)]
    paths = cpcv_paths(forecasts, n_groups, n_test_groups)
    assert paths.shape == (n_paths, 53, 2)
    assert len(splits) == n_splits
    for path in paths:
        np.testing.assert_array_equal(path[:, 0], t0)
        for position, number in path.astype(int):
            assert position not in splits[number][0]
    used = {(int(number), int(position)) for path in paths for position, number in path}
    assert len(used) == n_paths * 53  # no piece serves two paths


def test_path_ids_by_hand():
    # groups 0 1 2 3; of the splits that test group 1, (0, 1) is the first, (1, 2) the second, (1, 3) the third
    assert list(combinations(range(4), 2))[3] == (1, 2)
    assert cpcv_path_ids(4, 2).tolist() == [[0, 0], [1, 0], [2, 0], [1, 1], [2, 1], [2, 2]]


@pytest.mark.parametrize(("n_folds", "n_test", "length", "embargo"), [(6, 2, 5, 7), (5, 3, 0, 4), (10, 2, 3, 0)])
def test_splits_and_paths_are_those_of_skfolio_where_labels_have_one_length(n_folds: int, n_test: int, length: int, embargo: int):
    # skfolio purges and embargoes by rows: with a label on each bar, all as long, that is the same. It has no label ends, so
    # where labels differ in length the two part; and its test sets come as one array for each group.
    from skfolio.model_selection import CombinatorialPurgedCV as Theirs

    n = 240
    theirs = Theirs(n_folds=n_folds, n_test_folds=n_test, purged_size=length, embargo_size=embargo)
    ours = CombinatorialPurgedCV(n_groups=n_folds, n_test_groups=n_test, purge=length, embargo=embargo)
    assert ours.get_n_splits() == theirs.n_splits
    assert ours.n_paths == theirs.n_test_paths
    np.testing.assert_array_equal(ours.path_ids, theirs.get_path_ids())
    for (train, test), (their_train, their_tests) in zip(ours.split(np.zeros((n, 1))), theirs.split(np.zeros((n, 2))), strict=True):
        np.testing.assert_array_equal(train, np.sort(their_train))
        np.testing.assert_array_equal(test, np.concatenate(their_tests))


def test_one_test_group_is_k_fold():
    rng = np.random.default_rng(1)
    t0 = np.cumsum(rng.integers(0, 3, 90))
    spans = Spans(t0, t0 + rng.integers(0, 9, 90))
    one = CombinatorialPurgedCV(n_groups=6, n_test_groups=1, embargo=4).folds(spans)
    for fold, other in zip(one, PurgedKFold(n_splits=6, embargo=4).folds(spans), strict=True):
        np.testing.assert_array_equal(fold.train.bounds, other.train.bounds)
        np.testing.assert_array_equal(fold.test.bounds, other.test.bounds)


def test_adjacent_test_groups_are_one_run_and_separate_ones_two():
    spans = Spans(np.arange(12), np.arange(12))
    folds = {fold.test_groups: fold for fold in CombinatorialPurgedCV(n_groups=4, n_test_groups=2).folds(spans)}
    assert folds[1, 2].test.bounds.tolist() == [[3, 9]]
    assert folds[0, 2].test.bounds.tolist() == [[0, 3], [6, 9]]
    assert folds[0, 2].train.positions().tolist() == [3, 4, 5, 9, 10, 11]


def test_an_embargo_longer_by_one_drops_one_label_more():
    spans = Spans(np.arange(100), np.arange(100) + 3)
    kept = [len(next(CombinatorialPurgedCV(n_groups=5, n_test_groups=1, embargo=embargo).folds(spans)).train) for embargo in (6, 7)]
    # the first group ends at bar 19, its labels at bar 22: with an embargo of 6 the first that may train begins at bar 29
    assert kept == [71, 70]


def test_a_million_labels_take_no_copies():
    rng = np.random.default_rng(0)
    n = 1_000_000
    t0 = np.arange(n)
    spans = Spans(t0, t0 + rng.integers(1, 61, n))
    cv = CombinatorialPurgedCV(n_groups=10, n_test_groups=2, embargo=1440)
    tracemalloc.start()
    try:
        folds = list(cv.folds(spans))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(folds) == 45
    assert peak < 4 * 2**20  # 45 pairs of index arrays would be 340 MiB
    assert all(fold.train.bounds.shape[0] < 200 for fold in folds)


def test_shares_of_the_sample_are_whole_bars():
    # 0.29 of 100 is 29, though a double says 28.999...
    X = np.zeros((100, 2))
    plain = CombinatorialPurgedCV(n_groups=5, n_test_groups=2, purge=1, embargo=29)
    for (train, test), (other, same) in zip(CPCV(5, embargo_pct=0.29, purge_pct=0.01).split(X), plain.split(X), strict=True):
        np.testing.assert_array_equal(train, other)
        np.testing.assert_array_equal(test, same)
    assert CPCV().get_n_splits() == 10
    assert next(CPCV().folds(Spans(np.arange(500), np.arange(500)))).test_groups == (0, 1)


def test_times_are_taken_third_and_must_ascend():
    X, y, times = np.zeros((100, 1)), np.zeros(100), np.arange("2024-01-01", "2024-04-10", dtype="datetime64[D]")
    splits = list(CPCV(n_splits=5, embargo_pct=0.01, purge_pct=0.01).split(X, y, times))
    assert len(splits) == 10
    with pytest.raises(SplitError, match="rows in the order of time"):
        CPCV().split(X, y, times[::-1])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cpcv_counts(4, 4), SplitError, "4 of 4 groups"),
        (lambda: cpcv_counts(4, 0), SplitError, "0 of 4 groups"),
        (lambda: CombinatorialPurgedCV(n_groups=2, n_test_groups=2), SplitError, "fewer than there are groups"),
        (lambda: CombinatorialPurgedCV(embargo=-1), SplitError, "CombinatorialPurgedCV.embargo: -1; expected 0 or more bars"),
        (lambda: CombinatorialPurgedCV(purge=0.5), SplitError, "CombinatorialPurgedCV.purge: 0.5"),
        (lambda: CombinatorialPurgedCV(t0=np.arange(3)), SplitError, "by halves"),
        (lambda: CPCV(embargo_pct=1.0), SplitError, "embargo_pct: 1.0; expected a share"),
        (lambda: cpcv_splits([0, 1], [0, 1], 3, 1, 0), SplitError, "3 folds of 2 observations"),
        (lambda: cpcv_splits([0, 1, 2], [0, 1, 2], 3, 1, -1), SplitError, "cpcv.embargo_bars: -1"),
        (lambda: cpcv_paths([np.zeros(2)], 2, 1), ShapeError, "forecasts of 1 splits; expected an array for each of 2 splits"),
        (lambda: cpcv_paths([np.zeros(2), np.zeros(4)], 2, 1), ShapeError, r"forecasts\[0\]: an array of shape \(2,\); expected \(3,\)"),
        (lambda: next(CombinatorialPurgedCV(n_groups=3, embargo=50).split(np.zeros(30))), SplitError, "split 0: .* nothing to train on"),
        (lambda: CombinatorialPurgedCV(t0=[0, 1], t1=[0, 1]).split(np.zeros(3)), SplitError, "3 rows, and the spans of 2 labels"),
    ],
)
def test_what_cannot_be_combined_is_refused(call, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        call()
