import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from barmill.errors import ShapeError
from barmill.evaluation import TradingRule, fit_thresholds, positions

FORECASTS = st.lists(st.one_of(st.just(float("nan")), st.integers(0, 20).map(lambda k: k / 20)), min_size=1, max_size=60)


def slow_positions(p, lo, hi, hold_bars):
    """A trader with a calendar."""
    held, since, path = 0.0, 0, []
    for t, said in enumerate(p):
        if said > hi:
            held, since = 1.0, t
        elif said < lo:
            held, since = -1.0, t
        path.append(held if held and t - since < hold_bars else 0.0)
    return path


@given(FORECASTS, st.floats(0, 0.5), st.floats(0.5, 1), st.integers(1, 8))
def test_positions_are_those_of_a_trader_with_a_calendar(p, lo, hi, hold_bars):
    assert positions(p, lo, hi, hold_bars).tolist() == slow_positions(p, lo, hi, hold_bars)


def test_eight_bars_by_hand():
    nan = float("nan")
    p = [0.9, nan, nan, nan, 0.1, 0.5, 0.9, nan]
    assert positions(p, 0.2, 0.8, 3).tolist() == [1, 1, 1, 0, -1, -1, 1, 1]
    assert positions(p, 0.2, 0.8, 3, allow_short=False).tolist() == [1, 1, 1, 0, 0, 0, 1, 1]


@given(FORECASTS, st.integers(1, 8))
def test_the_path_of_a_prefix_is_the_prefix_of_the_path(p, hold_bars):
    whole = positions(p, 0.3, 0.7, hold_bars)
    for n in range(1, len(p)):
        np.testing.assert_array_equal(positions(p[:n], 0.3, 0.7, hold_bars), whole[:n])


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_thresholds_let_the_asked_share_through(share):
    p = np.random.default_rng(0).beta(20, 20, 5000)
    low, high = fit_thresholds(p, TradingRule(trade_share=share))
    assert np.mean(p > high) == pytest.approx(share / 2, abs=1 / 5000)
    assert np.mean(p < low) == pytest.approx(share / 2, abs=1 / 5000)
    assert high == pytest.approx(np.quantile(p, 1 - share / 2), abs=1e-2)
    low, high = fit_thresholds(p, TradingRule(trade_share=share, allow_short=False))
    assert low == 0.0
    assert np.mean(p > high) == pytest.approx(share, abs=1 / 5000)


def test_a_plateau_is_traded_whole_or_not_at_all():
    p = np.repeat([0.4, 0.45, 0.5, 0.55], [100, 400, 420, 80])
    low, high = fit_thresholds(p, TradingRule(trade_share=0.16))
    assert (np.mean(p > high), np.mean(p < low)) == (0.08, 0.10)
    # a quantile with a strict inequality would have lost both sides
    assert np.mean(p > np.quantile(p, 0.93)) == 0.0


def test_forecasts_that_do_not_vary_are_not_traded():
    low, high = fit_thresholds(np.full(10, 0.6), TradingRule())
    assert not positions([0.0, 0.6, 0.61, 1.0], low, high, 1).any()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0.01, 1), st.booleans())
def test_thresholds_are_ordered_probabilities_and_plain_json(p, share, allow_short):
    low, high = fit_thresholds(p, TradingRule(trade_share=share, allow_short=allow_short))
    assert 0 <= low <= high <= 1
    assert json.loads(json.dumps([low, high], allow_nan=False)) == [low, high]


def test_thresholds_that_the_rule_names_are_taken():
    assert fit_thresholds([0.1, 0.9], TradingRule(long_above=0.55, short_below=0.45)) == (0.45, 0.55)
    assert fit_thresholds([0.1, 0.9], TradingRule(long_above=0.55, allow_short=False)) == (0.0, 0.55)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"trade_share": 0}, "greater than 0"),
        ({"hold_bars": 0}, "greater than or equal to 1"),
        ({"long_above": 0.4, "short_below": 0.6}, "short_below 0.6 is above long_above 0.4; swap them"),
        ({"short_below": 0.4, "allow_short": False}, "remove one of them"),
        ({"tradeshare": 0.1}, "Extra inputs"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        TradingRule(**wrong)


def test_invalid_arguments_raise():
    with pytest.raises(ShapeError, match="hold_bars: is 0"):
        positions([0.5], 0.4, 0.6, 0)
    with pytest.raises(ShapeError, match="thresholds"):
        positions([0.5], 0.6, 0.4, 1)
    with pytest.raises(ShapeError, match=r"p row 1: is 1\.5"):
        positions([0.5, 1.5], 0.4, 0.6, 1)
    with pytest.raises(ShapeError, match="has no rows"):
        fit_thresholds([], TradingRule())
