"""Live features: the same numbers as the history, and nothing accepted that cannot be right."""

import re

import numpy as np
import pytest

from barmill.errors import DataError, SchemaError
from barmill.features import FeaturePlan, FeatureStream
from barmill.market import Bar


@pytest.fixture(scope="module")
def plan():
    return FeaturePlan.build()


def test_push_equals_compute_to_the_bit(plan, make_bars):
    bars = make_bars(1_500, seed=3, gaps=True)
    stream = FeatureStream(plan)
    rows = np.array([stream.push(bars.bar(i)) for i in range(len(bars))])
    np.testing.assert_array_equal(rows, plan.compute(bars).values)
    assert stream.bars_seen == len(bars)


def test_the_row_given_out_is_the_callers_own(plan, bars):
    stream = FeatureStream(plan)
    first = stream.push(bars.bar(0))
    kept = first.copy()
    stream.push(bars.bar(1))
    np.testing.assert_array_equal(first, kept)


def test_extend_and_push_can_be_mixed(plan, bars):
    stream = FeatureStream(plan)
    whole = plan.compute(bars).values
    np.testing.assert_array_equal(stream.extend(bars.slice(0, 1_000)).values, whole[:1_000])
    np.testing.assert_array_equal(stream.push(bars.bar(1_000)), whole[1_000])
    np.testing.assert_array_equal(stream.extend(bars.slice(1_001, 1_001)).values, whole[:0])
    np.testing.assert_array_equal(stream.extend(bars.slice(1_001, len(bars))).values, whole[1_001:])


def test_the_state_does_not_grow_and_is_arrays_alone(plan, bars):
    stream = FeatureStream(plan)
    sizes = {name: array.shape for name, array in stream.state().items()}
    stream.extend(bars)
    assert {name: array.shape for name, array in stream.state().items()} == sizes
    assert all(isinstance(array, np.ndarray) and array.dtype != object for array in stream.state().values())


def test_a_saved_state_is_not_touched_by_later_bars(plan, bars):
    stream = FeatureStream(plan)
    stream.extend(bars.slice(0, 700))
    saved = stream.state()
    stream.extend(bars.slice(700, 900))
    again = FeatureStream.restore(plan, saved)
    assert again.bars_seen == 700
    np.testing.assert_array_equal(again.extend(bars.slice(700, 900)).values, plan.compute(bars).values[700:900])


@pytest.mark.parametrize("open_time", [0, -60_000])
def test_a_late_or_repeated_bar_is_refused_and_changes_nothing(plan, bars, open_time):
    stream = FeatureStream(plan)
    stream.extend(bars.slice(0, 100))
    late = bars.bar(99)._replace(open_time=bars.bar(99).open_time + open_time)
    with pytest.raises(DataError, match=r"is not after the last bar.*Send each closed bar once, in time order\."):
        stream.push(late)
    with pytest.raises(DataError, match="is not after the last bar"):
        stream.extend(bars.slice(99, 120))
    np.testing.assert_array_equal(stream.push(bars.bar(100)), plan.compute(bars).values[100])


@pytest.mark.parametrize(
    "change",
    [{"close": np.nan}, {"volume": np.inf}, {"volume": -1.0}, {"high": 1.0}, {"low": -np.inf}, {"open": 1e9}],
    ids=str,
)
def test_a_bar_that_cannot_be_right_is_refused_and_changes_nothing(plan, bars, change):
    stream = FeatureStream(plan)
    stream.extend(bars.slice(0, 100))
    with pytest.raises(DataError, match="expected finite numbers, low <= open, close <= high and volume not negative"):
        stream.push(bars.bar(100)._replace(**change))
    np.testing.assert_array_equal(stream.push(bars.bar(100)), plan.compute(bars).values[100])


def test_a_first_bar_may_have_any_time(plan):
    stream = FeatureStream(plan)
    assert stream.push(Bar(0, 1.0, 1.0, 1.0, 1.0, 0.0)).shape == (len(plan.names),)


def test_a_state_of_another_plan_is_refused(plan):
    state = FeatureStream(plan).state()
    other = FeaturePlan.build(timeframes=("1m",))
    with pytest.raises(
        SchemaError, match=re.escape(f"feature state: schema {plan.schema_hash[:8]}..; expected schema {other.schema_hash[:8]}..")
    ):
        FeatureStream.restore(other, state)
    with pytest.raises(SchemaError, match=r"feature state 'rsi\(14,50\)': is missing"):
        FeatureStream.restore(plan, {name: array for name, array in state.items() if name != "rsi(14,50)"})
    with pytest.raises(SchemaError, match="feature state 'more': belongs to no feature of this plan"):
        FeatureStream.restore(plan, state | {"more": np.zeros(1)})
    with pytest.raises(SchemaError, match=r"feature state 'rsi\(14,50\)': float64 of shape \(3,\); expected float64 of shape \(4,\)"):
        FeatureStream.restore(plan, state | {"rsi(14,50)": np.zeros(3)})
    with pytest.raises(SchemaError, match="feature state: no schema"):
        FeatureStream.restore(plan, {})
