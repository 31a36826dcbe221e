"""Static weights: every window has the same say, its own optimum is told, and what was learned before is judged on what came after."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from barmill.ensembles.gate_loss import LogLoss
from barmill.ensembles.params import StaticGatingParams
from barmill.ensembles.static_weights import StaticWeights, fit_static
from barmill.errors import ShapeError

LABELS = ("a", "b")


def turning(rights: list[float], n: int = 400, seed: int = 0) -> LogLoss:
    """In window k the first member is right in a share `rights[k]` of rows, the second in the others."""
    rng = np.random.default_rng(seed)
    first = np.concatenate([rng.random(n) < right for right in rights])
    return LogLoss(LABELS, np.where(first[:, None], [0.7, 0.4], [0.4, 0.7]), np.ones(first.size))


def test_they_minimise_the_mean_over_windows_of_the_mean_loss():
    loss = turning([0.7, 0.6, 0.4])
    counts = np.repeat([0.2, 1.0, 3.0], 400)  # a window whose rows are worth more has no more say
    rule, _ = fit_static(StaticGatingParams(n_windows=3, shrinkage=1e-9), LogLoss(LABELS, loss.of_what_came, counts))

    def over_windows(w: float) -> float:
        losses = -np.log(loss.of_what_came @ [w, 1.0 - w])
        return float(np.mean([losses[start : start + 400].mean() for start in (0, 400, 800)]))

    oracle = minimize_scalar(over_windows, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-10})
    assert rule.weights[0] == pytest.approx(oracle.x, abs=1e-5)


def test_the_spread_tells_weights_that_move_from_weights_that_stay():
    steady = fit_static(StaticGatingParams(n_windows=4), turning([0.65, 0.65, 0.65, 0.65]))[1]["spread"]
    moving = fit_static(StaticGatingParams(n_windows=4), turning([0.9, 0.2, 0.9, 0.2]))[1]["spread"]
    assert moving["a"] > 3 * steady["a"]


def test_walking_forward_each_window_is_judged_by_weights_of_those_before_it():
    loss = turning([0.8, 0.8, 0.2])
    params = StaticGatingParams(n_windows=3)
    told = fit_static(params, loss)[1]
    assert [(one["first"], one["last"]) for one in told["windows"]] == [(0, 399), (400, 799), (800, 1_199)]
    second, third = told["walk_forward"]
    assert second["blend"] < second["equal"]
    assert third["blend"] > third["equal"]  # the market turned, and the weights could not know
    future = LogLoss(LABELS, np.concatenate([loss.of_what_came[:800], loss.of_what_came[800:, ::-1]]), loss.counts)
    assert fit_static(params, future)[1]["walk_forward"][1]["weights"] == third["weights"]


def test_a_window_of_rows_that_count_for_nothing_has_no_say_and_no_figures():
    loss = turning([0.8, 0.2])
    counts = np.repeat([1.0, 0.0], 400)
    rule, told = fit_static(StaticGatingParams(n_windows=2), LogLoss(LABELS, loss.of_what_came, counts))
    assert rule.weights[0] > 0.6
    assert told["windows"][1]["blend"] is None
    assert told["windows"][1]["weights"] == {"a": 0.5, "b": 0.5}


def test_its_weights_need_no_columns_and_are_the_same_in_every_row():
    rule = StaticWeights(np.array([0.25, 0.75]))
    assert rule.n_columns == 0
    np.testing.assert_array_equal(rule.apply(None, 3), [[0.25, 0.75]] * 3)
    np.testing.assert_array_equal(rule.apply(None, 1), [[0.25, 0.75]])


@pytest.mark.parametrize("weights", [[0.5, 0.6], [1.0, 0.0], [1.5, -0.5], [np.nan, 1.0], []])
def test_numbers_that_are_no_shares_are_refused(weights):
    with pytest.raises(ShapeError, match="static weights"):
        StaticWeights(np.array(weights))
