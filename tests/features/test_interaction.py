"""Interactions: where a quotient is undefined, and arguments that stand on different timeframes."""

import numpy as np
import pytest

from barmill.errors import RecipeError
from barmill.features import FEATURES, FeaturePlan, FeatureStream, parse_feature
from barmill.market import Timeframe

MINUTE = Timeframe.parse("1m")
NAN = np.nan


def of(name, a, b):
    """The interaction of two series of one's own."""
    spec = FEATURES[name]
    given = (np.asarray(x, dtype=np.float64) for x in (a, b))
    return spec.kernel.run(spec.kernel_params(spec.usual), *given)[spec.kernel.outputs.index(spec.output)]


def plan_of(*names):
    return FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in names))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("product", [NAN, NAN, 6.0, 0.0, -8.0]),
        ("difference", [NAN, NAN, 1.0, 2.0, -6.0]),
        ("ratio", [NAN, NAN, 1.5, 0.0, -0.5]),
        ("crossing", [NAN, NAN, 1.0, 1.0, -1.0]),
    ],
)
def test_values_worked_by_hand(name, values):
    np.testing.assert_array_equal(of(name, [NAN, 1.0, 3.0, 2.0, -2.0], [1.0, NAN, 2.0, 0.0, 4.0]), values)


def test_equal_values_have_not_crossed():
    np.testing.assert_array_equal(of("crossing", [0.3, 0.1 + 0.2], [0.3, 0.3]), [0.0, 1.0])


def test_a_quotient_without_a_value_is_zero_and_stays_finite_in_float32():
    tiny = 5e-324  # the smallest number above 0
    found = of("ratio", [1.0, -1.0, 0.0, 1.0, 1.0, tiny, 1e300], [0.0, 0.0, 0.0, tiny, 1e-39, tiny, 1.0])
    np.testing.assert_array_equal(found, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    assert np.isfinite(of("ratio", [1.0], [3e-39]).astype(np.float32)).all()
    np.testing.assert_array_equal(of("ratio", [NAN, 1.0], [0.0, NAN]), [NAN, NAN])


@pytest.mark.parametrize("gaps", [False, True])
def test_arguments_of_other_timeframes_are_what_the_base_bars_are_shown(make_bars, gaps):
    bars = make_bars(1_500, seed=3, gaps=gaps)
    names = ("product(rsi_14,adx_14@15m)", "difference(ema_distance_12,ema_distance_12@5m)", "crossing(rsi_14@5m,rsi_14@15m)")
    parts = ("rsi_14", "adx_14@15m", "ema_distance_12", "ema_distance_12@5m", "rsi_14@5m", "rsi_14@15m")
    table = plan_of(*names, *parts).compute(bars)
    column = table.column
    np.testing.assert_array_equal(column(names[0]), column("rsi_14") * column("adx_14@15m"))
    np.testing.assert_array_equal(column(names[1]), column("ema_distance_12") - column("ema_distance_12@5m"))
    np.testing.assert_array_equal(column(names[2]), np.sign(column("rsi_14@5m") - column("rsi_14@15m")))
    for threads in (1, 2):
        np.testing.assert_array_equal(plan_of(*names, *parts).compute(bars, threads=threads).values, table.values)


def test_of_mixed_timeframes_live_is_the_history(make_bars):
    bars = make_bars(900, seed=4, gaps=True)
    plan = plan_of("ratio(change_5(rsi_14),zscore_20(atr_14@5m))", "product(zscore_9(rsi_14)@15m,abs(log_return_1))")
    stream = FeatureStream(plan)
    rows = np.array([stream.push(bars.bar(i)) for i in range(len(bars))])
    np.testing.assert_array_equal(rows, plan.compute(bars).values)


def test_a_higher_value_is_not_shown_before_its_bar_has_closed(make_bars):
    """The last minutes of an unfinished quarter are changed: nothing before its close moves, and the close itself does."""
    bars = make_bars(900, seed=5)
    name = "product(log_return_1@15m,rsi_14)"
    whole = plan_of(name).compute(bars).values[:, 0]
    cut = 15 * 40 + 14  # the last minute of a quarter
    shorter = plan_of(name).compute(bars.slice(0, cut)).values[:, 0]
    np.testing.assert_array_equal(whole[:cut], shorter)
    shown = plan_of("log_return_1@15m").compute(bars).values[:, 0]
    assert (np.flatnonzero(np.diff(shown[60:])) + 61).tolist() == [t for t in range(61, 900) if t % 15 == 14]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("product(rsi_14)", "1 features as arguments; expected 2, as in 'product.rsi_14,realised_volatility_60.'"),
        ("product(rsi_14,adx_14,atr_14)", "3 features as arguments"),
        ("product(rsi_14@5m,adx_14)@15m", "'rsi_14@5m' within a feature of 15m"),
        ("product_2(rsi_14,adx_14)", "1 parameters; expected none"),
    ],
)
def test_an_interaction_that_cannot_be_is_refused(name, message):
    with pytest.raises(RecipeError, match=message):
        parse_feature(name, MINUTE)
