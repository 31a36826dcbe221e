"""Weights of regimes: the convex optimum, pulled to the pooled weights by as many rows as are asked."""

import numpy as np
import pytest
from scipy.optimize import minimize

from barmill.ensembles.gate_loss import LogLoss, PinballLoss, counted_rows, mean_loss
from barmill.ensembles.params import RegimeGatingParams
from barmill.ensembles.regime_gate import RegimeWeights, fit_regimes, regime_columns, with_parameters
from barmill.ensembles.shrunk_weights import shrunk_weights
from barmill.errors import RecipeError, ShapeError
from barmill.features import FeaturePlan, parse_feature
from barmill.market import Timeframe


def a_loss(n: int, m: int, seed: int = 0) -> LogLoss:
    rng = np.random.default_rng(seed)
    return LogLoss(tuple(f"m{i}" for i in range(m)), rng.uniform(0.05, 0.95, (n, m)), rng.uniform(0.5, 1.5, n))


def a_pinball_loss(n: int, m: int, seed: int = 0) -> PinballLoss:
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.normal(size=(n, 3, m)), axis=1)
    return PinballLoss(tuple(f"m{i}" for i in range(m)), quantiles, rng.normal(size=n), rng.uniform(0.5, 1.5, n), unit=0.7)


@pytest.mark.parametrize("loss", [a_loss(300, 3), a_pinball_loss(300, 3)], ids=lambda loss: loss.name)
@pytest.mark.parametrize("strength", [0.0, 5.0, 200.0])
def test_shrunk_weights_are_the_optimum_of_a_solver_with_constraints(loss, strength):
    rng = np.random.default_rng(1)
    beliefs, prior = rng.dirichlet(np.ones(2), 300), np.array([0.5, 0.3, 0.2])

    def objective(flat):
        w = np.maximum(flat.reshape(2, 3), 1e-12)
        pull = -(prior * np.log(w / prior)).sum()
        return (loss.counts * loss.of(beliefs @ w)[0]).sum() + strength * pull

    sums = [{"type": "eq", "fun": lambda flat, k=k: flat.reshape(2, 3)[k].sum() - 1.0} for k in range(2)]
    options = {"maxiter": 500, "ftol": 1e-12}
    oracle = minimize(objective, np.tile(prior, 2), bounds=[(1e-9, 1.0)] * 6, constraints=sums, method="SLSQP", options=options)
    ours = shrunk_weights(loss, beliefs, prior, strength)
    assert objective(ours.ravel()) <= oracle.fun + 1e-5
    if strength:
        np.testing.assert_allclose(ours, oracle.x.reshape(2, 3), atol=2e-3)


@pytest.mark.parametrize("loss", [a_loss(50, 3), a_pinball_loss(50, 3)], ids=lambda loss: loss.name)
def test_the_slopes_of_a_loss_are_its_derivatives(loss):
    w, step = np.random.default_rng(2).dirichlet(np.ones(3), 50), 1e-6
    slopes = loss.of(w)[1]
    for j in range(3):
        ahead, behind = w.copy(), w.copy()
        ahead[:, j] += step
        behind[:, j] -= step
        np.testing.assert_allclose(slopes[:, j], (loss.of(ahead)[0] - loss.of(behind)[0]) / (2 * step), rtol=1e-4, atol=1e-6)


def test_equal_blend_of_pinball_losses_by_hand():
    quantiles = np.array([[[-1.0, -3.0], [0.0, 0.0], [1.0, 3.0]]])
    loss = PinballLoss(("a", "b"), quantiles, np.array([1.0]), np.ones(1))
    # quantiles -2, 0, 2 and z = 1: 0.05 * 3, 0.5 * 1, 0.05 * 1
    assert mean_loss(loss, np.array([0.5, 0.5])) == pytest.approx((0.15 + 0.5 + 0.05) / 3)


def test_the_pull_counts_in_rows():
    """A regime of w rows, in all of which one member was right, is pulled to half by c rows: its weight is (w + c / 2) / (w + c)."""
    loss = LogLoss(("right", "never"), np.tile([1.0, 1e-15], (60, 1)), np.ones(60))
    weights = shrunk_weights(loss, np.ones((60, 1)), np.array([0.5, 0.5]), 40.0)
    assert weights[0, 0] == pytest.approx((60 + 20) / 100, abs=1e-6)


def test_a_regime_of_few_rows_has_the_pooled_weights_and_that_is_told():
    loss, belief = a_loss(2_000, 3), np.zeros(2_000)
    belief[:25] = 1.0
    rule, told = fit_regimes(RegimeGatingParams(n_regimes=2, shrinkage=0.0), loss, belief[:, None])
    assert [one["pooled"] for one in told["regimes"]] == [True, False]
    assert told["regimes"][0]["rows"] == pytest.approx(loss.counts[:25].sum())
    np.testing.assert_array_equal(rule.weights[0], list(told["pooled"].values()))


def test_with_a_strong_pull_every_regime_has_the_pooled_weights():
    rng = np.random.default_rng(3)
    rule, told = fit_regimes(RegimeGatingParams(n_regimes=3, shrinkage=1e6), a_loss(500, 3), rng.dirichlet(np.ones(3), 500)[:, :2])
    np.testing.assert_allclose(rule.weights, np.tile(list(told["pooled"].values()), (3, 1)), atol=1e-3)


def test_all_probabilities_or_all_but_the_last_are_the_same_gate():
    beliefs = np.random.default_rng(4).dirichlet(np.ones(3), 400)
    whole, most = (fit_regimes(RegimeGatingParams(), a_loss(400, 3), given)[0] for given in (beliefs, beliefs[:, :2]))
    assert (whole.complete, most.complete) == (True, False)
    np.testing.assert_allclose(whole.weights, most.weights, atol=1e-7)
    np.testing.assert_allclose(whole.apply(beliefs, 400), beliefs @ whole.weights, atol=1e-12)
    np.testing.assert_allclose(most.apply(beliefs[:, :2], 400), beliefs @ most.weights, atol=1e-12)


def test_probabilities_that_were_kept_as_float32_give_weights_that_sum_to_one():
    beliefs = np.random.default_rng(5).dirichlet(np.full(3, 0.1), 1_000).astype(np.float32).astype(np.float64)
    for complete, columns in ((True, beliefs), (False, beliefs[:, :2] * (1 + 1e-6))):
        rule = RegimeWeights(np.array([[0.2, 0.8], [0.7, 0.3], [0.5, 0.5]]), complete)
        np.testing.assert_allclose(rule.apply(columns, 1_000).sum(axis=1), 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("regimes", "message"),
    [
        (np.full((100, 4), 0.25), "have 4 columns; expected 2, the probabilities of all regimes but the last, or 3"),
        (np.tile([-1.0, 1.0], (100, 1)), r"row 0: is \[-1\.0, 1\.0\]; expected probabilities. Columns that are no probabilities are for"),
        (np.tile([0.7, 0.7], (100, 1)), "row 0: .* expected probabilities"),
        (np.tile([0.2, 0.2, 0.2], (100, 1)), "row 0: .* expected probabilities"),
    ],
)
def test_columns_that_are_no_probabilities_are_refused(regimes, message):
    with pytest.raises(ShapeError, match=message):
        fit_regimes(RegimeGatingParams(), a_loss(100, 2), regimes)


@pytest.mark.parametrize(
    ("weight", "worth"),
    [(np.full(10, 0.2), 2.0), (np.ones(10), 10.0), (np.array([10.0, *[0.0] * 9]), 1.0), (np.array([3.0, 1.0, 0.0, 0.0]), 1.6)],
)
def test_rows_are_worth_their_uniqueness_or_if_less_the_effective_number(weight, worth):
    assert counted_rows(weight).sum() == pytest.approx(worth)


def test_the_columns_that_a_plan_needs_are_features_of_the_catalogue():
    minute = Timeframe.parse("1m")
    seen = ("log_return_1", "realised_volatility_20")
    for method, features in (("hmm_regime", seen), ("markov_switching", ()), ("hmm_regime", ())):
        names = regime_columns(method, 3, features)
        assert [feature.name for feature in FeaturePlan(minute, tuple(parse_feature(name, minute) for name in names)).features] == list(
            names
        )
        assert len(names) == 2
    codes = ("volatility_regime_20_480", "trend_regime_20@5m", "structure_regime_120_5", "rsi_14")
    measures = "volatility_percentile_20_480,trend_strength_20@5m,variance_ratio_120_5,rsi_14"
    assert regime_columns("hmm_regime", 2, codes) == (f"hmm_regime_probability_2_0({measures})",)
    parse_feature(f"hmm_regime_probability_2_0({measures})", minute)
    as_the_charter_writes_them = ("volatility_regime", "trend_regime", "structure_regime")
    assert regime_columns("hmm_regime", 3, as_the_charter_writes_them) == regime_columns("hmm_regime", 3)
    assert with_parameters(as_the_charter_writes_them) == ("volatility_regime_20_480", "trend_regime_20", "structure_regime_120_5")
    with pytest.raises(RecipeError, match=r"5 features .* expected at most 4 for hmm_regime\. Name fewer, or use method: softmax"):
        regime_columns("hmm_regime", 3, tuple("abcde"))
    with pytest.raises(RecipeError, match="'softmax' has no regimes of its own; expected hmm_regime or markov_switching"):
        regime_columns("softmax", 3)
