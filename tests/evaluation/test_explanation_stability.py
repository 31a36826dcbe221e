import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from barmill.errors import ShapeError
from barmill.evaluation import explanation_stability


def splits(table: np.ndarray) -> list[dict[str, float]]:
    return [{f"feature_{i}": float(value) for i, value in enumerate(row)} for row in table]


def test_is_the_mean_of_spearmans_correlations_over_all_pairs_and_of_the_tops_that_stay() -> None:
    table = np.random.default_rng(0).dirichlet(np.ones(24), size=6)
    found = explanation_stability(splits(table))
    pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    slow = [spearmanr(table[i], table[j]).statistic for i, j in pairs]
    assert found.rank_correlation == pytest.approx(np.mean(slow), abs=1e-12)
    assert found.least == pytest.approx(np.min(slow), abs=1e-12)
    tops = [set(np.argsort(-row)[:10]) for row in table]
    assert found.top == 10
    assert found.top_kept == pytest.approx(np.mean([len(tops[i] & tops[j]) / 10 for i, j in pairs]))
    assert found.by_chance == pytest.approx(10 / 24)
    assert found.features[0]["mean"] == pytest.approx(table.mean(axis=0).max())
    assert found.features[0]["std"] == pytest.approx(table.std(axis=0, ddof=1)[table.mean(axis=0).argmax()])


def test_a_model_that_looks_at_the_same_features_is_stable_and_one_of_noise_is_not() -> None:
    same = np.tile(np.random.default_rng(1).dirichlet(np.ones(30)), (5, 1))
    assert explanation_stability(splits(same)).rank_correlation == pytest.approx(1)
    assert explanation_stability(splits(same)).top_kept == 1
    noise = explanation_stability(splits(np.random.default_rng(2).dirichlet(np.ones(30), size=40)))
    assert abs(noise.rank_correlation) < 0.05
    assert noise.top_kept == pytest.approx(noise.by_chance, abs=0.05)


def test_of_few_features_half_are_the_top() -> None:
    assert explanation_stability(splits(np.array([[0.5, 0.3, 0.1, 0.1], [0.4, 0.1, 0.4, 0.1]]))).top == 2


def test_what_is_undefined_is_null_and_a_split_that_looks_at_nothing_is_in_no_pair() -> None:
    alone = explanation_stability(splits(np.array([[0.7, 0.3]]))).to_json()
    assert alone["rank_correlation"] is None
    assert alone["features"][0] == {"feature": "feature_0", "mean": 0.7, "std": None}
    json.dumps(alone, allow_nan=False)
    mixed = explanation_stability(splits(np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 0.0], [0.6, 0.3, 0.1]])))
    assert (mixed.splits, mixed.rank_correlation) == (3, pytest.approx(1))


def test_splits_of_different_features_are_refused() -> None:
    with pytest.raises(ShapeError, match="different features"):
        explanation_stability([{"a": 1.0}, {"b": 1.0}])
    with pytest.raises(ShapeError, match="different features"):
        explanation_stability([])
