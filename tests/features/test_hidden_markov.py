"""The forward filter against hmmlearn and against a slow version; fits on training rows alone, in a fixed order."""

import json
import math
import sys

import numpy as np
import pytest
from hmmlearn.hmm import GaussianHMM
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from barmill.errors import InputError, MissingDependency, SchemaError, ShapeError
from barmill.features import FeaturePlan, hidden_markov, hmm_filter, parse_feature
from barmill.features.hidden_markov import fit_hmm, n_fitted
from barmill.features.kernels.hidden_markov import hidden_markov as kernel
from barmill.features.regime import HMM_FADES
from barmill.market import Bars, Timeframe

MINUTE = Timeframe.parse("1m")
NAME = "hmm_probability_2_1(log_return_1,realised_volatility_20)"
WHOLE = np.array([0])


def model_of(n_states: int, n_observed: int, seed: int) -> GaussianHMM:
    """A model of hmmlearn with numbers of our own."""
    rng = np.random.default_rng(seed)
    model = GaussianHMM(n_states, covariance_type="diag")
    model.startprob_ = rng.dirichlet(np.ones(n_states))
    model.transmat_ = rng.dirichlet(np.ones(n_states) * 0.7, n_states)
    model.means_ = rng.normal(0.0, 1.0, (n_states, n_observed))
    model.covars_ = rng.uniform(0.2, 2.0, (n_states, n_observed))
    return model


def sample(model: GaussianHMM, n: int, seed: int = 1) -> np.ndarray:
    return model.sample(n, random_state=seed)[0]


def ours(model: GaussianHMM, x):
    variances = np.diagonal(model.covars_, axis1=1, axis2=2)
    return hmm_filter(model.startprob_, model.transmat_, means=model.means_, variances=variances, x=x)


def planted(n: int, seed: int = 0, sigmas=(1.0, 4.0), stay: float = 0.98) -> tuple[np.ndarray, np.ndarray]:
    """Observations (n, 1) of a chain whose states have these standard deviations, and the states."""
    rng = np.random.default_rng(seed)
    states = np.zeros(n, dtype=np.int64)
    for t in range(1, n):
        states[t] = states[t - 1] if rng.random() < stay else (states[t - 1] + rng.integers(1, len(sigmas))) % len(sigmas)
    return (rng.standard_normal(n) * np.array(sigmas)[states])[:, None], states


def parts(fitted: tuple[float, ...], n_states: int, d: int) -> list[np.ndarray]:
    """Start, transitions, means, variances, centre, scale."""
    shapes = [(n_states,), (n_states, n_states), (n_states, d), (n_states, d), (d,), (d,)]
    cuts = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    return [piece.reshape(shape) for piece, shape in zip(np.split(np.array(fitted), cuts), shapes, strict=True)]


@pytest.mark.parametrize(("n_states", "n_observed"), [(2, 1), (3, 1), (3, 2), (5, 4)])
def test_filter_equals_the_forward_pass_of_hmmlearn(n_states, n_observed):
    """The smoothed probability of the last observation of a series is the filtered one."""
    model = model_of(n_states, n_observed, seed=n_states)
    x = sample(model, 300)
    filtered, loglik = ours(model, x)
    for t in (0, 1, 2, 17, 150, 299):
        np.testing.assert_allclose(filtered[t], model.predict_proba(x[: t + 1])[-1], rtol=1e-9, atol=1e-14)
    assert loglik == pytest.approx(model.score(x), rel=1e-12)


@given(st.integers(1, 4), st.integers(1, 12), st.data())
def test_filter_equals_the_definition(n_states, n_bars, data):
    part = st.floats(0.01, 1.0)
    start = data.draw(arrays(np.float64, n_states, elements=part))
    trans = data.draw(arrays(np.float64, (n_states, n_states), elements=part))
    likelihood = data.draw(arrays(np.float64, (n_bars, n_states), elements=st.floats(1e-6, 1e6)))
    start, trans = start / start.sum(), trans / trans.sum(axis=1, keepdims=True)
    filtered, loglik = hmm_filter(start, trans, likelihood)
    alpha, total = start * likelihood[0], 0.0
    for t in range(n_bars):
        if t:
            alpha = (alpha @ trans) * likelihood[t]
        total += math.log(alpha.sum())
        alpha = alpha / alpha.sum()
        np.testing.assert_allclose(filtered[t], alpha, rtol=1e-10)
    assert loglik == pytest.approx(total, rel=1e-10, abs=1e-10)


def test_the_gaussian_form_and_the_likelihood_form_agree():
    model = model_of(3, 1, seed=9)
    x = sample(model, 200)
    variances = np.diagonal(model.covars_, axis1=1, axis2=2)
    density = np.exp(-((x - model.means_.T) ** 2) / (2 * variances.T)) / np.sqrt(2 * np.pi * variances.T)
    by_likelihood = hmm_filter(model.startprob_, model.transmat_, density)
    flat = hmm_filter(model.startprob_, model.transmat_, means=model.means_[:, 0], variances=variances[:, 0], x=x[:, 0])
    np.testing.assert_allclose(by_likelihood.filtered, ours(model, x).filtered, rtol=1e-9, atol=1e-13)
    np.testing.assert_array_equal(flat.filtered, ours(model, x).filtered)
    assert by_likelihood.loglik == pytest.approx(flat.loglik, rel=1e-12)


def test_more_observations_change_no_earlier_row_and_a_smoother_is_told_apart():
    model = model_of(3, 2, seed=4)
    x = sample(model, 400)

    def changed(table_of) -> np.ndarray:
        return np.flatnonzero((table_of(x)[:300] != table_of(x[:300])).any(axis=1))

    assert changed(lambda given: ours(model, given).filtered).size == 0
    looks_ahead = changed(model.predict_proba)
    assert 299 in looks_ahead
    assert not np.allclose(model.predict_proba(x)[:300], ours(model, x).filtered[:300], atol=0.05)


def test_long_series_of_tiny_densities_do_not_underflow():
    trans = np.array([[0.9, 0.1], [0.2, 0.8]])
    tiny = np.tile([1e-300, 2e-300], (100_000, 1))
    filtered, loglik = hmm_filter([0.5, 0.5], trans, tiny)
    relative, _ = hmm_filter([0.5, 0.5], trans, np.tile([1.0, 2.0], (100_000, 1)))
    np.testing.assert_allclose(filtered, relative, rtol=1e-12)
    assert loglik == pytest.approx(100_000 * math.log(1e-300), rel=0.01)


def test_an_impossible_observation_leaves_the_prediction_and_makes_the_likelihood_nothing():
    trans = np.array([[0.9, 0.1], [0.2, 0.8]])
    filtered, loglik = hmm_filter([0.3, 0.7], trans, [[1.0, 2.0], [0.0, 0.0], [1.0, 1.0]])
    assert loglik == -math.inf
    np.testing.assert_allclose(filtered[1], filtered[0] @ trans, rtol=1e-15)
    np.testing.assert_allclose(filtered[2], filtered[1] @ trans, rtol=1e-14)


def test_a_state_that_cannot_be_does_not_drown_one_that_can():
    """The impossible state has a density 1e600 times as high."""
    filtered, loglik = hmm_filter([1.0, 0.0], np.eye(2), [[1e-300, 1e300]] * 3)
    np.testing.assert_array_equal(filtered, [[1.0, 0.0]] * 3)
    assert loglik == pytest.approx(3 * math.log(1e-300))


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (([0.5, 0.6], np.eye(2), [[1, 1]]), InputError, "start: has a row .* probabilities that sum to 1"),
        (([0.5, 0.5], [[1, 0], [0.5, 0.6]], [[1, 1]]), InputError, r"trans: has a row \[0\.5, 0\.6\]"),
        (([0.5, 0.5], np.eye(3), [[1, 1]]), ShapeError, r"trans: has shape \(3, 3\); expected \(2, 2\)"),
        (([0.5, 0.5], np.eye(2), [[1, 1, 1]]), ShapeError, r"likelihood: has shape \(1, 3\)"),
        (([0.5, 0.5], np.eye(2), [[1, 1], [1, -1]]), InputError, "likelihood row 1: is .* densities, 0 or more"),
        (([0.5, 0.5], np.eye(2), [[1, 1], [math.nan, 1]]), InputError, "likelihood row 1"),
        (([0.5, math.nan], np.eye(2), [[1, 1]]), InputError, "start: has a value that is not finite"),
        (([0.5, 0.5], np.eye(2)), InputError, "either likelihood, or all of means, variances and x"),
    ],
)
def test_bad_arguments_are_refused(arguments, kind, message):
    with pytest.raises(kind, match=message):
        hmm_filter(*arguments)


@pytest.mark.parametrize(
    ("gaussian", "kind", "message"),
    [
        ({"means": [0, 1], "variances": [1, 0], "x": [0.0]}, InputError, r"variances: has 0\.0; expected numbers above 0"),
        ({"means": [0, 1], "variances": [1, 1], "x": [0.0, math.inf]}, InputError, "x row 1"),
        ({"means": [0, 1], "variances": [1, 1], "x": [[0.0, 1.0]]}, ShapeError, r"means, variances and x have shapes \(2, 1\)"),
        ({"means": [0, 1], "x": [0.0]}, InputError, "all of means, variances and x"),
    ],
)
def test_bad_gaussian_arguments_are_refused(gaussian, kind, message):
    with pytest.raises(kind, match=message):
        hmm_filter([0.5, 0.5], np.eye(2), **gaussian)


def test_a_fit_finds_the_planted_market():
    x, states = planted(20_000)
    start, trans, means, variances, centre, scale = parts(fit_hmm(2, x, WHOLE), 2, 1)
    np.testing.assert_allclose(np.sqrt(variances[:, 0]) * scale, [1.0, 4.0], rtol=0.05)
    np.testing.assert_allclose(means * scale + centre, 0.0, atol=0.1)
    np.testing.assert_allclose(np.diag(trans), 0.98, atol=0.005)
    filtered = hmm_filter(start, trans, means=means, variances=variances, x=(x - centre) / scale).filtered
    assert ((filtered[:, 1] > 0.5) == states).mean() > 0.94


def test_the_fit_is_as_likely_as_hmmlearns_own():
    x, _ = planted(4_000, seed=2, sigmas=(1.0, 2.0, 5.0))
    start, trans, means, variances, centre, scale = parts(fit_hmm(3, x, WHOLE), 3, 1)
    z = (x - centre) / scale
    best = max(GaussianHMM(3, "diag", n_iter=100, tol=1e-2, random_state=seed, implementation="log").fit(z).score(z) for seed in range(3))
    assert hmm_filter(start, trans, means=means, variances=variances, x=z).loglik > best - 1e-3 * len(z)


@pytest.mark.parametrize("seed", range(2))
def test_a_refit_does_not_swap_the_meaning_of_states(seed):
    """Whatever the market began with, state 0 is the quiet one and the last the wild one."""
    x, _ = planted(6_000, seed=seed, sigmas=(6.0, 1.0, 2.5) if seed % 2 else (1.0, 6.0, 2.5))
    two = np.column_stack([x[:, 0], np.abs(x[:, 0]) + np.random.default_rng(seed).standard_normal(len(x))])
    for rows in (two[:3_000], two[3_000:]):
        variances = parts(fit_hmm(3, rows, WHOLE), 3, 2)[3]
        assert (np.diff(variances[:, 0]) > 0.0).all()


@pytest.mark.parametrize("sigmas", [(0.9, 0.4, 0.6), (0.4, 0.9, 0.6)])
def test_reordering_states_moves_all_their_numbers_together(sigmas):
    """On a market whose states differ in all of them: every state keeps its own mean and its own ways in and out."""
    rng = np.random.default_rng(8)
    ways = np.array([[0.97, 0.02, 0.01], [0.10, 0.85, 0.05], [0.02, 0.08, 0.90]])
    states = np.zeros(8_000, dtype=np.int64)
    for t in range(1, len(states)):
        states[t] = rng.choice(3, p=ways[states[t - 1]])
    x = (np.array([-3.0, 0.0, 3.0])[states] + np.array(sigmas)[states] * rng.standard_normal(len(states)))[:, None]
    _, trans, means, variances, centre, scale = parts(fit_hmm(3, x, WHOLE), 3, 1)
    order = np.argsort(sigmas)
    np.testing.assert_allclose(np.sqrt(variances[:, 0]) * scale, [0.4, 0.6, 0.9], rtol=0.05)
    np.testing.assert_allclose((means * scale + centre)[:, 0], np.array([-3.0, 0.0, 3.0])[order], atol=0.1)
    moves = np.zeros((3, 3))
    np.add.at(moves, (states[:-1], states[1:]), 1.0)
    went = moves / moves.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(trans, went[order][:, order], atol=0.005)


def test_no_transition_is_learned_across_the_gap_between_two_stretches():
    quiet, wild = np.random.default_rng(6).standard_normal((2, 2_000, 1))
    pieces = [quiet[:1_000], 5.0 * wild[:1_000], quiet[1_000:], 5.0 * wild[1_000:]]
    rows, starts = np.concatenate(pieces), np.arange(4) * 1_000
    apart = parts(fit_hmm(2, rows, starts), 2, 1)[1]
    joined = parts(fit_hmm(2, rows, WHOLE), 2, 1)[1]
    assert apart[0, 1] < 0.6 * joined[0, 1]


def test_the_same_rows_give_the_same_bits_whether_or_not_they_were_fitted_before(monkeypatch):
    x, _ = planted(3_000)
    first = fit_hmm(2, x, WHOLE)
    monkeypatch.setattr(hidden_markov, "_fits", {})
    assert fit_hmm(2, x, WHOLE) == first
    assert len(hidden_markov._fits) == 1
    assert fit_hmm(3, x, WHOLE) != first
    assert n_fitted(2, 1) == len(first)


def test_no_variance_runs_away_where_most_returns_are_exactly_zero():
    """Prices that stand still have a density without bound in a state of their own."""
    x, _ = planted(6_000, seed=3)
    x[np.random.default_rng(3).random(6_000) < 0.6] = 0.0
    _, trans, _, variances, _, _ = parts(fit_hmm(3, x, WHOLE), 3, 1)
    assert variances.min() == pytest.approx(hidden_markov.VARIANCE_FLOOR)
    assert trans.min() > 0.0


@pytest.mark.parametrize(
    ("rows", "n_states", "message"),
    [
        (np.random.default_rng(0).standard_normal((99, 1)), 2, r"99 training rows for 2 states; expected 100 or more\. Give more bars"),
        (
            np.column_stack([np.random.default_rng(0).standard_normal(500), np.full(500, 0.1)]),
            2,
            r"argument 2 is 0\.1 on all training rows",
        ),
        (
            np.concatenate([np.tile([-1.0, 1.0], 400), [900.0, -900.0, 900.0]])[:, None],
            2,
            r"one of 2 states describes .* Ask for fewer states",
        ),
    ],
)
def test_degenerate_training_rows_are_refused(rows, n_states, message):
    with pytest.raises(InputError, match=message):
        fit_hmm(n_states, rows, WHOLE)


def test_a_missing_library_is_named_with_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "hmmlearn.hmm", None)
    monkeypatch.setattr(hidden_markov, "_fits", {})
    with pytest.raises(MissingDependency, match=r'hmmlearn, not installed here\. Install it with: pip install "barmill\[stats\]"'):
        fit_hmm(2, planted(500)[0], WHOLE)


def plan_of(*names: str, timeframe: Timeframe = MINUTE) -> FeaturePlan:
    return FeaturePlan(timeframe, tuple(parse_feature(name, timeframe) for name in names))


def changed_from(bars: Bars, *spans: tuple[int, int]) -> Bars:
    """The same bars with other prices in these spans, both ends included."""
    factor = np.ones(len(bars))
    for first, last in spans:
        factor[first : last + 1] = np.random.default_rng(0).uniform(0.5, 2.0, last + 1 - first)
    columns = {name: getattr(bars, name) * factor for name in ("open", "close")}
    high, low = np.maximum(columns["open"], columns["close"]), np.minimum(columns["open"], columns["close"])
    return Bars.from_columns(bars.instrument, bars.timeframe, bars.open_time, columns["open"], high, low, columns["close"], bars.volume)


def test_a_fit_does_not_change_when_rows_outside_its_own_do(bars):
    """Beyond the last training bar, and between two stretches as far as no window of a training row reaches."""
    stretches = [(0, 999), (1_400, 2_199)]
    fitted = plan_of(NAME).fit(bars, stretches).fitted
    other = changed_from(bars, (1_000, 1_370), (2_200, 2_999))
    assert plan_of(NAME).fit(other, stretches).fitted == fitted
    assert plan_of(NAME).fit(changed_from(bars, (500, 505)), stretches).fitted != fitted


def test_the_feature_is_the_public_filter_with_the_fitted_numbers(bars):
    plan = plan_of(NAME, "hmm_expected_state_2(log_return_1,realised_volatility_20)", "log_return_1", "realised_volatility_20")
    plan = plan.fit(bars, [(0, 1_999)])
    probability, expected, *seen = plan.compute(bars).values.T
    start, trans, means, variances, centre, scale = parts(plan.fitted[NAME], 2, 2)
    x = (np.column_stack(seen)[20:] - centre) / scale
    filtered = hmm_filter(start, trans, means=means, variances=variances, x=x).filtered
    assert np.isnan(probability[:20]).all()
    np.testing.assert_allclose(probability[20:], filtered[:, 1], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(expected[20:], filtered @ [0.0, 1.0], rtol=1e-9, atol=1e-13)


def test_the_states_probabilities_come_from_one_fit_and_sum_to_one(bars, monkeypatch):
    monkeypatch.setattr(hidden_markov, "_fits", {})
    names = [f"hmm_probability_3_{state}(log_return_1)" for state in range(3)]
    plan = plan_of(*names, "hmm_expected_state_3(log_return_1)").fit(bars, [(0, 1_999)])
    assert len(hidden_markov._fits) == 1
    *each, expected = plan.compute(bars).values[1:].T
    np.testing.assert_allclose(np.sum(each, axis=0), 1.0, rtol=1e-14)
    np.testing.assert_allclose(expected, each[1] + 2.0 * each[2], rtol=1e-12)


def test_later_bars_change_nothing_earlier_even_where_smoothing_would(bars):
    plan = plan_of(NAME).fit(bars, [(0, 1_499)])
    whole, other = plan.compute(bars).values, plan.compute(changed_from(bars, (2_000, 2_999))).values
    np.testing.assert_array_equal(other[:2_000], whole[:2_000])
    assert not np.array_equal(other[2_000:], whole[2_000:])


def test_an_observation_beyond_all_states_is_no_nan():
    numbers = fit_hmm(3, planted(3_000)[0], WHOLE)
    x = np.array([0.1, 1e6, -1e9, 1e200, 0.2, 0.3])
    probability, expected = kernel.run((3, 2, *numbers), x)
    assert np.isfinite(probability).all()
    assert np.isfinite(expected).all()
    assert probability[1] == pytest.approx(1.0)  # only the widest state reaches so far
    assert ((probability >= 0.0) & (probability <= 1.0)).all()


def test_fitted_numbers_travel_with_the_plan_and_their_count_is_checked(bars):
    plan = plan_of(NAME).fit(bars, [(0, 1_999)])
    written = json.loads(json.dumps(plan.to_json()))
    again = FeaturePlan.from_json(written)
    np.testing.assert_array_equal(again.compute(bars).values, plan.compute(bars).values)
    written["fitted"][NAME].append(1.0)
    with pytest.raises(SchemaError, match=r"hmm_probability_2_1.*: 19 fitted numbers; expected 18"):
        FeaturePlan.from_json(written).compute(bars)


@pytest.mark.parametrize(
    "path",
    ["crypto/FILUSDT_um_1m_2024-02.parquet", "futures/ES_5m_2024-12_2025-10.parquet", "fx/EURUSD_1m_2018.parquet"],
)
def test_on_real_bars_the_wild_state_is_wild_and_the_start_is_forgotten_as_declared(real_data, path):
    bars = Bars.read(real_data / path)
    bars = bars.slice(0, 9_000)
    names = ("hmm_probability_2_1(log_return_1,realised_volatility_20)", "hmm_expected_state_3(log_return_1)", "realised_volatility_20")
    plan = plan_of(*names, timeframe=bars.timeframe).fit(bars, [(0, 3_999)])
    wild, expected, volatility = plan.compute(bars).values.T
    after = slice(4_000, None)
    assert np.corrcoef(wild[after], volatility[after])[0, 1] > 0.5
    assert 0.02 < np.mean(wild[after] > 0.5) < 0.98
    assert np.isfinite(expected[after]).all()
    late = plan.compute(bars.slice(5_000, len(bars))).values
    settled = math.ceil(math.log(1e-9) / math.log(HMM_FADES)) + 20
    np.testing.assert_allclose(late[settled:, :2], np.column_stack([wild, expected])[5_000 + settled :], rtol=0, atol=1e-9)
