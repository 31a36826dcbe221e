"""What is promised is kept where rows are exchangeable: every trial draws calibration rows and one new outcome afresh."""

import numpy as np
import pytest

from barmill.evaluation import coverage_band
from barmill.uncertainty.conformal import conformal_rank, cqr, cv_plus, fit_regime_band, split_conformal

TRIALS = 3000


def draw(rng, n):
    """Outcomes, predictions and a forecast band, with tails and with errors that grow with the spread."""
    spread = rng.uniform(0.5, 3.0, n)
    prediction = rng.normal(size=n)
    return prediction + spread * rng.standard_t(3, n), prediction, prediction - spread, prediction + 2 * spread


@pytest.mark.parametrize(("n", "alpha"), [(39, 0.1), (47, 0.1), (19, 0.05), (60, 0.3)])
def test_split_and_cqr_cover_ceil_of_n_plus_1_times_1_minus_alpha_over_n_plus_1(n, alpha):
    rng = np.random.default_rng(n)
    held = np.zeros((TRIALS, 2))
    for trial in range(TRIALS):
        y, prediction, lo, hi = draw(rng, n + 1)
        split = split_conformal(y[:-1], prediction[:-1], prediction[-1:], alpha)
        band = cqr(y[:-1], lo[:-1], hi[:-1], lo[-1:], hi[-1:], alpha)
        held[trial] = [split.lower[0] <= y[-1] <= split.upper[0], band.lower[0] <= y[-1] <= band.upper[0]]
    chance = coverage_band(TRIALS, conformal_rank(n, alpha) / (n + 1), confidence=0.999)
    for share in held.mean(axis=0):
        assert chance.low <= share <= chance.high


def test_a_band_by_regime_covers_that_share_within_each_regime():
    rng = np.random.default_rng(1)
    held = {0: [], 1: []}
    for _ in range(TRIALS):
        regime = np.append(np.repeat([0, 1], [39, 29]), rng.integers(0, 2))
        y, _, lo, hi = draw(rng, 69)
        y = np.where(regime == 1, 4 * y, y)
        band = fit_regime_band(y[:-1], lo[:-1], hi[:-1], regime[:-1], 0.1).apply(lo[-1:], hi[-1:], regime[-1:])
        held[int(regime[-1])].append(bool(band.lower[0] <= y[-1] <= band.upper[0]))
    for number, n in ((0, 39), (1, 29)):
        chance = coverage_band(len(held[number]), conformal_rank(n, 0.1) / (n + 1), confidence=0.999)
        assert chance.low <= np.mean(held[number]) <= chance.high


def test_cv_plus_of_a_fitted_line_keeps_its_theorem_and_comes_near_its_level():
    rng, n, n_folds, held = np.random.default_rng(2), 60, 5, []
    fold = np.arange(n) * n_folds // n
    for _ in range(600):
        x = rng.normal(size=n + 1)
        y = x + (1 + np.abs(x)) * rng.standard_t(4, n + 1)
        lines = [np.polyfit(x[:-1][fold != k], y[:-1][fold != k], 1) for k in range(n_folds)]
        residuals = np.array([abs(y[i] - np.polyval(lines[fold[i]], x[i])) for i in range(n)])
        lower, upper = cv_plus(residuals, fold, [[np.polyval(line, x[-1]) for line in lines]], 0.1)
        held.append(bool(lower[0] <= y[-1] <= upper[0]))
    assert np.mean(held) > 0.8
    chance = coverage_band(600, 0.9, confidence=0.999)
    assert chance.low <= np.mean(held) <= chance.high
