"""CUSUM events and exponentially weighted volatility, against pandas and a slow version."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import LabelError
from barmill.labels import cusum_filter, ewm_volatility


def prices(n: int, seed: int = 0) -> np.ndarray:
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, n)))


@given(n=st.integers(0, 300), span=st.sampled_from([1.5, 2, 10, 100]), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_ewm_volatility_is_that_of_pandas(n: int, span: float, seed: int):
    close = prices(n, seed)
    oracle = pd.Series(close).pct_change().ewm(span=span).std().to_numpy()
    np.testing.assert_allclose(ewm_volatility(close, span), oracle, rtol=1e-9, atol=1e-14)


def test_ewm_volatility_begins_when_there_are_two_returns():
    volatility = ewm_volatility(prices(5), 3)
    assert np.isnan(volatility[:2]).all()
    assert np.isfinite(volatility[2:]).all()


def test_ewm_volatility_of_equal_returns_is_exactly_zero():
    assert ewm_volatility([1.0, 2.0, 4.0, 8.0], 5)[2:].tolist() == [0.0, 0.0]


@given(cut=st.integers(0, 200))
@settings(max_examples=30, deadline=None)
def test_a_prefix_has_its_own_volatility_and_events(cut: int):
    close = prices(200)
    np.testing.assert_array_equal(ewm_volatility(close[:cut], 20), ewm_volatility(close, 20)[:cut])
    whole = cusum_filter(np.log(close), 0.02)
    np.testing.assert_array_equal(cusum_filter(np.log(close)[:cut], 0.02), whole[whole < cut])


def slow_cusum(x: list[float], threshold: float) -> list[int]:
    events, up, down = [], 0.0, 0.0
    for t in range(1, len(x)):
        change = x[t] - x[t - 1]
        up, down = max(0.0, up + change), min(0.0, down + change)
        if down < -threshold:
            down = 0.0
            events.append(t)
        elif up > threshold:
            up = 0.0
            events.append(t)
    return events


@given(x=st.lists(st.integers(-5, 5), max_size=60), threshold=st.integers(0, 6))
@settings(max_examples=150, deadline=None)
def test_cusum_events_are_those_of_the_definition(x: list[int], threshold: int):
    assert cusum_filter(np.array(x, dtype=float), threshold).tolist() == slow_cusum([float(value) for value in x], threshold)


def test_a_threshold_must_be_passed_and_only_its_side_starts_anew():
    assert cusum_filter([0.0, 1.0, 2.0], 2.0).tolist() == []
    assert cusum_filter([0.0, 1.0, 3.0, 4.0, 6.0], 2.0).tolist() == [2, 4]
    # the fall to -3 is an event; the rise from there to 0 is another
    assert cusum_filter([0.0, -3.0, 0.0], 2.0).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ewm_volatility([1.0, 2.0], 1.0), "span: 1.0; expected more than 1 bar"),
        (lambda: ewm_volatility([1.0, 0.0], 5), r"close\[1\]: 0.0; expected a positive price"),
        (lambda: ewm_volatility([1.0, float("nan")], 5), r"close\[1\]: nan"),
        (lambda: cusum_filter([1.0], -1.0), "threshold: -1.0"),
        (lambda: cusum_filter([float("inf")], 1.0), r"x\[0\]: inf"),
    ],
)
def test_what_cannot_be_filtered_is_refused(call, message: str):
    with pytest.raises(LabelError, match=message):
        call()


def test_arrays_that_cannot_be_written_to_are_read():
    close = prices(10)
    close.flags.writeable = False
    assert ewm_volatility(close, 5).size == 10
    assert cusum_filter(close, 1e9).size == 0
