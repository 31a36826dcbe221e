import numpy as np

from barmill.ensembles.fold_information import fold_jumps
from planted_members import planted


def in_folds(n=4000, n_folds=5):
    return np.repeat(np.arange(n_folds), n // n_folds)


def walk(n, seed):
    return np.cumsum(np.random.default_rng(seed).normal(size=n)) / np.sqrt(n)


def test_honest_forecasts_that_drift_do_not_tell_their_fold():
    """Over many markets p is small as rarely as it should be, though folds of a random walk differ widely."""
    fold, small = in_folds(), 0
    for seed in range(60):
        members, rows = planted(4000, [0.5], outputs=("p_up",), seed=seed)
        drifting = rows._replace(said=[rows.said[0]._replace(p=1 / (1 + np.exp(-3 * walk(4000, seed))))])
        found = fold_jumps(members, drifting, fold)
        small += found["jumps"]["m0.p_up"]["p"] < 0.05
    assert small <= 8  # binomial, 60 and 0.05: more than 8 in 1 of 500


def test_a_level_of_its_own_in_each_fold_is_seen():
    members, rows = planted(4000, [0.5, 0.5], outputs=("p_up",), seed=1)
    fold = in_folds()
    odds = np.log(rows.said[1].p / (1 - rows.said[1].p)) + np.array([0.0, 1.5, -1.0, 1.0, -1.5])[fold]
    leaky = rows._replace(said=[rows.said[0], rows.said[1]._replace(p=1 / (1 + np.exp(-odds)))])
    found = fold_jumps(members, leaky, fold)
    assert found["jumps"]["m1.p_up"]["jump"] > 5
    assert found["jumps"]["m1.p_up"]["p"] < 0.01
    assert found["jumps"]["m0.p_up"]["p"] > 0.05
    assert found["words"].startswith("m1.p_up jumps")
    assert "its forecasts show which fold a row is from" in found["words"]
    assert "chance alone" in fold_jumps(members, rows, fold)["words"]


def test_points_within_folds_use_no_row_twice_and_cross_no_border():
    """Forecasts that jump at every border and nowhere else have no jump within folds at all."""
    members, rows = planted(1000, [0.5], outputs=("p_up",), seed=1)
    fold = in_folds(1000)
    level = rows._replace(said=[rows.said[0]._replace(p=np.array([0.4, 0.6, 0.3, 0.7, 0.5])[fold])])
    found = fold_jumps(members, level, fold)
    assert (found["rows_each_side"], found["borders"], found["points"]) == (20, 4, 20)
    assert found["jumps"]["m0.p_up"]["jump"] is None
    assert found["jumps"]["m0.p_up"]["p"] < 0.001
    assert found["words"].startswith("m0.p_up jumps where folds meet and nowhere else (p = 0.000)")
    beside = np.arange(1000) % 200  # of a fold of 200 rows, the first and the last 20 stand beside a border and are looked at there alone
    otherwise = np.where((beside < 20) | (beside >= 180), 0.55, level.said[0].p)
    assert fold_jumps(members, rows._replace(said=[rows.said[0]._replace(p=otherwise)]), fold)["jumps"] == {}
    silent = rows._replace(said=[rows.said[0]._replace(p=np.full(1000, 0.5))])
    assert fold_jumps(members, silent, fold)["words"].startswith("No forecast varies")


def test_few_rows_tell_nothing_and_say_so():
    members, rows = planted(100, [0.5], seed=1)
    for fold in (in_folds(100), np.zeros(100, np.int64)):
        found = fold_jumps(members, rows, fold)
        assert found["jumps"] == {}
        assert "too few to tell" in found["words"]
