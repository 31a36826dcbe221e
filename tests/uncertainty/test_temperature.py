import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from barmill.errors import ShapeError
from barmill.uncertainty import temperature_scaling
from barmill.uncertainty.links import mean_log_loss, sigmoid, softmax
from barmill.uncertainty.temperature import COLDEST, HOTTEST


def binary(n, sureness, seed):
    """Logits that are `sureness` times too sure, and outcomes of the honest ones."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 1.5, n)
    return honest * sureness, (rng.uniform(size=n) < sigmoid(honest)).astype(int)


@pytest.mark.parametrize("sureness", [0.2, 1.0, 4.0])
def test_the_temperature_is_the_minimum_that_scipy_finds(sureness):
    z, y = binary(3000, sureness, seed=3)
    found = temperature_scaling(z, y)
    oracle = minimize_scalar(lambda log_t: mean_log_loss(z / np.exp(log_t), y), bounds=(-5, 5), method="bounded", options={"xatol": 1e-10})
    assert found.temperature == pytest.approx(np.exp(oracle.x), rel=1e-6)
    assert found.temperature == pytest.approx(sureness, rel=0.15)
    assert found.nll_before == pytest.approx(log_loss(y, sigmoid(z)), rel=1e-12)
    assert found.nll_after == pytest.approx(log_loss(y, sigmoid(z / found.temperature)), rel=1e-12)
    assert found.nll_after <= found.nll_before


def test_three_classes_against_scipy():
    rng = np.random.default_rng(5)
    honest = rng.normal(0, 1, (4000, 3))
    y = np.array([rng.choice(3, p=p) for p in softmax(honest)])
    z = honest * 2.5 + 7.0
    found = temperature_scaling(z, y)
    oracle = minimize_scalar(lambda log_t: mean_log_loss(z / np.exp(log_t), y), bounds=(-5, 5), method="bounded", options={"xatol": 1e-10})
    assert found.temperature == pytest.approx(np.exp(oracle.x), rel=1e-6)
    assert found.temperature == pytest.approx(2.5, rel=0.15)


def test_three_rows_by_hand():
    # logits 1, 1, -1 with outcomes 1, 0, 0 and s = 1/T: loss (2 ln(1+e^-s) + ln(1+e^s))/3 is least where e^s = 2
    assert temperature_scaling([1.0, 1.0, -1.0], [1, 0, 0]).temperature == pytest.approx(1 / np.log(2), rel=1e-12)


def test_logits_that_separate_or_mislead_end_at_the_ends_of_the_range():
    assert temperature_scaling([3.0, -3.0], [1, 0]).temperature == COLDEST
    assert temperature_scaling([3.0, -3.0], [0, 1]).temperature == HOTTEST


def test_logits_that_say_nothing_keep_their_temperature():
    assert temperature_scaling([0.0, 0.0], [1, 0]).temperature == 1.0
    assert temperature_scaling(np.full((3, 3), 0.7), [0, 1, 2]).temperature == 1.0


def test_bad_arrays_are_refused():
    with pytest.raises(ShapeError, match="has no rows"):
        temperature_scaling([], [])
    with pytest.raises(ShapeError, match="y: has 1 rows; expected 2"):
        temperature_scaling([0.0, 1.0], [1])
