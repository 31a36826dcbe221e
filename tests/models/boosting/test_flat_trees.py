"""What a walk may be given, and that serving trees takes none of the libraries that grew them."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from barmill.errors import ShapeError
from barmill.models.boosting.flat_trees import FlatTrees, Grown, at_most, below, check_alike

FINITE32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(x=hnp.arrays(np.float32, 8, elements=FINITE32), t=st.floats(allow_nan=False, allow_infinity=False))
def test_a_threshold_rounded_down_asks_the_same_of_every_float32(x, t) -> None:
    asked = at_most(np.array([t]))
    near = np.array([asked[0], np.float32(min(max(t, -3e38), 3e38))])
    for row in (x, near):
        np.testing.assert_array_equal(row <= asked, row.astype(np.float64) <= t)


@given(x=hnp.arrays(np.float32, 8, elements=FINITE32), t=FINITE32)
def test_at_most_the_number_before_is_below(x, t) -> None:
    t = np.float32(t)
    for row in (x, np.array([t, -t, 0.0, -0.0], dtype=np.float32)):
        np.testing.assert_array_equal(row <= below(np.array([t])), row < t)


def _one_question(**changes) -> Grown:
    whole = Grown(
        feature=np.array([1, -1, -1]),
        threshold=np.array([0.5, 0, 0], dtype=np.float32),
        left=np.array([1, 0, 0]),
        right=np.array([2, 0, 0]),
        value=np.array([0.0, 1.0, 2.0]),
        roots=np.array([0]),
        base=np.zeros(1),
        n_features=2,
    )
    return whole._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"feature": np.array([2, -1, -1])}, "asks for feature 2 of 2"),
        ({"left": np.array([2, 0, 0])}, "once"),
        ({"left": np.array([0, 0, 0])}, "meet again"),
        ({"right": np.array([3, 0, 0])}, "lead nowhere"),
        ({"right": np.array([-1, 0, 0])}, "lead nowhere"),
        ({"value": np.array([0.0, np.nan, 2.0])}, "not a number"),
        ({"threshold": np.array([np.nan, 0, 0], dtype=np.float32)}, "not a number"),
        ({"roots": np.array([0, 1])}, "meet again"),
        ({"roots": np.array([], dtype=np.int64)}, "0 trees"),
        ({"base": np.zeros(2)}, "1 trees of 2 scores"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(changes, told: str) -> None:
    assert FlatTrees.pack(_one_question()).scores(np.zeros((1, 2), dtype=np.float32)) == 1.0
    with pytest.raises(ValueError, match=told):
        FlatTrees.pack(_one_question(**changes))


def test_rows_of_another_width_never_reach_the_walk() -> None:
    trees = FlatTrees.pack(_one_question())
    for rows in (np.zeros((4, 3), dtype=np.float32), np.zeros((4, 1), dtype=np.float32), np.zeros(2, dtype=np.float32)):
        with pytest.raises(ShapeError):
            trees.scores(rows)
    for x, out in ((np.zeros(3, dtype=np.float32), np.zeros(1)), (np.zeros(2, dtype=np.float32), np.zeros(2))):
        with pytest.raises(ShapeError):
            trees.bound(x, out)()
    with pytest.raises(ValueError, match="boosters of 2 and 3 features"):
        check_alike([trees, FlatTrees.pack(_one_question(n_features=3))])


@pytest.mark.parametrize("n", [1, 7, 8, 9, 31, 32, 33, 100])
def test_a_row_has_the_same_bits_in_every_batch(n: int) -> None:
    trees = FlatTrees.pack(_one_question(base=np.array([0.1])))
    rows = np.random.default_rng(n).standard_normal((n, 2)).astype(np.float32)
    np.testing.assert_array_equal(trees.scores(rows), 0.1 + np.where(rows[:, 1] > 0.5, 2.0, 1.0))


@pytest.mark.parametrize("module", ["boosting.forecasters", "boosting.catboost_forecaster", "expert.forecasters"])
def test_serving_trees_loads_no_library_that_grew_them(module: str) -> None:
    code = f"import sys, barmill.models.{module}; sys.exit(any(name in sys.modules for name in ('lightgbm', 'xgboost', 'catboost')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
