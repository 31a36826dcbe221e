"""A band for each regime that has rows enough, the pooled one elsewhere."""

import json

import numpy as np
import pytest

from barmill.errors import BundleError, ForecastError, ShapeError, SplitError
from barmill.uncertainty.conformal import CqrBand, RegimeBand, RegimeThreshold, cqr, fit_regime_band, read_band

SPREAD = {-1: 0.5, 0: 1.0, 4: 5.0}


def rows(n=3000, seed=0, regimes=(-1, 0, 4)):
    rng = np.random.default_rng(seed)
    regime = rng.choice(regimes, n)
    return rng.normal(size=n) * np.vectorize(SPREAD.get)(regime), np.full(n, -1.0), np.full(n, 1.0), regime


def coverage(band, y, held):
    return np.mean((y[held] >= band.lower[held]) & (y[held] <= band.upper[held]))


def test_each_regime_has_the_q_of_its_own_rows():
    y, lo, hi, regime = rows()
    band = fit_regime_band(y, lo, hi, regime, 0.1)
    for entry in band.regimes:
        own = regime == entry.regime
        assert entry == (entry.regime, own.sum(), cqr(y[own], lo[own], hi[own], [0.0], [0.0], 0.1).q)
    assert band.pooled.q == cqr(y, lo, hi, [0.0], [0.0], 0.1).q
    assert [entry.regime for entry in band.regimes] == [-1, 0, 4]


def test_every_regime_is_covered_where_the_pooled_band_fails_both_ways():
    y, lo, hi, regime = rows()
    new, new_lo, new_hi, new_regime = rows(seed=1, n=9000)
    own = fit_regime_band(y, lo, hi, regime, 0.1).apply(new_lo, new_hi, new_regime)
    pooled = fit_regime_band(y, lo, hi, regime, 0.1).pooled.apply(new_lo, new_hi)
    for number in SPREAD:
        assert coverage(own, new, new_regime == number) == pytest.approx(0.9, abs=0.03)
    assert coverage(pooled, new, new_regime == 4) < 0.8
    assert coverage(pooled, new, new_regime == -1) > 0.99


def test_a_regime_with_too_few_rows_and_one_never_seen_take_the_pooled_band_and_it_is_recorded():
    y, lo, hi, _ = rows()
    regime = np.where(np.arange(y.size) < 8, 2, np.where(np.arange(y.size) < 17, 3, 0))
    band = fit_regime_band(y, lo, hi, regime, 0.1)
    assert [(e.regime, e.n_rows, e.q is None) for e in band.regimes] == [(0, 2983, False), (2, 8, True), (3, 9, False)]
    for number in (2, 77):
        np.testing.assert_array_equal(band.apply([-1.0], [1.0], [number]), band.pooled.apply([-1.0], [1.0]))


def test_one_by_one_is_all_at_once():
    y, lo, hi, regime = rows(n=200)
    band = fit_regime_band(y, lo, hi, regime, 0.1)
    alone = [band.apply(lo[i : i + 1], hi[i : i + 1], regime[i : i + 1]) for i in range(y.size)]
    np.testing.assert_array_equal(band.apply(lo, hi, regime), np.concatenate(alone, axis=1))


def test_json_gives_the_same_band_to_the_bit():
    y, lo, hi, regime = rows(n=200)
    band = fit_regime_band(y, lo, hi, np.append(regime[:-1], 9), 0.1)
    assert band.regimes[-1].q is None
    again = read_band(json.loads(json.dumps(band.to_json())))
    assert again == band
    np.testing.assert_array_equal(again.apply(lo, hi, regime), band.apply(lo, hi, regime))


@pytest.mark.parametrize(
    "change",
    [{"pooled": {}}, {"regimes": [{"regime": 0, "n_rows": 9, "q": float("inf")}]}, {"regimes": [{"regime": 0}]}, {"method": "cqr"}],
)
def test_json_of_something_else_is_a_bundle_error(change):
    whole = fit_regime_band(*rows(n=200), 0.1).to_json()
    with pytest.raises(BundleError, match="conformal band: cannot be read"):
        RegimeBand.from_json({**whole, **change})


def test_what_does_not_fit_is_refused():
    y, lo, hi, regime = rows(n=200)
    with pytest.raises(SplitError, match="has 8 rows, too few"):
        fit_regime_band(y[:8], lo[:8], hi[:8], regime[:8], 0.1)
    with pytest.raises(ShapeError, match=r"regime row 0: is 0.5; expected the number of a regime"):
        fit_regime_band(y, lo, hi, np.full(200, 0.5), 0.1)
    band = fit_regime_band(y, lo, hi, regime, 0.1)
    with pytest.raises(ForecastError, match="regime: is \\[nan\\]"):
        band.apply([0.0], [0.0], [np.nan])
    with pytest.raises(ForecastError, match="for each of 2 rows"):
        band.apply([0.0, 1.0], [0.0, 1.0], [1.0])
    with pytest.raises(ShapeError, match="ascending regimes"):
        RegimeBand(CqrBand(1.0, 0.1, 9), (RegimeThreshold(1, 9, 1.0), RegimeThreshold(1, 9, 1.0)))
