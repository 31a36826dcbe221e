from typing import Any

import numpy as np

from barmill.models import Samples
from barmill.training.diagnosis import loss_not_finite
from barmill.views import FeatureMatrix

POSITIONS = np.array([5, 30])  # windows of bars 10..15 and 35..40


def _message(small: Any, parts: dict[str, float], **changed: Any) -> str:
    return str(loss_not_finite("epoch 2, batch 7", parts, small.samples(**changed), POSITIONS, small.names))


def test_names_the_first_input_that_is_not_finite(small: Any) -> None:
    small.base[37, 1] = np.inf
    small.base[38, 0] = np.nan
    assert _message(small, {"p_up": np.nan, "E_r": 1.0}) == (
        "epoch 2, batch 7: the loss of p_up is not finite; feature 'second' (column 1) is inf at bar 37. "
        "Mend the feature, or leave the rows at which it is not ready out."
    )


def test_names_an_input_far_beyond_what_a_scaler_leaves(small: Any) -> None:
    small.base[12, 2] = 3e7
    assert "feature 'third' (column 2) is 3e+07 at bar 12, far beyond what a scaler leaves" in _message(small, {"p_up": np.inf})


def test_an_input_outside_the_batch_is_not_blamed(small: Any) -> None:
    small.base[100] = np.nan
    assert "while all inputs were finite" in _message(small, {"p_up": np.inf})


def test_names_a_return_that_is_not_finite(small: Any) -> None:
    z = small.z[10:400].copy()
    z[30] = np.inf
    assert "the return z of sample 30 is inf" in _message(small, {"p_up": 0.7, "E_r": np.inf}, z=z)


def test_blames_the_weights_of_the_network_where_all_inputs_are_fine(small: Any) -> None:
    small.base[36, 0] = -9.5
    message = _message(small, {"p_up": np.nan, "E_r": np.nan})
    assert "the loss of p_up and E_r is not finite, while all inputs were finite (largest: feature 'first', -9.5 at bar 36)" in message
    assert "Lower learning_rate" in message
    assert "the gradient is not finite, while" in _message(small, {})


def test_names_the_row_of_a_matrix(small: Any) -> None:
    small.base[12, 2] = np.nan
    at = np.arange(10, 20)
    samples = Samples(FeatureMatrix(small.base, at), np.zeros(10, dtype=np.int8), np.zeros(10), np.ones(10))
    message = str(loss_not_finite("epoch 1, batch 1", {"p_up": np.nan}, samples, np.array([1, 2]), small.names))
    assert "feature 'third' (column 2) is nan at bar 12" in message
