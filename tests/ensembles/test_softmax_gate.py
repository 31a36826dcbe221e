"""A softmax of columns: its slope is the derivative, its fit a minimum, and a column far from all it has seen is held."""

import json

import numpy as np
import pytest
from scipy.optimize import check_grad

from barmill.ensembles.gate_loss import LogLoss, PinballLoss
from barmill.ensembles.params import SoftmaxGatingParams
from barmill.ensembles.softmax_gate import FARTHEST, SoftmaxWeights, fit_softmax, softmax_objective
from barmill.errors import ShapeError


def rows(n: int = 400, m: int = 3, r: int = 2, seed: int = 0) -> tuple[LogLoss, np.ndarray]:
    """The first member is right where the first column is high, the second where it is low."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, r))
    right = rng.uniform(0.3, 0.6, (n, m))
    right[:, 0] = np.where(x[:, 0] > 0, 0.8, 0.3)
    right[:, 1] = np.where(x[:, 0] < 0, 0.8, 0.3)
    return LogLoss(tuple(f"m{i}" for i in range(m)), right, rng.uniform(0.5, 1.5, n)), x


@pytest.mark.parametrize("kind", ["log loss", "pinball loss"])
@pytest.mark.parametrize("seed", range(3))
def test_the_slope_is_the_derivative(kind, seed):
    loss, x = rows(80)
    rng = np.random.default_rng(seed)
    if kind == "pinball loss":
        loss = PinballLoss(loss.labels, np.sort(rng.normal(size=(80, 3, 3)), axis=1), rng.normal(size=80), loss.counts)
    free = rng.normal(size=9)
    off = check_grad(lambda at: softmax_objective(at, x, loss, 0.7)[0], lambda at: softmax_objective(at, x, loss, 0.7)[1], free)
    assert off < 1e-6


def test_the_fit_is_a_minimum_that_no_other_start_beats():
    loss, x = rows()
    rule, _ = fit_softmax(SoftmaxGatingParams(), loss, x)
    scaled = (x - rule.centre) / rule.scale
    free = np.concatenate([rule.slopes.ravel(), rule.intercepts])
    value, slope = softmax_objective(free, scaled, loss, 1.0)
    assert np.abs(slope).max() < 1e-7
    rng = np.random.default_rng(1)
    assert all(softmax_objective(free + rng.normal(0.0, size, 9), scaled, loss, 1.0)[0] > value for size in (0.01, 0.1, 1.0, 3.0))


def test_its_weights_follow_the_column_that_tells():
    loss, x = rows(3_000)
    rule, told = fit_softmax(SoftmaxGatingParams(), loss, x)
    weights = rule.apply(x, 3_000)
    assert weights[x[:, 0] > 0.5, 0].mean() > 0.7
    assert weights[x[:, 0] < -0.5, 1].mean() > 0.7
    assert told["effects"][0]["m0"] > 0.2
    assert max(map(abs, told["effects"][1].values())) < 0.1
    assert sum(told["at_centre"].values()) == pytest.approx(1.0)


def test_the_scale_of_a_column_changes_no_weight():
    loss, x = rows()
    plain, scaled = (
        fit_softmax(SoftmaxGatingParams(), loss, x)[0],
        fit_softmax(SoftmaxGatingParams(), loss, x * [1e6, 1e-6] + [5.0, -3.0])[0],
    )
    np.testing.assert_allclose(scaled.apply(x * [1e6, 1e-6] + [5.0, -3.0], 400), plain.apply(x, 400), atol=1e-6)


def test_a_strong_penalty_leaves_equal_weights():
    loss, x = rows()
    np.testing.assert_allclose(fit_softmax(SoftmaxGatingParams(l2=1e6), loss, x)[0].apply(x, 400), 1 / 3, atol=1e-3)


def test_a_column_that_does_not_vary_has_no_say():
    loss, x = rows()
    x[:, 1] = 0.1 + 0.2
    rule, _ = fit_softmax(SoftmaxGatingParams(), loss, x)
    np.testing.assert_array_equal(rule.slopes[1], 0.0)
    assert np.isfinite(rule.apply(x, 400)).all()


def test_beyond_what_was_seen_a_column_is_held():
    loss, x = rows()
    rule, _ = fit_softmax(SoftmaxGatingParams(), loss, x)
    edge = rule.centre + FARTHEST * rule.scale
    np.testing.assert_allclose(rule.apply(np.full((1, 2), 1e300), 1), rule.apply(edge[None], 1), rtol=1e-12)


def test_json_gives_the_same_weights_to_the_bit():
    loss, x = rows()
    rule, _ = fit_softmax(SoftmaxGatingParams(), loss, x)
    again = SoftmaxWeights.from_json(json.loads(json.dumps(rule.to_json())))
    np.testing.assert_array_equal(again.apply(x, 400), rule.apply(x, 400))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": np.zeros(2)}, "a scale that is not above 0"),
        ({"slopes": np.zeros((2, 4))}, "has shapes"),
        ({"intercepts": np.array([0.0, np.inf, 0.0])}, "not finite"),
        ({"slopes": np.array([[0.0, 500.0, 0.0], [0.0, 0.0, 0.0]])}, "can tell members apart by 2500; expected at most 600"),
    ],
)
def test_numbers_that_make_no_weights_are_refused(change, message):
    numbers = {"centre": np.zeros(2), "scale": np.ones(2), "slopes": np.zeros((2, 3)), "intercepts": np.zeros(3)} | change
    with pytest.raises(ShapeError, match=message):
        SoftmaxWeights(**numbers)
