"""LightGBM judges what is read from its text: the same scores to the bit, whatever was grown."""

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.models.boosting.lightgbm_text import read_lightgbm

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


def text_of(booster) -> bytes:
    return booster.model_to_string().partition("\nparameters:\n")[0].encode()


@settings(max_examples=25)
@given(
    objective=st.sampled_from(sorted(OBJECTIVES)), seed=st.integers(0, 2**31), depth=st.sampled_from([1, 2, 3, -1]), n=st.integers(1, 600)
)
def test_scores_are_lightgbms_to_the_bit(objective, seed, depth, n):
    booster, _ = grown(objective, seed, max_depth=depth)
    _, new = grown(objective, seed + 1, n=max(n, 60))
    new = new[:n]
    trees = read_lightgbm(text_of(booster))
    expected = booster.predict(new, raw_score=True)
    np.testing.assert_array_equal(trees.scores(new), expected)
    one = np.empty(trees.n_scores)
    for i in range(0, n, 37):
        trees.bound(new[i], one)()
        np.testing.assert_array_equal(one, expected[i])


@pytest.mark.parametrize("n", [0, 1, 7])
def test_trees_that_ask_nothing_say_one_number(n):
    booster, x = grown("returns", 3, min_child_samples=1000)
    assert "num_leaves=1" in text_of(booster).decode()
    np.testing.assert_array_equal(read_lightgbm(text_of(booster)).scores(x[:n]), booster.predict(x, raw_score=True)[:n])


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
        lambda text: text.replace("num_tree_per_iteration=1", "num_tree_per_iteration=0"),
        lambda text: text.replace("label_index", "average_output\nlabel_index"),
        lambda text: text.replace("split_feature=", "feature="),
        lambda text: text.replace("num_leaves=", "num_leaves=9"),
        lambda text: text.replace("num_leaves=", "num_leaves=-"),
        lambda text: text.replace("left_child=1", "left_child=99999999999999999999"),
    ],
)
def test_another_text_is_refused(alter):
    text = text_of(grown("binary", 0)[0]).decode()
    assert alter(text) != text
    with pytest.raises(ValueError, match=r"."):
        read_lightgbm(alter(text).encode())


def test_rows_at_thresholds_and_around_0_go_as_lightgbm_sends_them():
    """It takes what is nearly 0 for 0 before it compares, and compares float32 with float64."""
    booster, _ = grown("binary", 0, n=2000, k=3, num_leaves=31, max_depth=-1)
    near = text_of(booster).decode()
    for alter in (lambda text: text, _small_thresholds):
        text = alter(near)
        booster, trees = lgb.Booster(model_str=text), read_lightgbm(text.encode())
        asked = np.concatenate([tree.threshold[tree.feature >= 0] for tree in trees.trees()])
        tiny = np.array([0.0, -0.0, 1e-45, -1e-45, 1e-38, -1e-38, 1e-35, -1e-35, 9.9e-36, -9.9e-36, 1.1e-35, -1.1e-35], dtype=np.float32)
        at = np.concatenate([asked[np.abs(asked) < 1e38], tiny])
        values = np.concatenate([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))])
        x = np.random.default_rng(1).choice(values, (20_000, 3)).astype(np.float32)
        np.testing.assert_array_equal(trees.scores(x), booster.predict(x, raw_score=True, num_threads=1))


def _small_thresholds(text: str) -> str:
    """Each threshold replaced by one beside 0, as LightGBM writes them and as it does not."""
    few = ["1.0000000180025095e-35", "-1.0000000180025095e-35", "1e-36", "-1e-36", "0", "-0", "1e-45", "-7e-46", "1e300", "-1e300"]
    rng = np.random.default_rng(0)
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("threshold="):
            lines[number] = "threshold=" + " ".join(rng.choice(few, len(line.split())))
    return "\n".join(line for line in lines if not line.startswith("tree_sizes="))  # which would no longer be true


@settings(max_examples=60)
@given(at=st.integers(0, 10**9), byte=st.integers(0, 255))
def test_a_changed_byte_is_refused_or_read_without_harm(at, byte):
    """Bundles have digests; this is a wrong file that was published as it is."""
    text = bytearray(SMALL)
    text[at % len(text)] = byte
    try:
        trees = read_lightgbm(bytes(text))
    except ValueError:
        return
    assert trees.scores(np.zeros((9, trees.n_features), dtype=np.float32)).shape[0] == 9


SMALL = text_of(grown("binary", 0)[0])
