"""XGBoost judges what is read from its binary JSON: the same margins to the bit, whatever was grown."""

import json

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.models.boosting.ubjson import read_ubjson
from barmill.models.boosting.xgboost_ubj import read_xgboost

OBJECTIVES = {
    "binary": {"objective": "binary:logistic"},
    "three": {"objective": "multi:softprob", "num_class": 3},
    "returns": {"objective": "reg:squarederror"},
    "huber": {"objective": "reg:pseudohubererror"},
}


def grown(objective, seed, n=300, k=5, rounds=12, **params):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k)).astype(np.float32)
    x[:, 0] = np.round(x[:, 0])
    score = x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=n)
    y = score if objective in ("returns", "huber") else np.digitize(score, [-0.5, 0.5] if objective == "three" else [0.0])
    given = {"nthread": 1, "verbosity": 0, "max_depth": 3, **OBJECTIVES[objective], **params}
    return xgb.train(given, xgb.DMatrix(x, y), rounds), x


def bytes_of(booster) -> bytes:
    return bytes(booster.save_raw("ubj"))


def margins(booster, x):
    return booster.inplace_predict(x, predict_type="margin")


@settings(max_examples=25)
@given(
    objective=st.sampled_from(sorted(OBJECTIVES)),
    seed=st.integers(0, 2**31),
    depth=st.sampled_from([1, 3, 7]),
    n=st.integers(1, 600),
    gamma=st.sampled_from([0.0, 1.0, 1e9]),
    policy=st.sampled_from(["depthwise", "lossguide"]),
)
def test_scores_are_xgboosts_to_the_bit(objective, seed, depth, n, gamma, policy):
    booster, _ = grown(objective, seed, max_depth=depth, gamma=gamma, grow_policy=policy, tree_method="hist")
    _, new = grown(objective, seed + 1, n=max(n, 60), rounds=1)
    new = new[:n]
    trees = read_xgboost(bytes_of(booster))
    expected = margins(booster, new)
    np.testing.assert_array_equal(trees.scores(new), expected)
    one = np.empty(trees.n_scores)
    for i in range(0, n, 37):
        trees.bound(new[i], one)()
        np.testing.assert_array_equal(one, expected[i])


def test_every_base_score_becomes_the_librarys_margin():
    """Its logarithm is that of the C library, in float32: another one would be a bit off here and there."""
    booster, x = grown("binary", 0, rounds=1)
    content = json.loads(bytes(booster.save_raw("json")))
    for p in np.random.default_rng(0).uniform(0.001, 0.999, 300).astype(np.float32).tolist():
        content["learner"]["learner_model_param"]["base_score"] = f"[{p:.9g}]"
        told = xgb.Booster({"nthread": 1}, model_file=bytearray(json.dumps(content).encode()))
        np.testing.assert_array_equal(read_xgboost(bytes_of(told)).scores(x[:1]), margins(told, x[:1]))


def test_rows_on_thresholds_go_as_xgboost_sends_them():
    booster, _ = grown("binary", 0, n=2000, k=3, max_depth=6)
    trees = read_xgboost(bytes_of(booster))
    asked = np.concatenate([tree.threshold[tree.feature >= 0] for tree in trees.trees()])
    at = np.concatenate([asked, np.array([0.0, -0.0, 1e-45, -1e-45, 1e-38, -1e-38], dtype=np.float32)])
    values = np.concatenate([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))])
    x = np.random.default_rng(1).choice(values, (20_000, 3))
    np.testing.assert_array_equal(trees.scores(x), margins(booster, x))


SMALL = bytes_of(grown("binary", 0, rounds=3)[0])


@settings(max_examples=150)
@given(at=st.integers(0, 10**9), byte=st.integers(0, 255))
def test_a_changed_byte_is_refused_or_read_without_harm(at, byte):
    content = bytearray(SMALL)
    content[at % len(content)] = byte
    try:
        trees = read_xgboost(bytes(content))
    except ValueError:
        return
    if trees.n_features < 10_000:
        assert trees.scores(np.zeros((9, trees.n_features), dtype=np.float32)).shape[0] == 9


@pytest.mark.parametrize("length", range(0, len(SMALL), len(SMALL) // 40))
def test_a_file_that_is_cut_short_is_refused(length):
    with pytest.raises(ValueError, match=r"."):
        read_xgboost(SMALL[:length])


def test_a_base_score_that_is_no_probability_is_refused():
    told = read_ubjson(SMALL)["learner"]["learner_model_param"]["base_score"].encode()
    with pytest.raises(ValueError, match="probability"):
        read_xgboost(SMALL.replace(told, b"[" + b"7" * (len(told) - 2) + b"]"))


@pytest.mark.parametrize(
    "other",
    [
        lambda: xgb.train({"booster": "gblinear", "verbosity": 0}, xgb.DMatrix(np.ones((9, 2)), np.arange(9)), 2),
        lambda: xgb.train({"booster": "dart", "verbosity": 0}, xgb.DMatrix(np.ones((9, 2)), np.arange(9)), 2),
        lambda: xgb.train({"objective": "count:poisson", "verbosity": 0}, xgb.DMatrix(np.ones((9, 2)), np.arange(9)), 2),
        lambda: xgb.train({"num_parallel_tree": 2, "verbosity": 0}, xgb.DMatrix(np.ones((9, 2)), np.arange(9)), 2),
        lambda: xgb.train(
            {"tree_method": "hist", "verbosity": 0, "min_child_weight": 0},
            xgb.DMatrix(np.arange(90.0).reshape(-1, 1) % 5, np.arange(90) % 5 == 2, feature_types=["c"], enable_categorical=True),
            2,
        ),
        lambda: xgb.train({"multi_strategy": "multi_output_tree", "tree_method": "hist"}, xgb.DMatrix(np.ones((9, 2)), np.ones((9, 2))), 2),
    ],
)
def test_boosters_of_other_kinds_are_refused(other):
    with pytest.raises(ValueError, match=r"."):
        read_xgboost(bytes_of(other()))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[$l#L\x7f\xff\xff\xff\xff\xff\xff\xff", b"S#", b"[#i\xff", b"Q", b"[" * 100_000, b"ZZ", b"[$i#i\x02\x01"]
)
def test_broken_binary_json_is_refused(content):
    with pytest.raises(ValueError, match=r"."):
        read_ubjson(content)


def test_binary_json_is_read():
    content = b"{i\x01a[i\x01U\xffTFZ]i\x01b[$d#i\x02\x3f\x80\x00\x00\xbf\x80\x00\x00i\x01cSi\x02hi}"
    found = read_ubjson(content)
    assert found["a"] == [1, 255, True, False, None]
    assert found["b"].tolist() == [1.0, -1.0]
    assert found["c"] == "hi"
