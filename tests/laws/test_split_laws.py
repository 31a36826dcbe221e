"""Law 4 on splits, over all pairs: nothing that learns meets what judges it, or its embargo. So no skill comes of nothing."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from barmill.errors import SplitError
from barmill.market import Timeframe
from barmill.splits import (
    CombinatorialPurgedCV,
    Holdout,
    PurgedKFold,
    SplitConfig,
    Splitter,
    WalkForward,
    cpcv_paths,
    holdout,
    purged_kfold,
    validation_slices,
)

MINUTE = Timeframe.parse("1m")


@dataclass(frozen=True)
class Spans:
    t0: np.ndarray
    t1: np.ndarray


@st.composite
def labels(draw, min_size: int = 1, max_size: int = 60):
    """In order of t0, with gaps and ties between decisions, and ends in any order."""
    steps = draw(st.lists(st.integers(0, 4), min_size=min_size, max_size=max_size))
    lengths = draw(st.lists(st.integers(0, 12), min_size=len(steps), max_size=len(steps)))
    t0 = np.cumsum(steps)
    return Spans(t0, t0 + np.array(lengths))


def meets(spans: Spans, some: np.ndarray, others: np.ndarray) -> bool:
    """Any pair of labels that shares a bar."""
    return any(spans.t0[i] <= spans.t1[j] and spans.t1[i] >= spans.t0[j] for i in some for j in others)


def begins_within(spans: Spans, later: np.ndarray, earlier: np.ndarray, embargo: int) -> bool:
    """Any later label that begins no more than `embargo` bars after the latest end of an earlier one."""
    return bool(later.size and earlier.size and spans.t0[later].min() <= spans.t1[earlier].max() + embargo)


@given(spans=labels(min_size=20), purge=st.integers(0, 15), embargo=st.integers(0, 12))
@settings(max_examples=200, deadline=None)
def test_no_block_of_a_holdout_meets_another_or_its_embargo(spans: Spans, purge: int, embargo: int):
    config = SplitConfig(train=0.5, validation=0.25, test=0.25, purge=purge, embargo=embargo)
    try:
        parts = holdout(spans, config, MINUTE)
    except SplitError:
        assume(False)
        return
    for earlier, later in ((parts.train, parts.validation), (parts.train, parts.test), (parts.validation, parts.test)):
        assert not meets(spans, earlier, later)
        assert not begins_within(spans, later, earlier, embargo)
        # at least `purge` bars are counted for each label, whenever it ended
        assert spans.t0[earlier].max() + purge < spans.t0[later].min()
    blocks = np.concatenate([parts.train, parts.validation, parts.test])
    assert np.array_equal(blocks, np.unique(blocks))
    assert blocks.size + sum(parts.dropped.values()) == spans.t0.size


@given(spans=labels(min_size=12), data=st.data())
@settings(max_examples=200, deadline=None)
def test_no_slice_holds_a_label_that_meets_a_later_slice(spans: Spans, data: st.DataObject):
    positions = np.array(sorted(data.draw(st.sets(st.integers(0, spans.t0.size - 1), min_size=6))))
    try:
        slices = list(validation_slices(spans, positions, {"a": 0.4, "b": 0.35, "c": 0.25}).values())
    except SplitError:
        assume(False)
        return
    for number, earlier in enumerate(slices):
        assert np.isin(earlier, positions).all()
        for later in slices[number + 1 :]:
            assert earlier[-1] < later[0]
            assert not meets(spans, earlier, later)


@given(spans=labels(min_size=6), n_splits=st.integers(2, 6), embargo=st.integers(0, 10))
@settings(max_examples=200, deadline=None)
def test_no_training_label_of_a_fold_meets_a_test_label_or_its_embargo(spans: Spans, n_splits: int, embargo: int):
    tested = []
    for train, test in purged_kfold(spans.t0, spans.t1, n_splits, embargo):
        assert not meets(spans, train, test)
        after = train[train > test[-1]]
        assert not begins_within(spans, after, test, embargo)
        tested.append(test)
    assert np.array_equal(np.concatenate(tested), np.arange(spans.t0.size))


SPLITTERS = [
    PurgedKFold(n_splits=4, purge=2, embargo=3),
    CombinatorialPurgedCV(n_groups=5, n_test_groups=2, purge=2, embargo=3),
    CombinatorialPurgedCV(n_groups=4, n_test_groups=3),
    WalkForward(train_size=20, test_size=6, purge=2, embargo=3),
    WalkForward(train_size=12, test_size=5, anchored=True),
    Holdout(test_size=0.3, purge=2, embargo=3),
]


@pytest.mark.parametrize("splitter", SPLITTERS, ids=lambda each: f"{type(each).__name__}-{each.purge}-{each.embargo}")
@given(spans=labels(min_size=30))
@settings(max_examples=40, deadline=None)
def test_no_training_label_of_any_splitter_meets_a_test_label_or_its_embargo(splitter: Splitter, spans: Spans):
    try:
        folds = list(splitter.folds(spans))
    except SplitError:
        assume(False)
        return
    longer = Spans(spans.t0, np.maximum(spans.t1, spans.t0 + splitter.purge))
    for fold in folds:
        train, test = fold.train.positions(), fold.test.positions()
        assert not meets(longer, train, test)
        for start, stop in fold.test:
            run = np.arange(start, stop)
            assert not begins_within(longer, train[train >= stop], run, splitter.embargo)
            if isinstance(splitter, WalkForward | Holdout):  # there the training lies before, and so does the embargo
                assert not begins_within(longer, run, train, splitter.embargo)


def _nearest_forecasts(feature: np.ndarray, outcome: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The mean outcome of the four training rows that look most alike."""
    nearest = np.argpartition(np.abs(feature[test][:, None] - feature[train]), 4, axis=1)[:, :4]
    return outcome[train][nearest].mean(axis=1)


def _path_correlation(horizon: int, purged: bool, seed: int) -> float:
    """Correlation of forecast and outcome along the path, where returns are noise and the feature drifts slowly, as prices do."""
    n = 300
    rng = np.random.default_rng(seed)
    returns, feature = rng.normal(size=n + horizon), np.arange(n) + rng.normal(size=n)
    price = np.concatenate([[0.0], np.cumsum(returns)])
    outcome = (price[horizon:] - price[:-horizon])[:n]
    # The trap: with few large folds an unpurged split looks clean, because most of its rows have no neighbour that trains.
    n_groups = n // max(2, horizon // 2)
    t0 = np.arange(n)
    folds = CombinatorialPurgedCV(n_groups=n_groups, n_test_groups=1).folds(Spans(t0, t0 + (horizon if purged else 0)))
    forecasts = [_nearest_forecasts(feature, outcome, fold.train.positions(), fold.test.positions()) for fold in folds]
    (path,) = cpcv_paths(forecasts, n_groups, 1)
    return float(np.corrcoef(path, outcome)[0, 1])


@pytest.mark.parametrize("horizon", [5, 20])
def test_features_without_information_score_like_chance_however_much_labels_overlap(horizon: int):
    def mean_in_standard_errors(purged: bool) -> float:
        scores = np.array([_path_correlation(horizon, purged, seed) for seed in range(40)])
        return scores.mean() / (scores.std(ddof=1) / np.sqrt(scores.size))

    assert mean_in_standard_errors(purged=True) < 3
    assert mean_in_standard_errors(purged=False) > 20  # the same features look skilled without purging: the test has power
