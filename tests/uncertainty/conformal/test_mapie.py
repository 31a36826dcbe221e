"""MAPIE says the same, where it is installed."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

from barmill.uncertainty.conformal import cv_plus, split_conformal

regression = pytest.importorskip("mapie.regression")


def line(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    return x, x @ [1.0, -0.5] + rng.standard_t(4, n)


@pytest.mark.parametrize("alpha", [0.1, 0.25])
def test_split_conformal_is_that_of_mapie(alpha):
    model = LinearRegression().fit(*line(50))
    (x, y), (new, _) = line(137, 1), line(20, 2)
    theirs = regression.SplitConformalRegressor(model, confidence_level=1 - alpha, prefit=True).conformalize(x, y).predict_interval(new)[1]
    found = split_conformal(y, model.predict(x), model.predict(new), alpha)
    np.testing.assert_allclose(np.column_stack(found[1:]), theirs[:, :, 0], rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.1, 0.25])
def test_cv_plus_is_that_of_mapie(alpha):
    (x, y), (new, _), folds = line(137), line(20, 2), KFold(5)
    peer = regression.CrossConformalRegressor(LinearRegression(), confidence_level=1 - alpha, cv=folds).fit_conformalize(x, y)
    residuals, fold, said = np.empty(137), np.empty(137, dtype=int), np.empty((20, 5))
    for k, (train, test) in enumerate(folds.split(x)):
        model = LinearRegression().fit(x[train], y[train])
        residuals[test], fold[test], said[:, k] = np.abs(y[test] - model.predict(x[test])), k, model.predict(new)
    found = cv_plus(residuals, fold, said, alpha)
    np.testing.assert_allclose(np.column_stack(found), peer.predict_interval(new)[1][:, :, 0], rtol=1e-9)
