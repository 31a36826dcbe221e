"""Every calibrator in a graph says what it says in NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.export.calibrators import add_calibration
from barmill.uncertainty import Calibration, FeatureCalibration, RegimeCalibration, fit_calibration
from barmill.uncertainty.calibration import METHODS
from barmill.uncertainty.conditional import RegimeRows
from barmill.uncertainty.isotonic import IsotonicCurve
from barmill.uncertainty.platt import PlattScaling
from barmill.uncertainty.steps import Isotonic, Platt, Temperature

CHAINS = [(), *((method,) for method in METHODS), ("temperature_scaling", "isotonic"), ("beta", "platt"), ("isotonic", "platt", "beta")]
ROWS = 400


def scores(n_classes: int, n: int = ROWS, seed: int = 0) -> np.ndarray:
    shape = (n,) if n_classes == 2 else (n, n_classes)
    return 1.5 * np.random.default_rng(seed).standard_normal(shape)


def fitted(methods: tuple[str, ...], n_classes: int, seed: int = 1) -> Calibration:
    logits = scores(n_classes, 600, seed)
    rng = np.random.default_rng(seed)
    noisy = logits + rng.standard_normal(logits.shape)
    y = (noisy > 0).astype(int) if n_classes == 2 else noisy.argmax(axis=1)
    return fit_calibration(methods, logits, y, n_classes)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("methods", CHAINS, ids=" ".join)
def test_a_chain_in_a_graph_says_what_it_says(ran, methods, n_classes):
    calibration, logits = fitted(methods, n_classes), scores(n_classes)
    (p,) = ran(lambda graph, x: (add_calibration(graph, calibration, x),), {"logits": logits}, logits.ndim)
    # Between steps a p near 1 has lost the digits of 1 - p that tell its log-odds: what rounding did to it, the next step can stretch.
    np.testing.assert_allclose(p, calibration.apply(logits), rtol=0, atol=1e-12 if len(methods) < 3 else 1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-800, 800), min_size=1, max_size=20), st.sampled_from([(method,) for method in METHODS]))
def test_logits_of_any_size_do_not_overflow(ran, sizes, methods):
    calibration, logits = fitted(methods, 2), np.array(sizes)
    (p,) = ran(lambda graph, x: (add_calibration(graph, calibration, x),), {"logits": logits}, 1)
    np.testing.assert_allclose(p, calibration.apply(logits), rtol=0, atol=1e-12)


def test_an_isotonic_curve_is_met_at_its_corners_and_beyond_its_ends(ran):
    curve = IsotonicCurve(np.array([0.2, 0.4, 0.5, 0.9]), np.array([0.1, 0.3, 0.3, 0.8]))
    calibration = Calibration(2, (Isotonic((curve,)),))
    p = np.concatenate([curve.x, np.nextafter(curve.x, 0), np.nextafter(curve.x, 1), [1e-9, 0.45, 1 - 1e-9]])
    logits = np.log(p) - np.log1p(-p)
    (said,) = ran(lambda graph, x: (add_calibration(graph, calibration, x),), {"logits": logits}, logits.ndim)
    np.testing.assert_allclose(said, calibration.apply(logits), rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_curve_of_one_corner_is_a_constant(ran, n_classes):
    curve = IsotonicCurve(np.array([0.5]), np.array([0.3]))
    calibration = Calibration(n_classes, (Isotonic((curve,) * (1 if n_classes == 2 else n_classes)),))
    logits = scores(n_classes, 5)
    (p,) = ran(lambda graph, x: (add_calibration(graph, calibration, x),), {"logits": logits}, logits.ndim)
    np.testing.assert_allclose(p, calibration.apply(logits), rtol=0, atol=1e-12)


def test_a_row_to_which_all_lines_give_nothing_keeps_its_probabilities(ran):
    calibration = Calibration(3, (Platt((PlattScaling(0.0, 800.0),) * 3),))
    logits = scores(3, 5)
    (p,) = ran(lambda graph, x: (add_calibration(graph, calibration, x),), {"logits": logits}, logits.ndim)
    np.testing.assert_allclose(p, calibration.apply(logits), rtol=0, atol=1e-12)
    np.testing.assert_allclose(p, Calibration(3).apply(logits), rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_each_row_takes_the_calibration_of_its_regime(ran, n_classes):
    own = [
        RegimeRows(0, 600, fitted(("platt",), n_classes, 2)),
        RegimeRows(1, 3, None),
        RegimeRows(4, 600, fitted(("isotonic",), n_classes, 3)),
    ]
    calibration = FeatureCalibration("volatility_regime", RegimeCalibration(fitted(("beta",), n_classes), tuple(own), 500))
    logits, regimes = scores(n_classes), np.random.default_rng(4).integers(-1, 6, ROWS).astype(np.float64)
    (p,) = ran(
        lambda graph, x, regime: (add_calibration(graph, calibration, x, regime),), {"logits": logits, "regime": regimes}, logits.ndim
    )
    np.testing.assert_allclose(p, calibration.apply(logits, regimes), rtol=0, atol=1e-12)


def test_a_model_that_says_nothing_of_classes_has_nothing_to_calibrate(ran):
    (p,) = ran(lambda graph, x: (add_calibration(graph, Calibration(0), x),), {"logits": np.empty((3, 0))}, 2)
    assert p.shape == (3, 0)


def test_a_wrong_temperature_shows(ran):
    """The comparison of this file sees what it is there to see."""
    logits = scores(2)
    (p,) = ran(lambda graph, x: (add_calibration(graph, Calibration(2, (Temperature(1.01),)), x),), {"logits": logits}, 1)
    assert np.abs(p - Calibration(2, (Temperature(1.0),)).apply(logits)).max() > 1e-4
