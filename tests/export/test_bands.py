"""Every band in a graph is the band of NumPy."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.bundles.forecast_band import AROUND, QUANTILES, ForecastBand
from barmill.ensembles.contract import Said
from barmill.errors import BundleError
from barmill.export.bands import add_band
from barmill.export.values import SaidValues
from barmill.uncertainty.conformal.adaptive import AdaptiveConformal
from barmill.uncertainty.conformal.bands import CqrBand, JackknifeBand, SplitBand
from barmill.uncertainty.conformal.cv_plus_band import CvPlusBand
from barmill.uncertainty.conformal.reading import ConformalBand
from barmill.uncertainty.conformal.regime_band import RegimeBand, RegimeThreshold

N = 40
REGIME = "volatility_regime"


def adaptive():
    y = np.random.default_rng(5).standard_normal(60)
    return AdaptiveConformal(0.2, (0.005, 0.05), 60).start(y, np.full(60, -0.5), np.full(60, 0.5))


def by_regime(q: float = -0.4):
    entries = (RegimeThreshold(0, 100, q), RegimeThreshold(1, 3, None), RegimeThreshold(2, 100, 0.8))
    return RegimeBand(CqrBand(0.1, 0.1, 203), entries)


BANDS = {
    "split": (SplitBand(0.7, 0.1, 100), ("E_r", "q50")),
    "jackknife": (JackknifeBand(0.6, 0.1, 100), ("E_r", "q50")),
    "wider": (CqrBand(0.3, 0.1, 100), AROUND),
    "narrowed to points": (CqrBand(-0.5, 0.1, 100), AROUND),
    "adaptive": (adaptive(), AROUND),
    "by regime": (by_regime(), AROUND),
}


def what_is_said(seed: int = 1) -> tuple[Said, np.ndarray]:
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.standard_normal((N, 3)), axis=1)
    return Said(rng.uniform(size=N), rng.standard_normal(N), quantiles), rng.integers(-1, 4, N).astype(np.float64)


def ends_of_graph(ran, band: ForecastBand, said: Said, regime: np.ndarray) -> list[np.ndarray]:
    feeds = {"p": said.p, "expected": said.expected, "quantiles": said.quantiles, "regime": regime}
    return ran(lambda graph, p, e, q, r: add_band(graph, band, SaidValues(p, e, q), r), feeds, 1, 1)


@pytest.mark.parametrize(("kind", "around"), [(kind, around) for kind, (_, ends) in BANDS.items() for around in ends])
def test_a_band_in_a_graph_has_the_ends_that_it_has(ran, kind, around):
    band = ForecastBand(BANDS[kind][0], around, REGIME if kind == "by regime" else None)
    said, regime = what_is_said()
    for found, there in zip(ends_of_graph(ran, band, said, regime), band.of(said, regime), strict=True):
        np.testing.assert_array_equal(found, there)


@settings(max_examples=25, deadline=None)
@given(st.floats(-3, 3), st.integers(0, 99))
def test_ends_that_would_cross_are_a_point(ran, q, seed):
    band = ForecastBand(CqrBand(q, 0.1, 100), QUANTILES)
    said, regime = what_is_said(seed)
    lower, upper = ends_of_graph(ran, band, said, regime)
    assert (lower <= upper).all()
    np.testing.assert_array_equal([lower, upper], band.of(said, None))


def test_the_bands_above_are_all_that_a_bundle_can_hold():
    assert {type(band) for band, _ in BANDS.values()} == {*get_args(ConformalBand)} - {CvPlusBand}


def test_a_band_of_the_models_of_all_folds_is_refused_where_a_bundle_refuses_it():
    y = np.random.default_rng(0).standard_normal(40)
    band = CvPlusBand(np.sort(np.abs(y)), np.arange(40) % 4, 4, 0.2)
    with pytest.raises(BundleError):
        ForecastBand(band, "q50")
