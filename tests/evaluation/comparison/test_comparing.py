"""Holm's correction and ranks: against statsmodels, by hand, and on planted orders."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from barmill.errors import ShapeError
from barmill.evaluation import classification_scores, compare_models, holm_adjusted, label_losses, significance_ranks


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_holm_is_that_of_statsmodels(n):
    p = np.random.default_rng(n).random(n) ** 4
    p[n // 2 :: 2] = p[0]  # ties
    np.testing.assert_allclose(holm_adjusted(p), multipletests(p, method="holm")[1], rtol=1e-12)


def test_a_test_that_could_not_be_made_does_not_count():
    np.testing.assert_allclose(holm_adjusted([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    with pytest.raises(ShapeError):
        holm_adjusted([1.2])


def matrix(n, *wins):
    beats = np.zeros((n, n), dtype=bool)
    for better, worse in wins:
        beats[better, worse] = True
    return beats


@pytest.mark.parametrize(
    ("beats", "ranks"),
    [
        (matrix(3), [1, 1, 1]),
        (matrix(3, (0, 1), (0, 2), (1, 2)), [1, 2, 3]),
        (matrix(3, (0, 2)), [1, 1, 2]),  # 1 is told apart from neither: nothing beats it
        (matrix(4, (0, 2), (0, 3), (1, 3)), [1, 1, 2, 2]),
        (matrix(4, (2, 0), (0, 3)), [2, 1, 1, 3]),
    ],
)
def test_ranks_by_hand(beats, ranks):
    assert significance_ranks(beats).tolist() == ranks


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.booleans(), min_size=n * n, max_size=n * n))))
def test_no_model_beats_one_of_its_rank_and_each_is_beaten_from_the_rank_above(drawn):
    n, cells = drawn
    beats = np.triu(np.array(cells).reshape(n, n), 1)
    ranks = significance_ranks(beats)
    assert set(ranks) == set(range(1, ranks.max() + 1))
    for worse in range(n):
        winners = np.flatnonzero(beats[:, worse])
        assert not (ranks[winners] >= ranks[worse]).any()
        assert ranks[worse] == 1 or (ranks[winners] == ranks[worse] - 1).any()


def test_a_circle_is_refused():
    with pytest.raises(ShapeError, match="circle"):
        significance_ranks(matrix(3, (0, 1), (1, 2), (2, 0)))


def planted(rng, edges, n=3000):
    """Log losses of calibrated forecasts that know more or less of the outcome, and returns of as many strategies."""
    known = rng.normal(size=n)
    up = (rng.random(n) < 1 / (1 + np.exp(-known))).astype(float)
    losses, returns = {}, {}
    market = rng.normal(0, 1e-3, n)
    for name, (edge, gain) in edges.items():
        p = 1 / (1 + np.exp(-(edge * known + 0.05 * rng.normal(size=n))))
        losses[name] = label_losses(p, up)
        returns[name] = market + rng.normal(gain, 5e-4, n)
    return losses, returns


def test_a_planted_order_is_found_and_equals_share_a_rank():
    edges = {"worst": (0.0, 0.0), "best": (1.0, 4e-4), "twin": (1.0, 4e-4), "middle": (0.5, 2e-4)}
    found = compare_models(*planted(np.random.default_rng(1), edges), seed=3)
    assert found.loss_ranks == {"worst": 3, "best": 1, "twin": 1, "middle": 2}
    assert found.net_ranks == {"worst": 3, "best": 1, "twin": 1, "middle": 2}
    assert found.order[2:] == ("middle", "worst")
    assert found.beaten_by("middle") == ("best", "twin")
    assert found.beaten_by("best") == ()
    assert len(found.pairs) == 6


def test_without_skill_all_models_share_the_first_rank_nearly_always():
    rng = np.random.default_rng(2)
    edges = {f"m{k}": (0.3, 0.0) for k in range(5)}
    alone = [compare_models(*planted(rng, edges, 400), seed=k) for k in range(40)]
    assert np.mean([set(found.loss_ranks.values()) == {1} for found in alone]) >= 0.85
    assert np.mean([set(found.net_ranks.values()) == {1} for found in alone]) >= 0.85


def test_the_mean_of_label_losses_is_the_log_loss():
    rng = np.random.default_rng(4)
    p, up = rng.random(300), rng.integers(0, 2, 300)
    p[:2] = 0.0, 1.0
    assert label_losses(p, up).mean() == pytest.approx(classification_scores(p, up).log_loss)


def test_one_model_alone_has_the_first_rank():
    found = compare_models({"only": np.arange(9.0)}, {"only": np.arange(9.0)})
    assert found.loss_ranks == found.net_ranks == {"only": 1}
    assert found.pairs == ()


def test_models_that_differ_between_losses_and_returns_are_refused():
    with pytest.raises(ShapeError):
        compare_models({"a": np.ones(9)}, {"b": np.ones(9)})


def test_a_pair_as_json_has_both_tests():
    losses, returns = planted(np.random.default_rng(6), {"a": (1.0, 0.0), "b": (0.2, 0.0)}, 500)
    told = compare_models(losses, returns).pairs[0].to_json()
    assert {"a", "b", "loss", "net"} == set(told)
    assert told["loss"]["p_adjusted"] == told["loss"]["p_value"]
