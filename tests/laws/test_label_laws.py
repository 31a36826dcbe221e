"""Law 3 on labels: a label is a matter of bars e+1 .. t1 and the ATR at e alone, and unknown until bar t1 has closed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.labels import LabelConfig, fixed_horizon, make_labels, triple_barrier_close, triple_barrier_net
from barmill.market import Bars, simulate

N_BARS = 400
HORIZON = 15


@pytest.fixture(scope="module")
def bars() -> Bars:
    return simulate(N_BARS, seed=3).bars


def barriers(columns: list[np.ndarray], event: int, side: int, spread: float) -> np.ndarray:
    return np.array(triple_barrier_net(*columns, [event], 2 * spread, side, 1.5, 1.5, 0.1 * spread, HORIZON))[:, 0]


def horizons(columns: list[np.ndarray], event: int, side: int, spread: float) -> np.ndarray:
    return np.array(fixed_horizon(columns[0], columns[3], [event], side, 0.1 * spread, HORIZON))[:, 0]


def closes(columns: list[np.ndarray], event: int, side: int, spread: float) -> np.ndarray:
    return np.array(triple_barrier_close(columns[3], [event], 0.001, 1.0, 1.0, HORIZON))[:, 0]


METHODS = pytest.mark.parametrize("method", [barriers, horizons, closes])


def market(bars: Bars) -> tuple[list[np.ndarray], float]:
    """The prices, and a range of a bar that stands for the ATR: the same, whatever becomes of the prices."""
    return [np.array(values) for values in (bars.open, bars.high, bars.low, bars.close)], float(np.mean(bars.high - bars.low))


@METHODS
@given(event=st.integers(0, N_BARS - HORIZON - 1), side=st.sampled_from([-1, 1]), factor=st.sampled_from([0.5, 3.0]))
@settings(max_examples=60, deadline=None)
def test_bars_outside_a_label_do_not_move_it(bars: Bars, method, event: int, side: int, factor: float):
    columns, spread = market(bars)
    outcome = method(columns, event, side, spread)
    first = event if method is closes else event + 1  # the textbook's version enters at close[e]
    for column in columns:
        column[:first] *= factor
        column[int(outcome[1]) + 1 :] *= factor
    np.testing.assert_array_equal(method(columns, event, side, spread), outcome)


@METHODS
@given(event=st.integers(0, N_BARS - HORIZON - 1), side=st.sampled_from([-1, 1]), data=st.data())
@settings(max_examples=60, deadline=None)
def test_data_that_end_before_the_outcome_leave_it_unknown(bars: Bars, method, event: int, side: int, data: st.DataObject):
    columns, spread = market(bars)
    outcome = method(columns, event, side, spread)
    length = data.draw(st.integers(event + 1, min(event + 2 * HORIZON, N_BARS)))
    again = method([column[:length] for column in columns], event, side, spread)
    if length > outcome[1]:
        np.testing.assert_array_equal(again, outcome)
    else:
        assert np.isnan(again).all()


@given(length=st.integers(60, N_BARS), every=st.sampled_from([1, 3]), method=st.sampled_from(["triple_barrier", "fixed_horizon"]))
@settings(max_examples=30, deadline=None)
def test_a_prefix_has_exactly_the_labels_that_it_settles(bars: Bars, length: int, every: int, method: str):
    config = LabelConfig(method=method, horizon=HORIZON, atr_window=10, k_up=4.0, k_down=4.0, every=every)
    whole, prefix = make_labels(bars, config).to_columns(), make_labels(bars.slice(0, length), config).to_columns()
    settled = whole["t1"] < length
    for name, column in prefix.items():
        if name != "weight":  # a prefix has fewer labels to share its bars with
            np.testing.assert_array_equal(column, whole[name][settled], err_msg=name)
