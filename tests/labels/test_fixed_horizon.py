"""The fixed horizon looks at one open and one close."""

import numpy as np
import pytest

from barmill.errors import LabelError, ShapeError
from barmill.labels import fixed_horizon

OPEN = np.array([10.0, 10.0, 11.0, 12.0, 10.0])
CLOSE = np.array([10.0, 11.0, 12.0, 10.0, 8.0])


def test_the_label_is_the_sign_of_the_net_return():
    outcome = fixed_horizon(OPEN, CLOSE, np.arange(5), 1, 0.5, 2)
    gross = np.array([12 / 10 - 1, 10 / 11 - 1, 8 / 12 - 1, np.nan, np.nan])
    net = gross - 0.5 / np.array([10.0, 11.0, 12.0, np.nan, np.nan])
    np.testing.assert_array_equal(outcome.gross_return, gross)
    np.testing.assert_array_equal(outcome.net_return, net)
    np.testing.assert_array_equal(outcome.label, [1, -1, -1, np.nan, np.nan])
    np.testing.assert_array_equal(outcome.t1, [2, 3, 4, np.nan, np.nan])


def test_a_short_earns_what_falls():
    outcome = fixed_horizon(OPEN, CLOSE, [2], -1, 0.0, 2)
    assert outcome.gross_return[0] == -(8 / 12 - 1)
    assert outcome.label[0] == 1.0


def test_costs_decide_a_flat_market():
    flat = np.full(3, 5.0)
    assert fixed_horizon(flat, flat, [0], 1, 0.0, 2).label[0] == 0.0
    assert fixed_horizon(flat, flat, [0], 1, 0.1, 2).label[0] == -1.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((OPEN, CLOSE, [0, 1], np.array([1, 0]), 0.0, 2), LabelError, r"event 1 \(bar 1\): side 0"),
        ((OPEN, CLOSE, [0], 1, -1.0, 2), LabelError, "cost -1"),
        ((OPEN, CLOSE, [0], 1, 0.0, 0), LabelError, "horizon: 0"),
        ((OPEN, CLOSE[:3], [0], 1, 0.0, 2), ShapeError, "close"),
        ((OPEN - 10.0, CLOSE, [0], 1, 0.0, 2), LabelError, "entry price 0"),
    ],
)
def test_what_cannot_be_labelled_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        fixed_horizon(*arguments)
