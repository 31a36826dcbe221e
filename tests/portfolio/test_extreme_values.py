"""The generalised Pareto tail against SciPy's likelihood and fit, and its risk against the distribution's own quantiles."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import genpareto

from barmill.errors import ShapeError
from barmill.portfolio import evt_var_es, gpd_fit


@pytest.mark.parametrize("xi", [-0.6, -0.3, -0.05, 0.0, 0.1, 0.4, 0.9, 1.6])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_the_likelihood_is_scipys_and_none_nearby_is_better(xi: float, scale: float):
    losses = 2.0 + genpareto.rvs(xi, scale=scale, size=800, random_state=np.random.default_rng(7))
    fit = gpd_fit(losses, 2.0)
    excess = losses - 2.0
    assert fit.nll == pytest.approx(genpareto.nnlf((fit.xi, 0.0, fit.beta), excess), rel=1e-9)
    shape, _, beta = genpareto.fit(excess, xi, floc=0.0, scale=scale)
    assert fit.nll <= genpareto.nnlf((shape, 0.0, beta), excess) + 1e-6
    assert fit.xi == pytest.approx(shape, abs=2e-3)
    assert fit.beta == pytest.approx(beta, rel=2e-3)
    assert abs(fit.xi - xi) < 0.2
    for other_xi, other_beta in ((fit.xi + 1e-3, fit.beta), (fit.xi, fit.beta * 1.001), (fit.xi - 1e-3, fit.beta * 0.999)):
        assert genpareto.nnlf((other_xi, 0.0, other_beta), excess) > fit.nll


@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_the_fit_goes_with_the_units_and_not_with_what_lies_below(scale: float, seed: int):
    losses = genpareto.rvs(0.2, size=200, random_state=np.random.default_rng(seed))
    plain = gpd_fit(losses, 0.5)
    scaled = gpd_fit(np.concatenate([losses * scale, [-5.0 * scale, math.nan]]), 0.5 * scale)
    assert scaled.xi == pytest.approx(plain.xi, abs=1e-5)
    assert scaled.beta == pytest.approx(plain.beta * scale, rel=1e-5)
    assert (scaled.n, scaled.n_exceedances) == (plain.n + 1, plain.n_exceedances)


def test_exceedances_are_strictly_above_the_threshold():
    assert gpd_fit([1.0, 1.0, 2.0, 3.0, 4.0], 1.0).n_exceedances == 3


@pytest.mark.parametrize("losses", [[], [0.5], [2.0], [2.0, 2.0]])
def test_too_few_different_exceedances_have_no_fit(losses: list[float]):
    fit = gpd_fit(losses, 1.0)
    assert math.isnan(fit.xi)
    assert math.isnan(fit.beta)
    assert math.isnan(fit.nll)
    assert fit.n == len(losses)


@pytest.mark.parametrize("xi", [-0.3, 0.0, 0.25, 0.8])
@pytest.mark.parametrize("q", [0.97, 0.99, 0.999])
def test_risk_is_the_quantile_of_the_tail_and_the_mean_beyond_it(xi: float, q: float):
    beta, threshold, n, n_exceedances = 0.7, 3.0, 2000, 100
    var, es = evt_var_es(xi, beta, threshold, n, n_exceedances, q)
    tail = genpareto(xi, scale=beta)
    beyond = 1 - (1 - q) * n / n_exceedances
    assert var == pytest.approx(threshold + tail.ppf(beyond), rel=1e-9)
    mean, _ = quad(tail.ppf, beyond, 1, limit=200)
    assert es == pytest.approx(threshold + mean / (1 - beyond), rel=1e-4)


def test_a_shape_of_zero_is_the_limit_of_the_formula():
    at_zero = evt_var_es(0.0, 1.0, 2.0, 1000, 50, 0.999)
    assert at_zero == pytest.approx((2 - math.log(0.02), 3 - math.log(0.02)))
    assert evt_var_es(1e-7, 1.0, 2.0, 1000, 50, 0.999) == pytest.approx(at_zero, rel=1e-5)


def test_a_tail_without_a_mean_has_no_expected_shortfall():
    assert evt_var_es(1.0, 1.0, 2.0, 1000, 50, 0.99).es == math.inf


def test_at_the_threshold_the_quantile_is_the_threshold():
    assert evt_var_es(0.3, 1.0, 2.0, 1000, 50, 0.95).var == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gpd_fit([1.0, math.inf], 0.0), "finite"),
        (lambda: gpd_fit([1.0], math.nan), "threshold: nan"),
        (lambda: evt_var_es(0.1, 1.0, 0.0, 100, 10, 1.0), "q: 1.0; expected a probability"),
        (lambda: evt_var_es(0.1, 0.0, 0.0, 100, 10, 0.99), "beta: 0.0; expected a scale above 0"),
        (lambda: evt_var_es(0.1, 1.0, 0.0, 100, 0, 0.99), "0 of 100"),
        (lambda: evt_var_es(0.1, 1.0, 0.0, 10, 11, 0.99), "11 of 10"),
    ],
)
def test_what_cannot_be_is_refused(call, message: str):
    with pytest.raises(ShapeError, match=message):
        call()
