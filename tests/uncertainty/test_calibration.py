import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import BundleError, ForecastError, RecipeError, ShapeError, SplitError
from barmill.uncertainty import (
    Calibration,
    beta_calibration,
    fit_calibration,
    fit_residual_quantiles,
    isotonic_calibration,
    platt_scaling,
    temperature_scaling,
)
from barmill.uncertainty.beta import BetaCalibration
from barmill.uncertainty.calibration import Beta, Isotonic, Platt
from barmill.uncertainty.isotonic import IsotonicCurve
from barmill.uncertainty.links import logits_of, sigmoid, softmax
from barmill.uncertainty.platt import PlattScaling

CHAINS = [
    [],
    ["temperature_scaling"],
    ["platt"],
    ["beta"],
    ["isotonic"],
    ["temperature_scaling", "isotonic"],
    ["isotonic", "temperature_scaling"],
    ["isotonic", "beta", "platt"],
]
ONE_AGAINST_THE_REST = ["platt", "beta", "isotonic"]
SMOOTH = [["temperature_scaling"], ["platt"], ["beta"], ["beta", "temperature_scaling", "platt"]]  # strictly rising where they rise
FINITE = st.integers(-320, 320).map(lambda k: k / 8)  # apart by more than rounding, which a steep curve would show


def rows(n_classes, n=800, seed=0):
    rng = np.random.default_rng(seed)
    if n_classes == 2:
        honest = rng.normal(size=n)
        return honest * 3, (rng.uniform(size=n) < sigmoid(honest)).astype(np.int8)
    honest = rng.normal(size=(n, n_classes))
    return honest * 3, np.array([rng.choice(n_classes, p=p) for p in softmax(honest)], dtype=np.int8)


def log_loss(p, y):
    of_what_came = np.where(y == 1, p, 1 - p) if p.ndim == 1 else p[np.arange(len(y)), y]
    return -np.mean(np.log(np.clip(of_what_came, 1e-15, 1)))


def test_without_methods_it_is_the_plain_sigmoid_or_softmax():
    z, y = rows(2)
    np.testing.assert_array_equal(fit_calibration([], z, y, 2).apply(z), sigmoid(z))
    z, y = rows(3)
    np.testing.assert_array_equal(fit_calibration([], z, y, 3).apply(z), softmax(z))


def test_each_method_is_the_function_of_its_name():
    z, y = rows(2)
    temperature = temperature_scaling(z, y).temperature
    np.testing.assert_array_equal(fit_calibration(["temperature_scaling"], z, y, 2).apply(z), sigmoid(z / temperature))
    np.testing.assert_array_equal(fit_calibration(["isotonic"], z, y, 2).apply(z), isotonic_calibration(sigmoid(z), y, sigmoid(z)))
    a, b = platt_scaling(z, y)
    np.testing.assert_allclose(fit_calibration(["platt"], z, y, 2).apply(z), 1 / (1 + np.exp(a * z + b)), rtol=1e-14)
    p, (a, b, c) = sigmoid(z), beta_calibration(sigmoid(z), y)
    odds = p**a / (1 - p) ** b * np.exp(c)
    np.testing.assert_allclose(fit_calibration(["beta"], z, y, 2).apply(z), odds / (1 + odds), rtol=1e-6)


@pytest.mark.parametrize("method", ONE_AGAINST_THE_REST)
@pytest.mark.parametrize("n_classes", [3, 5])
def test_of_more_than_two_classes_each_is_calibrated_against_the_rest_and_the_row_is_scaled_to_one(method, n_classes):
    z, y = rows(n_classes)
    p = softmax(z)
    alone = [fit_calibration([method], logits_of(p[:, k]), y == k, 2).apply(logits_of(p[:, k])) for k in range(n_classes)]
    expected = np.column_stack(alone) / np.sum(alone, axis=0)[:, None]
    np.testing.assert_allclose(fit_calibration([method], z, y, n_classes).apply(z), expected, atol=1e-9)


@settings(max_examples=60)
@given(st.lists(st.tuples(FINITE, st.booleans()), min_size=4, max_size=40), st.lists(FINITE, min_size=2, max_size=30), st.data())
def test_every_chain_keeps_the_order_of_two_classes_and_stays_in_zero_to_one(pairs, new, data):
    methods = data.draw(st.lists(st.sampled_from(["temperature_scaling", "platt", "beta", "isotonic"]), min_size=1, max_size=3))
    z, y = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    y[:2] = [True, False]  # whatever the scores say: often the wrong way round
    p = fit_calibration(methods, z, y, 2).apply(np.sort(np.array(new)))
    assert p.min() >= 0
    assert p.max() <= 1
    assert np.diff(p).min() >= -1e-12


@settings(max_examples=40)
@given(st.lists(st.tuples(FINITE, FINITE, FINITE), min_size=1, max_size=20), st.data())
def test_three_classes_stay_probabilities_far_outside_what_was_calibrated_on(new, data):
    methods = data.draw(st.lists(st.sampled_from(["temperature_scaling", "platt", "beta", "isotonic"]), min_size=1, max_size=3))
    z, y = rows(3, n=60, seed=data.draw(st.integers(0, 3)))
    p = fit_calibration(methods, z, y, 3).apply(new)
    assert p.min() >= 0
    assert p.max() <= 1
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("methods", SMOOTH, ids=str)
def test_a_model_that_points_the_wrong_way_is_not_turned_round(methods):
    z, y = rows(2)
    spread = np.ptp(fit_calibration(methods, -z, y, 2).apply(np.linspace(-5, 5, 11)))
    assert spread < 0.01


def test_each_calibrator_of_a_chain_is_fitted_on_what_the_one_before_it_says():
    z, y = rows(2)
    cooled = sigmoid(z / temperature_scaling(z, y).temperature)
    chain = fit_calibration(["temperature_scaling", "isotonic"], z, y, 2)
    np.testing.assert_allclose(chain.apply(z), isotonic_calibration(cooled, y, cooled), atol=1e-9)
    np.testing.assert_allclose(chain.steps[1].curves[0].x[[0, -1]], [cooled.min(), cooled.max()], rtol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("methods", CHAINS[1:], ids=str)
def test_an_overconfident_model_becomes_more_honest_on_rows_that_it_was_not_calibrated_on(methods, n_classes):
    z, y = rows(n_classes, n=4000, seed=1)
    new_z, new_y = rows(n_classes, n=4000, seed=2)
    calibration = fit_calibration(methods, z, y, n_classes)
    assert calibration.methods == tuple(methods)
    plain = Calibration(n_classes).apply(new_z)
    assert log_loss(np.clip(calibration.apply(new_z), 1e-3, 1 - 1e-3), new_y) < log_loss(plain, new_y) - 0.05


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("methods", CHAINS, ids=str)
def test_json_gives_the_same_value_to_the_bit(methods, n_classes):
    z, y = rows(n_classes)
    calibration = fit_calibration(methods, z, y, n_classes)
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    np.testing.assert_array_equal(again.apply(z), calibration.apply(z))
    assert again.to_json() == calibration.to_json()


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("methods", CHAINS, ids=str)
def test_a_row_alone_gives_the_same_bits_as_among_others(methods, n_classes):
    z, y = rows(n_classes)
    calibration = fit_calibration(methods, z, y, n_classes)
    together = calibration.apply(z[:64])
    np.testing.assert_array_equal(together, np.concatenate([calibration.apply(z[i : i + 1]) for i in range(64)]))


def test_three_classes_sum_to_one_even_where_every_curve_says_nothing():
    dead = IsotonicCurve(np.array([0.5]), np.array([0.0]))
    z = np.array([[0.0, 1.0, 2.0]])
    np.testing.assert_array_equal(Isotonic((dead, dead, dead)).apply(z), softmax(z))
    np.testing.assert_array_equal(Platt((PlattScaling(0.0, 1e4),) * 3).apply(z), softmax(z))
    np.testing.assert_array_equal(Beta((BetaCalibration(0.0, 0.0, -1e4),) * 3).apply(z), softmax(z))


def test_bundles_of_the_first_format_are_read():
    kept = {"n_classes": 2, "steps": [{"method": "isotonic", "curves": [{"x": [0.25, 0.75], "y": [0.0, 1.0]}]}]}
    assert Calibration.from_json(kept).apply([0.0]).tolist() == [0.5]
    kept["steps"].append({"method": "temperature_scaling", "temperature": 2.0})
    assert Calibration.from_json(kept).methods == ("isotonic", "temperature_scaling")
    assert Calibration.from_json(kept).to_json() == kept


def test_no_rows_give_no_probabilities():
    for n_classes, nothing in ((2, np.empty(0)), (3, np.empty((0, 3)))):
        z, y = rows(n_classes)
        for methods in CHAINS:
            assert fit_calibration(methods, z, y, n_classes).apply(nothing).shape == nothing.shape


@pytest.mark.parametrize("methods", CHAINS, ids=str)
def test_five_classes_sum_to_one(methods):
    z, y = rows(5)
    np.testing.assert_allclose(fit_calibration(methods, z, y, 5).apply(z).sum(axis=1), 1.0, rtol=0, atol=1e-12)


def test_a_temperature_of_five_classes_is_the_one_that_was_planted():
    rng = np.random.default_rng(5)
    honest = rng.normal(size=(40_000, 5))
    y = (softmax(honest).cumsum(axis=1) < rng.uniform(size=(40_000, 1))).sum(axis=1)
    (step,) = fit_calibration(["temperature_scaling"], honest * 3, y, 5).steps
    assert step.temperature == pytest.approx(3.0, rel=0.03)


def test_of_five_classes_some_may_be_missing_where_one_number_is_learned_for_all():
    z, y = rows(5)
    seen = np.isin(y, (0, 3))
    temperature = fit_calibration(["temperature_scaling"], z[seen], y[seen], 5)
    assert temperature.methods == ("temperature_scaling",)
    assert temperature.apply(z).shape == (len(z), 5)
    for method in ONE_AGAINST_THE_REST:
        with pytest.raises(SplitError, match="hold no row of class 1"):
            fit_calibration([method], z[seen], y[seen], 5)
    with pytest.raises(SplitError, match="hold no row of class 1"):
        fit_calibration(["temperature_scaling"], z[y == 0], y[y == 0], 5)
    with pytest.raises(SplitError, match="hold no row of class 2"):
        fit_calibration(["temperature_scaling"], *(part[rows(3)[1] < 2] for part in rows(3)), 3)


def test_a_model_that_says_nothing_of_classes_has_an_empty_calibration():
    nothing = Calibration(0)
    assert nothing.apply(np.empty((7, 0))).shape == (7, 0)
    assert Calibration.from_json(json.loads(json.dumps(nothing.to_json()))) == nothing
    with pytest.raises(ShapeError, match=r"logits: has shape \(7,\); expected \(n, 0\)"):
        nothing.apply(np.zeros(7))
    with pytest.raises(ShapeError, match="n_classes: is 0"):
        fit_calibration([], np.empty((7, 0)), np.zeros(7), 0)


def test_a_missing_class_an_unknown_method_and_bad_shapes_are_refused():
    with pytest.raises(SplitError, match=r"calibration slice: the 3 calibration rows hold no row of class 0"):
        fit_calibration(["isotonic"], [0.0, 1.0, 2.0], [1, 1, 1], 2)
    with pytest.raises(RecipeError, match=r"no calibrator named 'plat'"):
        fit_calibration(["plat"], [0.0], [1], 2)
    with pytest.raises(ShapeError, match=r"logits: has shape \(2,\); expected \(n, 3\)"):
        fit_calibration(["isotonic"], [0.0, 1.0], [1, 0], 3)
    with pytest.raises(ShapeError, match="n_classes"):
        fit_calibration([], [0.0], [1], 4)


def test_a_logit_that_is_not_finite_gives_no_forecast():
    with pytest.raises(ForecastError, match="logits row 1: is nan"):
        Calibration(2).apply([0.0, np.nan])
    with pytest.raises(ShapeError, match=r"expected \(n, 3\)"):
        Calibration(3).apply([0.0])


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"n_classes": 4, "steps": []},
        {"n_classes": 0, "steps": [{"method": "temperature_scaling", "temperature": 1.0}]},
        {"n_classes": 5, "steps": [{"method": "isotonic", "curves": [{"x": [0.5], "y": [0.0]}] * 3}]},
        {"n_classes": 2, "steps": [{"method": "magic"}]},
        {"n_classes": 2, "steps": [{"method": "temperature_scaling", "temperature": 0.0}]},
        {"n_classes": 2, "steps": [{"method": "isotonic", "curves": []}]},
        {"n_classes": 2, "steps": [{"method": "isotonic", "curves": [{"x": [0.5, 0.4], "y": [0, 1]}]}]},
        {"n_classes": 2, "steps": None},
        {"n_classes": 2, "steps": [{"method": "temperature_scaling", "temperature": 10**400}]},
        {"n_classes": 2, "steps": [{"method": "platt", "lines": [{"a": 0.1, "b": 0.0}]}]},
        {"n_classes": 2, "steps": [{"method": "platt", "lines": [{"a": -0.1, "b": float("nan")}]}]},
        {"n_classes": 3, "steps": [{"method": "platt", "lines": [{"a": -0.1, "b": 0.0}]}]},
        {"n_classes": 2, "steps": [{"method": "beta", "curves": [{"a": -0.1, "b": 1.0, "c": 0.0}]}]},
        {"n_classes": 2, "steps": [{"method": "beta", "curves": [{"a": 1.0, "b": 1.0}]}]},
    ],
)
def test_json_of_something_else_is_a_bundle_error(value):
    with pytest.raises(BundleError, match="calibrator"):
        Calibration.from_json(value)


SERVER = """
import sys
for name in ("scipy", "sklearn", "torch", "numba", "pandas"):
    sys.modules[name] = None  # an import of it fails
import json
import subprocess
import sys
from barmill.uncertainty import Calibration, ResidualQuantiles
kept = json.loads(sys.argv[1])
p = Calibration.from_json(kept["calibration"]).apply([0.3, -2.0])
q = ResidualQuantiles.from_json(kept["quantiles"]).apply(None, [0.3, -2.0])
print(json.dumps([p.tolist(), q.tolist()]))
"""


def test_applying_needs_numpy_alone():
    z, y = rows(2)
    calibration = fit_calibration(["temperature_scaling", "isotonic", "platt", "beta"], z, y, 2)
    quantiles = fit_residual_quantiles(None, z, z + y)
    kept = json.dumps({"calibration": calibration.to_json(), "quantiles": quantiles.to_json()})
    said = subprocess.run([sys.executable, "-c", SERVER, kept], capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == [calibration.apply([0.3, -2.0]).tolist(), quantiles.apply(None, [0.3, -2.0]).tolist()]
