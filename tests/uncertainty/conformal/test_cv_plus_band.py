"""CV+ as a server applies it is the sorted list of all residuals, to the bit."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import BundleError, ForecastError, ShapeError, SplitError
from barmill.uncertainty.conformal import CvPlusBand, cv_plus, fit_cv_plus_band, read_band


def fitted(n=200, n_folds=5, alpha=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return fit_cv_plus_band(rng.normal(size=n), rng.normal(0, 0.2, n), rng.integers(0, n_folds, n), n_folds, alpha)


@given(
    st.integers(9, 120),
    st.integers(1, 6),
    st.sampled_from([0.1, 0.15, 0.25, 1 / 3, 0.45]),
    st.sampled_from([0.0, 1e-16, 1e-3, 0.1, 1.0, 30.0, 1e9]),
    st.sampled_from([0, 1, 17]),
    st.integers(0, 2**32 - 1),
)
def test_what_is_served_is_cv_plus_to_the_bit(n, n_folds, alpha, disagreement, digits, seed):
    rng = np.random.default_rng(seed)
    y, said = rng.standard_t(3, n).round(digits), rng.normal(size=n).round(digits)
    fold, new = rng.integers(0, n_folds, n), 7.0 + disagreement * rng.normal(size=(5, n_folds))
    band = fit_cv_plus_band(y, said, fold, n_folds, alpha)
    np.testing.assert_array_equal(band.apply(new), cv_plus(np.abs(y - said), fold, new, alpha))


def test_one_by_one_is_all_at_once_and_never_crosses():
    band, new = fitted(alpha=0.45), np.random.default_rng(1).normal(size=(50, 5)) * 5
    whole = band.apply(new)
    np.testing.assert_array_equal(whole, np.concatenate([band.apply(new[i : i + 1]) for i in range(50)], axis=1))
    assert (whole.lower <= whole.upper).all()


def test_a_band_widens_where_the_fold_models_disagree():
    band = fitted()
    lower, upper = band.apply([[0.0] * 5, [-2.0, -1.0, 0.0, 1.0, 2.0]])
    assert upper[1] - lower[1] > upper[0] - lower[0]


def test_json_gives_the_same_band_to_the_bit():
    band, new = fitted(), np.random.default_rng(1).normal(size=(50, 5))
    again = read_band(json.loads(json.dumps(band.to_json())))
    assert isinstance(again, CvPlusBand)
    assert again.to_json() == band.to_json()
    np.testing.assert_array_equal(again.apply(new), band.apply(new))


@pytest.mark.parametrize(
    "change",
    [
        {"residuals": [2.0, 1.0] + [3.0] * 198},
        {"residuals": [-1.0] * 200},
        {"residuals": [float("nan")] * 200},
        {"residuals": [1.0]},
        {"fold": [0] * 3},
        {"fold": [7] * 200},
        {"alpha": 0.5},
        {"n_folds": None},
        {"method": "cqr"},
    ],
)
def test_json_of_something_else_is_a_bundle_error(change):
    with pytest.raises(BundleError, match="conformal band: cannot be read"):
        CvPlusBand.from_json({**fitted().to_json(), **change})


def test_what_does_not_fit_is_refused():
    with pytest.raises(SplitError, match="out-of-fold forecasts: has 8 rows, too few"):
        fitted(n=8)
    with pytest.raises(ShapeError, match=r"below 0\.5: CV\+ promises 1 - 2 alpha"):
        fitted(alpha=0.5)
    with pytest.raises(ShapeError, match="fold row 0: is -1"):
        fit_cv_plus_band(np.zeros(9), np.zeros(9), [-1] * 9, 2, 0.1)
    with pytest.raises(ForecastError, match=r"have shape \(1, 4\); expected \(n, 5\)"):
        fitted().apply(np.zeros((1, 4)))
    with pytest.raises(ForecastError, match="fold_predictions row 1: is not finite"):
        fitted().apply([[0.0] * 5, [np.nan] * 5])
