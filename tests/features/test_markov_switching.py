"""The filter against statsmodels on the same numbers; fits on training rows alone, within their stretches, in a fixed order."""

import sys

import numpy as np
import pytest
from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

from barmill.errors import InputError, MissingDependency
from barmill.features import FeaturePlan, hmm_filter, markov_switching, parse_feature
from barmill.features.hidden_markov import VARIANCE_FLOOR
from barmill.features.markov_switching import fit_markov_switching
from barmill.market import Timeframe

MINUTE = Timeframe.parse("1m")
NAME = "markov_switching_probability_2_1(log_return_1)"
WHOLE = np.array([0])


def planted(n: int, seed: int = 0, sigmas=(1.0, 4.0), stay: float = 0.97) -> np.ndarray:
    """Observations (n, 1) of a chain whose states have these standard deviations."""
    rng = np.random.default_rng(seed)
    states = np.zeros(n, dtype=np.int64)
    for t in range(1, n):
        states[t] = states[t - 1] if rng.random() < stay else (states[t - 1] + rng.integers(1, len(sigmas))) % len(sigmas)
    return (rng.standard_normal(n) * np.array(sigmas)[states])[:, None]


def parts(fitted: tuple[float, ...], n_states: int) -> list[np.ndarray]:
    """Start, transitions, means, variances, centre, scale."""
    sizes = np.cumsum([n_states, n_states**2, n_states, n_states, 1])
    start, trans, *rest = np.split(np.array(fitted), sizes)
    return [start, trans.reshape(n_states, n_states), *rest]


def statsmodels_params(trans, means, variances) -> np.ndarray:
    """The same numbers in statsmodels' order: transitions to each state but the last, from each state."""
    return np.concatenate([trans.T[:-1].ravel(), means, variances])


def loglik_of(fitted: tuple[float, ...], n_states: int, x: np.ndarray) -> float:
    start, trans, means, variances, centre, scale = parts(fitted, n_states)
    return hmm_filter(start, trans, means=means, variances=variances, x=(x - centre) / scale).loglik


def plan_of(*names: str) -> FeaturePlan:
    return FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in names))


@pytest.mark.parametrize("n_states", [2, 3])
def test_the_feature_equals_what_statsmodels_filters_with_the_same_numbers(bars, n_states):
    names = [f"markov_switching_probability_{n_states}_{state}(log_return_1)" for state in range(n_states)]
    plan = plan_of(*names, f"markov_switching_expected_state_{n_states}(log_return_1)", "log_return_1").fit(bars, [(0, 1_499)])
    *probabilities, expected, returns = plan.compute(bars).values[1:].astype(np.float64).T
    _, trans, means, variances, centre, scale = parts(plan.fitted[names[0]], n_states)
    model = MarkovRegression((returns - centre) / scale, n_states, switching_variance=True)
    oracle = model.filter(statsmodels_params(trans, means, variances)).filtered_marginal_probabilities
    np.testing.assert_allclose(np.column_stack(probabilities), oracle, rtol=0, atol=1e-8)
    np.testing.assert_allclose(expected, oracle @ np.arange(n_states), rtol=0, atol=1e-8)
    assert (np.diff(variances) > 0.0).all()


def test_a_fit_finds_the_planted_market():
    start, trans, means, variances, centre, scale = parts(fit_markov_switching(2, planted(8_000), WHOLE), 2)
    np.testing.assert_allclose(np.sqrt(variances) * scale, [1.0, 4.0], rtol=0.06)
    np.testing.assert_allclose(means * scale + centre, 0.0, atol=0.2)
    np.testing.assert_allclose(np.diag(trans), 0.97, atol=0.01)
    np.testing.assert_allclose(start @ trans, start, rtol=1e-8)


@pytest.mark.parametrize("seed", range(2))
def test_the_fit_is_as_likely_as_statsmodels_own(seed):
    x = planted(3_000, seed=seed)
    fitted = fit_markov_switching(2, x, WHOLE)
    z = (x[:, 0] - fitted[-2]) / fitted[-1]
    best = MarkovRegression(z, 2, switching_variance=True).fit(disp=False)
    assert loglik_of(fitted, 2, x) > best.llf - 1e-5 * len(x)


def test_states_of_one_variance_that_differ_in_their_mean_are_found():
    rng = np.random.default_rng(3)
    states = (np.arange(2_000) // 50) % 2
    x = (np.where(states == 1, 1.0, -1.0) + 0.5 * rng.standard_normal(2_000))[:, None]
    _, trans, means, _, centre, scale = parts(fit_markov_switching(2, x, WHOLE), 2)
    np.testing.assert_allclose(np.sort(means * scale + centre), [-1.0, 1.0], atol=0.1)
    assert np.diag(trans).min() > 0.95


def test_no_transition_is_learned_across_the_gap_between_two_stretches():
    quiet, wild = np.random.default_rng(6).standard_normal((2, 900))
    pieces = [*np.split(quiet, 6), *np.split(5.0 * wild, 6)]
    pieces = [pieces[i // 2 + 6 * (i % 2)] for i in range(12)]
    rows, starts = np.concatenate(pieces)[:, None], np.arange(12) * 150
    apart, joined = (parts(fit_markov_switching(2, rows, given), 2)[1] for given in (starts, WHOLE))
    assert apart[0, 1] < 0.5 * joined[0, 1]


def test_a_stretch_of_one_row_is_no_obstacle():
    x = planted(1_000)
    fitted = fit_markov_switching(2, x, np.array([0, 500, 501]))
    np.testing.assert_allclose(fitted, fit_markov_switching(2, np.delete(x, 500, axis=0), np.array([0, 500])), atol=0.05)


def test_no_variance_runs_away_where_most_returns_are_exactly_zero():
    x = planted(2_000, seed=3)
    x[np.random.default_rng(3).random(2_000) < 0.6] = 0.0
    _, trans, _, variances, _, _ = parts(fit_markov_switching(2, x, WHOLE), 2)
    assert variances.min() == pytest.approx(VARIANCE_FLOOR)
    assert trans.min() > 0.0


def test_the_same_rows_give_the_same_bits_and_one_fit_serves_all_states():
    x = planted(1_000)
    markov_switching._fit.cache_clear()
    first = fit_markov_switching(2, x, WHOLE)
    assert fit_markov_switching(2, x.copy(), WHOLE) == first
    assert markov_switching._fit.cache_info().misses == 1
    markov_switching._fit.cache_clear()
    assert fit_markov_switching(2, x, WHOLE) == first


def test_beside_a_hidden_markov_model_of_the_same_states_and_argument_each_keeps_its_own_numbers(bars):
    """Runs of one kernel with the same parameters and arguments are shared; these two must not be."""
    hidden = "hmm_probability_2_1(log_return_1)"
    both = plan_of(hidden, NAME).fit(bars, [(0, 1_499)])
    assert both.fitted[hidden] != both.fitted[NAME]
    for column, name in enumerate((hidden, NAME)):
        alone = plan_of(name).fit(bars, [(0, 1_499)])
        np.testing.assert_array_equal(both.compute(bars).values[:, column], alone.compute(bars).values[:, 0])


@pytest.mark.parametrize(
    ("rows", "n_states", "message"),
    [
        (np.random.default_rng(0).standard_normal((99, 1)), 2, r"99 training rows for 2 states; expected 100 or more\. Give more bars"),
        (np.full((500, 1), 0.1), 2, r"its argument is 0\.1 on all training rows"),
        (np.concatenate([np.tile([-1.0, 1.0], 400), [900.0, -900.0, 900.0]])[:, None], 2, "one of 2 states describes .* Ask for fewer"),
    ],
)
def test_degenerate_training_rows_are_refused(rows, n_states, message):
    with pytest.raises(InputError, match=message):
        fit_markov_switching(n_states, rows, WHOLE)


def test_a_missing_library_is_named_with_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels.tsa.regime_switching.markov_regression", None)
    markov_switching._fit.cache_clear()
    with pytest.raises(MissingDependency, match=r'statsmodels, not installed here\. Install it with: pip install "barmill\[stats\]"'):
        fit_markov_switching(2, planted(500), WHOLE)
