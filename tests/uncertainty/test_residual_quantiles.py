import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import BundleError, ForecastError, ShapeError
from barmill.uncertainty import NATIVE, ResidualQuantiles, fit_residual_quantiles


def rows(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    expected = rng.normal(0, 0.3, n)
    return expected, rng.normal(size=n), 0.1 + 0.8 * expected + rng.standard_t(4, n)


def test_location_is_the_least_squares_line_and_offsets_are_empirical():
    expected, logits, z = rows()
    fitted = fit_residual_quantiles(expected, logits, z)
    slope, intercept = np.polyfit(expected, z, 1)
    assert fitted.signal == "E_r"
    assert fitted.slope == pytest.approx(slope, rel=1e-9)
    assert fitted.intercept == pytest.approx(intercept, rel=1e-9)
    q = fitted.apply(expected, logits)
    for column, level in enumerate((0.05, 0.5, 0.95)):
        assert np.mean(z <= q[:, column]) == pytest.approx(level, abs=1 / len(z) + 1e-12)


def test_coverage_on_new_rows_is_what_was_asked_for():
    fitted = fit_residual_quantiles(*rows(seed=1))
    expected, logits, z = rows(n=20_000, seed=2)
    q = fitted.apply(expected, logits)
    assert np.mean((z >= q[:, 0]) & (z <= q[:, 2])) == pytest.approx(0.9, abs=0.015)


def test_few_rows_cover_what_was_asked_for_on_average():
    # 39 rows, levels 0.05 and 0.95: ranks 2 and 38 of 40, so 36/40 of new outcomes fall between them
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        fitted = fit_residual_quantiles(np.zeros(39), np.zeros(39), rng.normal(size=39))
        low, high = fitted.apply([0.0], [0.0])[0, [0, 2]]
        inside.append(np.mean((new := rng.normal(size=200)) <= high) - np.mean(new < low))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.01)


def test_five_rows_by_hand():
    fitted = fit_residual_quantiles(None, np.zeros(5), [1.0, 2.0, 3.0, 4.0, 5.0], levels=(0.25, 0.5, 0.75))
    # ranks 1.5, 3 and 4.5 of six places; the location is the mean, 3
    assert (fitted.slope, fitted.intercept, fitted.offsets) == (0.0, 3.0, (-1.5, 0.0, 1.5))
    np.testing.assert_array_equal(fitted.apply(None, [7.0]), [[1.5, 3.0, 4.5]])


def test_without_an_expected_return_the_logit_is_the_signal():
    _, logits, _ = rows()
    z = 0.5 * logits + np.random.default_rng(1).normal(size=len(logits))
    fitted = fit_residual_quantiles(None, logits, z)
    assert fitted.signal == "logit"
    assert fitted.slope == pytest.approx(0.5, abs=0.05)
    three = np.column_stack((np.zeros_like(logits), np.full_like(logits, 9.0), logits))
    assert fit_residual_quantiles(None, three, z) == fitted


def test_a_model_that_is_turned_round_moves_nothing():
    expected, logits, z = rows()
    assert fit_residual_quantiles(-expected, logits, z).slope == 0.0


@given(st.data())
def test_quantiles_never_cross(data):
    n = data.draw(st.integers(2, 30))
    finite = st.floats(-1e6, 1e6)
    draw = lambda size: np.array(data.draw(st.lists(finite, min_size=size, max_size=size)))  # noqa: E731
    levels = sorted(data.draw(st.sets(st.floats(0.001, 0.999), min_size=1, max_size=6)))
    fitted = fit_residual_quantiles(draw(n), draw(n), draw(n), levels)
    new = np.array(data.draw(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=10)))
    assert (np.diff(fitted.apply(new, new), axis=1) >= 0).all()


def test_json_gives_the_same_value_to_the_bit():
    fitted = fit_residual_quantiles(*rows())
    assert ResidualQuantiles.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted


@pytest.mark.parametrize(
    "change",
    [{"signal": "x"}, {"slope": -1.0}, {"offsets": [1.0, 0.0, 2.0]}, {"offsets": [1.0]}, {"levels": [0.5, 0.1, 0.9]}, {"intercept": None}],
)
def test_json_of_something_else_is_a_bundle_error(change):
    with pytest.raises(BundleError, match="quantiles"):
        ResidualQuantiles.from_json({**fit_residual_quantiles(*rows()).to_json(), **change})


def test_bad_arrays_are_refused():
    with pytest.raises(ShapeError, match="levels"):
        fit_residual_quantiles(None, [0.0, 1.0], [0.0, 1.0], levels=(0.9, 0.1))
    with pytest.raises(ShapeError, match="at least 2"):
        fit_residual_quantiles(None, [0.0], [0.0])
    with pytest.raises(ShapeError, match="E_r: has 1 rows; expected 2"):
        fit_residual_quantiles([0.0], [0.0, 1.0], [0.0, 1.0])
    fitted = fit_residual_quantiles(*rows())
    with pytest.raises(ShapeError, match="expected: is missing"):
        fitted.apply(None, [0.0])
    with pytest.raises(ForecastError, match="E_r row 1: is inf"):
        fitted.apply([0.0, np.inf], [0.0, 0.0])


def test_native_quantiles_are_left_as_the_model_says_them() -> None:
    said = np.array([[-1.0, 0.0, 1.0], [0.5, 0.5, 0.5]])
    np.testing.assert_array_equal(NATIVE.apply(None, np.zeros(2), said), said)
    assert ResidualQuantiles.from_json(NATIVE.to_json()) == NATIVE
    with pytest.raises(ShapeError, match=r"of shape \(0,\) came from the model; expected \(n, 3\)"):
        NATIVE.apply(None, np.zeros(2))
    with pytest.raises(ForecastError, match="quantiles row 1: are"):
        NATIVE.apply(None, np.zeros(2), np.array([[0.0, 1.0, 2.0], [0.0, np.nan, 1.0]]))
