"""Purged k-fold: folds of the definition, and a train side that is purged."""

import numpy as np
import pytest

from barmill.errors import SplitError
from barmill.splits import purge_embargo, purged_kfold


@pytest.mark.parametrize(("n", "n_splits", "sizes"), [(10, 3, [4, 3, 3]), (11, 3, [4, 4, 3]), (6, 6, [1] * 6), (9, 3, [3, 3, 3])])
def test_the_first_folds_have_one_more(n: int, n_splits: int, sizes: list[int]):
    t0 = np.arange(n)
    folds = [test for _, test in purged_kfold(t0, t0, n_splits, 0)]
    assert [fold.size for fold in folds] == sizes
    np.testing.assert_array_equal(np.concatenate(folds), t0)


def test_train_is_what_purge_embargo_keeps():
    rng = np.random.default_rng(0)
    t0 = np.cumsum(rng.integers(0, 3, 80))
    t1 = t0 + rng.integers(0, 15, 80)
    for train, test in purged_kfold(t0, t1, 5, 4):
        np.testing.assert_array_equal(train, purge_embargo(t0, t1, test, 4))


def test_by_hand():
    t0 = np.arange(9)
    splits = [(train.tolist(), test.tolist()) for train, test in purged_kfold(t0, t0 + 1, 3, 1)]
    assert splits == [([5, 6, 7, 8], [0, 1, 2]), ([0, 1, 8], [3, 4, 5]), ([0, 1, 2, 3, 4], [6, 7, 8])]


@pytest.mark.parametrize(("n_splits", "embargo", "message"), [(1, 0, "1 folds of 5"), (6, 0, "6 folds of 5 observations"), (2, -1, "-1")])
def test_what_cannot_be_folded_is_refused_at_the_call(n_splits: int, embargo: int, message: str):
    with pytest.raises(SplitError, match=message):
        purged_kfold(np.arange(5), np.arange(5), n_splits, embargo)
