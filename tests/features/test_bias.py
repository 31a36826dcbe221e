"""Bias by hand: signs of means and of swings, and their agreement over timeframes."""

import numpy as np

from barmill.features import FeaturePlan, parse_feature
from barmill.features.kernels import bias
from barmill.market import Timeframe

MINUTE = Timeframe.parse("1m")


def test_a_rise_leans_up_a_fall_leans_down_and_a_pullback_leans_nowhere():
    close = np.concatenate([100.0 + np.arange(50.0), [120.0], 150.0 - np.arange(60.0)])
    value = bias.ema_bias.run((5.0, 20.0), close=close)[0]
    assert np.isnan(value[:19]).all()
    assert set(value[19:50]) == {1.0}
    assert value[50] == 0.0  # below the slow mean while the fast one is above it
    assert set(value[90:]) == {-1.0}


def test_equal_prices_lean_nowhere_though_their_mean_is_rounded():
    close = np.full(200, 0.1 + 0.2)
    assert set(bias.ema_bias.run((12.0, 26.0), close=close)[0][25:]) == {0.0}
    assert set(bias.swing_bias.run((20.0,), high=close, low=close)[0][39:]) == {0.0}


def test_swings_lean_where_both_ends_have_moved():
    high = np.array([5.0, 6.0, 7.0, 6.0, 8.0, 7.0])
    low = np.array([3.0, 2.0, 4.0, 4.0, 3.0, 5.0])
    value = bias.swing_bias.run((2.0,), high=high, low=low)[0]
    #  bars 2-3 against 0-1: 7 > 6, 4 > 2; bars 3-4 against 1-2: 8 > 7, 3 > 2; bars 4-5 against 2-3: 8 > 7, 3 < 4
    np.testing.assert_array_equal(value, [np.nan, np.nan, np.nan, 1.0, 1.0, 0.0])
    np.testing.assert_array_equal(bias.swing_bias.run((2.0,), high=-low, low=-high)[0], -value)


def test_alignment_is_the_mean_of_signs_and_waits_for_all():
    rows = np.array([[np.nan, 0.3, 0.3, -2.0, 0.0], [1.0, np.nan, 5.0, -1.0, 1.0]])
    np.testing.assert_array_equal(bias.alignment.run((), *rows)[0], [np.nan, np.nan, 1.0, -1.0, 0.5])


def test_over_several_timeframes_it_uses_closed_bars_alone(bars):
    """A jump in the last, unfinished hour moves the base bars' bias and not yet the hour's."""
    names = ("ema_bias_5_20", "ema_bias_5_20@1h", "alignment(ema_bias_5_20,ema_bias_5_20@1h)")
    plan = FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in names))
    values = plan.compute(bars).values[plan.warmup_bars :]
    np.testing.assert_array_equal(values[:, 2], np.sign(values[:, :2]).mean(axis=1))
    hour = (bars.close_time[plan.warmup_bars :] % 3_600_000) == 0
    assert not np.diff(values[:, 1])[~hour[1:]].any()
