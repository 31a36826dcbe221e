import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import ShapeError
from barmill.evaluation import calibration_gain, diebold_mariano, label_losses
from barmill.uncertainty.links import sigmoid, softmax


def rows(n=2000, seed=0, n_classes=2):
    """Honest logits and what came of them."""
    rng = np.random.default_rng(seed)
    if n_classes == 2:
        z = rng.normal(size=n)
        return z, (rng.uniform(size=n) < sigmoid(z)).astype(int)
    z = rng.normal(size=(n, n_classes))
    return z, (softmax(z).cumsum(axis=1)[:, :-1] < rng.uniform(size=(n, 1))).sum(axis=1)


def test_cooling_a_model_that_is_too_sure_helps_and_the_way_back_harms():
    z, y = rows()
    assert calibration_gain(sigmoid(3 * z), sigmoid(z), y).verdict == "helped"
    assert calibration_gain(sigmoid(z), sigmoid(3 * z), y).verdict == "harmed"


def test_of_three_classes_too():
    z, y = rows(n_classes=3)
    gain = calibration_gain(softmax(3 * z), softmax(z), y)
    assert gain.verdict == "helped"
    honest, came = softmax(z), np.eye(3)[y]
    assert gain.brier.difference == pytest.approx(
        ((honest - came) ** 2).sum(axis=1).mean() - ((softmax(3 * z) - came) ** 2).sum(axis=1).mean()
    )


def test_the_same_forecasts_twice_are_no_difference():
    z, y = rows()
    gain = calibration_gain(sigmoid(z), sigmoid(z), y)
    assert gain.verdict == "no difference beyond chance"
    assert np.isnan(gain.log_loss.p_value)
    assert json.loads(json.dumps(gain.to_json(), allow_nan=False))["brier"]["p_value"] is None


def test_the_tests_are_diebold_marianos_on_log_loss_and_on_squares():
    z, y = rows()
    before, after = sigmoid(2 * z), sigmoid(z)
    gain = calibration_gain(before, after, y, overlap=5)
    assert gain.log_loss == diebold_mariano(label_losses(after, y), label_losses(before, y), 5)
    assert gain.brier == diebold_mariano((after - y) ** 2, (before - y) ** 2, 5)


def test_noise_is_told_from_help_as_seldom_as_is_asked():
    """Two versions that are equally far off, each to its own side: neither is better."""
    told = []
    for seed in range(400):
        z, y = rows(300, seed)
        side = np.random.default_rng(1000 + seed).choice([-0.3, 0.3], 300)
        told.append(calibration_gain(sigmoid(z + side), sigmoid(z - side), y).verdict != "no difference beyond chance")
    assert np.mean(told) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_a_score_that_gains_does_not_make_up_for_one_that_loses():
    # a few rows said wrongly with near certainty cost the logarithm more than all others gain, and the square less
    y = np.zeros(20_000, dtype=int)
    before, after = np.full(y.size, 0.1), np.full(y.size, 0.02)
    before[::200], after[::200] = 0.75, 1 - 1e-15
    gain = calibration_gain(before, after, y)
    assert gain.log_loss.difference > 0
    assert gain.brier.difference < 0
    assert max(gain.log_loss.p_value, gain.brier.p_value) < 0.001
    assert gain.verdict == "mixed"


@settings(max_examples=30)
@given(st.integers(1, 40))
def test_the_order_of_before_and_after_turns_the_sign_alone(overlap):
    z, y = rows(200)
    there, back = (
        calibration_gain(sigmoid(2 * z), sigmoid(z), y, overlap=overlap),
        calibration_gain(sigmoid(z), sigmoid(2 * z), y, overlap=overlap),
    )
    assert there.log_loss.difference == -back.log_loss.difference
    assert there.brier.p_value == pytest.approx(back.brier.p_value)


def test_bad_arguments_are_refused():
    with pytest.raises(ShapeError, match=r"after: has shape \(1,\); expected \(2,\)"):
        calibration_gain([0.1, 0.2], [0.1], [0, 1])
    with pytest.raises(ShapeError, match="y: has 1 rows"):
        calibration_gain([0.1, 0.2], [0.1, 0.2], [0])
    with pytest.raises(ShapeError, match="before row 0: is 2"):
        calibration_gain([2.0], [0.1], [0])
    with pytest.raises(ShapeError, match="alpha: is 0"):
        calibration_gain([0.1], [0.1], [0], alpha=0)
