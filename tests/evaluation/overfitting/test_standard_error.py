"""The error of a Sharpe ratio: its three forms, statsmodels, and how far estimates really scatter."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.api import OLS

from barmill.errors import ShapeError
from barmill.evaluation import sharpe_moments, sharpe_ratio, sharpe_standard_error
from barmill.evaluation.overfitting.autocovariance import autocovariances


def test_each_form_is_its_formula():
    r = np.random.default_rng(0).standard_t(5, 400) * 0.01 + 0.002
    sr, skew, kurt, n = sharpe_moments(r)
    assert sharpe_standard_error(r, "iid_normal").standard_error == pytest.approx(math.sqrt((1 + sr**2 / 2) / n))
    found = sharpe_standard_error(r, "non_normal")
    assert found.standard_error == pytest.approx(math.sqrt((1 - skew * sr + (kurt - 1) / 4 * sr**2) / (n - 1)))
    assert (found.sr, found.method, found.lags, found.n_obs) == (sr, "non_normal", 0, 400)
    low, high = found.interval(0.9)
    assert (high - low) / 2 == pytest.approx(1.6448536 * found.standard_error)


@given(st.integers(0, 2**32 - 1), st.integers(30, 400))
def test_without_lags_the_long_run_form_is_that_of_independent_returns(seed, n):
    r = np.random.default_rng(seed).standard_t(6, n) + 0.1
    one, other = sharpe_standard_error(r, "autocorrelated", lags=0), sharpe_standard_error(r, "non_normal")
    assert one.standard_error == pytest.approx(other.standard_error, rel=2 / n)  # n against n - 1


@pytest.mark.parametrize("lags", [0, 1, 7, 40])
def test_the_long_run_variance_is_that_of_statsmodels(lags):
    r = np.convolve(np.random.default_rng(1).normal(0.1, 1.0, 600), np.ones(5), "valid")
    z = (r - r.mean()) / r.std()
    influence = z - r.mean() / r.std() / 2 * (z * z - 1)
    fitted = OLS(influence, np.ones(influence.size)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    assert sharpe_standard_error(r, lags=lags).standard_error == pytest.approx(fitted.bse[0], rel=1e-9)


def test_it_is_how_far_estimates_scatter_when_returns_hang_together():
    """Positions held for ten bars: errors that suppose independence are a third of the true ones."""
    draw = np.random.default_rng(2)
    series = [np.convolve(draw.normal(0.05, 1.0, 2009), np.ones(10), "valid") for _ in range(400)]
    scatter = np.std([sharpe_ratio(r, 1.0) for r in series])
    told = np.mean([sharpe_standard_error(r, lags=30).standard_error for r in series])
    naive = np.mean([sharpe_standard_error(r, "non_normal").standard_error for r in series])
    assert told == pytest.approx(scatter, rel=0.15)
    assert naive < scatter / 2.5


@given(st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_autocovariances_are_the_sums_of_their_definition(n, seed):
    x = np.random.default_rng(seed).normal(size=n)
    away = x - x.mean()
    slow = [away[k:] @ away[: n - k] / n for k in range(n)]
    np.testing.assert_allclose(autocovariances(x, n - 1), slow, atol=1e-12)


def test_what_is_undefined_is_nan_and_what_is_invalid_raises():
    found = sharpe_standard_error([0.1, 0.1])
    assert math.isnan(found.standard_error)
    assert found.to_json()["standard_error"] is None
    assert sharpe_standard_error(np.r_[np.arange(10.0), np.nan]).n_obs == 10
    with pytest.raises(ShapeError, match="method: is 'exact'"):
        sharpe_standard_error([0.1, 0.2], "exact")
    with pytest.raises(ShapeError, match="lags: is 2"):
        sharpe_standard_error([0.1, 0.2], lags=2)
    with pytest.raises(ShapeError, match="level"):
        sharpe_standard_error([0.1, 0.2]).interval(1.0)
