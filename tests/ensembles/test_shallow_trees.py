"""LightGBM judges the walk through its trees: the same scores to the bit, whatever was grown."""

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.ensembles.shallow_trees import read_lightgbm

OBJECTIVES = {"binary": {"objective": "binary"}, "three": {"objective": "multiclass", "num_class": 3}, "returns": {"objective": "l2"}}


def grown(objective: str, seed: int, n: int = 300, k: int = 5, **settings):
    """A booster on rows of `k` columns, one of which has few values, so that thresholds tie with them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k)).astype(np.float32)
    x[:, 0] = np.round(x[:, 0])
    score = x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=n)
    y = score if objective == "returns" else np.digitize(score, [-0.5, 0.5] if objective == "three" else [0.0])
    given = {"num_threads": 1, "verbosity": -1, "min_child_samples": 10, "max_depth": 3, **OBJECTIVES[objective], **settings}
    return lgb.train(given, lgb.Dataset(x, y), 12), x


def text_of(booster) -> str:
    return booster.model_to_string().partition("\nparameters:\n")[0]


@settings(max_examples=25)
@given(
    objective=st.sampled_from(sorted(OBJECTIVES)), seed=st.integers(0, 2**31), depth=st.sampled_from([1, 2, 3, -1]), n=st.integers(1, 600)
)
def test_scores_are_lightgbms_to_the_bit(objective, seed, depth, n):
    booster, _ = grown(objective, seed, max_depth=depth)
    _, new = grown(objective, seed + 1, n=max(n, 60))
    new = new[:n]
    (found,) = read_lightgbm([text_of(booster)]).apply(new.astype(np.float64))
    np.testing.assert_array_equal(found, booster.predict(new, raw_score=True))


def test_several_boosters_are_walked_together():
    up, x = grown("three", 1)
    returns, _ = grown("returns", 2)
    trees = read_lightgbm([text_of(up), text_of(returns)])
    assert (trees.n_scores, trees.n_features) == ((3, 1), 5)
    for found, booster in zip(trees.apply(x.astype(np.float64)), (up, returns), strict=True):
        np.testing.assert_array_equal(found, booster.predict(x, raw_score=True))


@pytest.mark.parametrize("n", [0, 1, 7])
def test_trees_that_ask_nothing_say_one_number(n):
    booster, x = grown("returns", 3, min_child_samples=1000)
    assert "num_leaves=1" in text_of(booster)
    (found,) = read_lightgbm([text_of(booster)]).apply(x[:n].astype(np.float64))
    np.testing.assert_array_equal(found, booster.predict(x, raw_score=True)[:n])


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: "",
        lambda text: text.replace("version=v4", "version=v9"),
        lambda text: text.split("\n\nTree=0")[0],
        lambda text: text.replace("num_cat=0", "num_cat=1"),
        lambda text: text.replace("is_linear=0", "is_linear=1"),
        lambda text: text.replace("decision_type=2", "decision_type=10"),
        lambda text: text.replace("split_feature=", "split_feature=9 "),
        lambda text: text.replace("left_child=1", "left_child=0"),
        lambda text: text.replace("right_child=", "right_child=-1 "),
        lambda text: text.replace("leaf_value=", "leaf_value=nan "),
        lambda text: text.replace("max_feature_idx=4", "max_feature_idx=1"),
        lambda text: text.replace("num_tree_per_iteration=1", "num_tree_per_iteration=5"),
    ],
)
def test_another_text_is_refused(alter):
    text = text_of(grown("binary", 0)[0])
    assert alter(text) != text
    with pytest.raises((ValueError, KeyError)):
        read_lightgbm([alter(text)])


def test_boosters_of_other_columns_are_refused():
    with pytest.raises(ValueError, match="columns"):
        read_lightgbm([text_of(grown("binary", 0)[0]), text_of(grown("returns", 0, k=6)[0])])
