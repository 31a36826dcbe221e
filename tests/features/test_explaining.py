"""Explaining a value: the bars, the arithmetic, and that both give the value."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import DataError, InputError, RecipeError, SchemaError
from barmill.features import FEATURES, FeaturePlan, explain_feature, rsi, usual_feature
from barmill.features.arithmetic import has_arithmetic
from barmill.features.explanation import running_names
from barmill.features.kernels import KERNELS
from barmill.market import Bars, Timeframe, simulate
from oracles.further import further_columns

FIVE = Timeframe.parse("5m")
FIT_UNTIL = "2024-01-02T12:00"
ROW = 5_003


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Six thousand bars with every further column."""
    made = simulate(6_000, seed=2).bars
    base = {name: made.column(name) for name in ("open", "high", "low", "close", "volume")} | {"open_time": made.open_time}
    return Bars.from_columns(made.instrument, made.timeframe, **base, **further_columns(seed=0, **base))


EVERY = [usual_feature(spec, on) for spec in FEATURES.values() for on in ((None,) if spec.base_only else (None, FIVE))]
every_feature = pytest.mark.parametrize("feature", EVERY, ids=lambda feature: feature.name)


@every_feature
def test_the_value_explained_is_the_plans(bars, feature):
    told = explain_feature(feature.name, ROW, bars, fit_until=FIT_UNTIL)
    plan = FeaturePlan(bars.timeframe, (feature,), (), bars.instrument.calendar)
    if plan.unfitted:
        plan = plan.fit(bars, [(0, int(np.searchsorted(bars.close_time, np.datetime64(FIT_UNTIL, "ms").astype(np.int64), "right")) - 1)])
    value = plan.compute(bars).values[ROW, 0]
    assert told.value == value or (math.isnan(value) and told.waiting)
    assert told.timeframe == (feature.timeframe or bars.timeframe)
    assert all(bar.close_time <= told.known_at for bar in told.bars)
    assert json.loads(json.dumps(told.to_json(), allow_nan=False))["feature"] == feature.name


@every_feature
def test_the_bars_shown_give_the_value_to_the_bit_or_say_what_is_missing(bars, feature):
    told = explain_feature(feature.name, ROW, bars, fit_until=FIT_UNTIL)
    if told.waiting:
        return
    assert told.bars_needed is not None
    assert told.same_bits or told.bars_needed > len(told.bars)
    if not feature.spec.fades(feature.params) and told.bars_needed < told.n_bars:
        assert explain_feature(feature.name, ROW, bars, shown=told.bars_needed, fit_until=FIT_UNTIL).same_bits


WRITTEN = [feature for feature in EVERY if feature.timeframe is None and has_arithmetic(feature.spec.kernel.name, feature.spec.output)]


@pytest.mark.parametrize("feature", WRITTEN, ids=lambda feature: feature.name)
def test_the_arithmetic_that_is_written_gives_the_value(bars, feature):
    told = explain_feature(feature.name, ROW, bars)
    assert told.written is not None
    assert told.written.value == pytest.approx(told.value, rel=1e-9, abs=1e-12)
    names = {name: value for name, value in vars(np).items() if name in ("abs", "log", "sqrt", "sign")}
    again = eval(told.written.formula, names, dict(told.written.terms))
    assert float(again) == pytest.approx(told.value, rel=1e-9, abs=1e-12)
    assert float(eval(told.written.filled, names)) == pytest.approx(told.value, rel=1e-3, abs=1e-3 * (1 + abs(told.value)))


def test_most_of_the_familiar_features_are_written_out():
    assert {"rsi_14", "macd_12_26_9", "atr_14", "ema_26", "bollinger_position_20_2"} <= {feature.name for feature in WRITTEN}
    assert len(WRITTEN) >= 80


def test_rsi_is_written_with_its_means(bars):
    told = explain_feature("rsi_14", ROW, bars)
    assert told.written.formula == "100*(G/(G + B))"
    assert told.running["mean gain"] == told.written.terms["G"]
    assert told.value == rsi(bars.close[: ROW + 1], 14)[-1]
    assert told.running["bars seen"] == ROW + 1


def test_a_recursion_tells_how_much_weight_lies_before_the_bars_shown(bars):
    told = explain_feature("ema_26", ROW, bars, shown=100)
    assert told.weight_before == pytest.approx((25 / 27) ** 100)
    assert not told.same_bits
    assert told.recomputed == pytest.approx(told.value, rel=told.weight_before)
    assert explain_feature("ema_26", ROW, bars, shown=told.bars_needed).same_bits
    assert explain_feature("sma_20", ROW, bars).weight_before is None


def test_a_sum_of_the_whole_history_needs_all_of_it(bars):
    told = explain_feature("obv", ROW, bars)
    assert told.bars_needed == told.n_bars == ROW + 1


def test_influence_is_the_change_when_a_close_moves_by_a_tick(bars):
    told = explain_feature("sma_20", ROW, bars)
    tick = bars.instrument.tick_size
    assert told.moved == f"close by one tick, {tick:g}"
    assert len(told.bars) == 20
    np.testing.assert_allclose([bar.influence for bar in told.bars], tick / 20, rtol=1e-6)


def test_arguments_are_told_with_their_values(bars):
    told = explain_feature("difference(rsi_14,rsi_28)@5m", ROW, bars)
    values = told.bars[-1].arguments
    assert list(values) == ["rsi_14@5m", "rsi_28@5m"]
    for name, value in values.items():
        assert value == explain_feature(name, ROW, bars).value
    assert told.value == values["rsi_14@5m"] - values["rsi_28@5m"]


def test_arguments_of_other_timeframes_are_what_the_base_bars_are_shown(bars):
    told = explain_feature("product(rsi_14,rsi_14@1h)", ROW, bars)
    assert told.bars[-1].arguments["rsi_14@1h"] == explain_feature("rsi_14@1h", ROW, bars).value


def test_a_longer_bar_is_shown_once_it_has_closed(bars):
    hour = 3 * 60
    before, at = (explain_feature("close@1h", hour + row, bars) for row in (58, 59))
    assert at.bars[-1].close_time == at.known_at
    assert at.value == bars.close[hour + 59]
    assert before.value == bars.close[hour - 1]
    assert before.n_bars == at.n_bars - 1


@pytest.mark.parametrize(("name", "unit", "needs"), [("rsi_14", 1, 15), ("rsi_14@5m", 5, 15), ("zscore_60(rsi_14)@5m", 5, 74)])
def test_a_warm_up_tells_how_many_more_bars_it_takes(bars, name, unit, needs):
    for have in (1, 7, needs - 1):
        told = explain_feature(name, have * unit - 1, bars)
        more = needs - have
        assert told.waiting == (
            f"it is in its warm-up: {more} more bar{'s' if more > 1 else ''} of {unit}m {'are' if more > 1 else 'is'} needed"
        )
        assert math.isnan(told.value)
    assert explain_feature(name, needs * unit - 1, bars).waiting == ""


def test_a_column_without_a_value_yet_is_named(bars):
    late = bars.frame["open_interest"].to_numpy().copy()
    late[: ROW + 10] = np.nan
    frame = bars.frame.with_columns(open_interest=late)
    without = type(bars)(bars.instrument, bars.timeframe, frame)
    assert explain_feature("open_interest_change_15", ROW, without).waiting == "open_interest has no value yet"
    waiting = explain_feature("open_interest_change_15", ROW + 12, without).waiting
    assert waiting == "it is in its warm-up: 13 more bars of 1m are needed"


def test_before_the_first_longer_bar_there_is_nothing_to_show(bars):
    told = explain_feature("rsi_14@1h", 10, bars)
    assert (told.bars, told.n_bars) == ((), 0)
    assert "15 more bars of 1h" in told.waiting


@pytest.mark.parametrize(
    ("when", "row"),
    [
        ("100", 100),
        (-1, 5_999),
        ("2024-01-01T01:00", 59),
        ("2024-01-01T01:00Z", 59),
        ("2024-01-01 01:00 UTC", 59),
        ("2024-01-01T02:00+01:00", 59),
        ("2024-01-01T01:00:59", 59),
        ("2099-01-01", 5_999),
    ],
)
def test_a_time_means_what_was_known_then(bars, when, row):
    assert explain_feature("log_return_1", when, bars).row == row


@pytest.mark.parametrize(
    ("name", "when", "error", "expected"),
    [
        ("rsi_14", "2023-12-31T23:59", DataError, "no bar has closed"),
        ("rsi_14", 6_000, DataError, "6,000 bars"),
        ("rsi_14", "tomorrow", InputError, "'tomorrow'"),
        ("rsj_14", 100, RecipeError, "Did you mean"),
        ("spread_bps", 100, SchemaError, "bid_price"),
    ],
)
def test_what_cannot_be_explained_is_refused(name, when, error, expected):
    with pytest.raises(error, match=expected):
        explain_feature(name, when, simulate(6_000, seed=2).bars)


def test_a_feature_that_learns_asks_on_what(bars):
    learning = next((feature.name for feature in EVERY if feature.learned), None)
    assert learning is not None
    with pytest.raises(InputError, match="--fit-until"):
        explain_feature(learning, ROW, bars)


@settings(max_examples=20, deadline=None)
@given(row=st.integers(0, 5_999), name=st.sampled_from(["rsi_14", "bollinger_width_20_2@15m", "atr_14@1h", "volume_ratio_20@5m"]))
def test_any_row_is_explained_as_it_was_computed(bars, row, name):
    told = explain_feature(name, row, bars)
    plan = FeaturePlan.build(timeframes=("1m",), add=(name,), needs=())
    np.testing.assert_array_equal(told.value, plan.compute(bars.slice(0, row + 1)).column(name)[-1])


def test_names_of_what_runs_stand_in_the_docstring_of_the_kernel():
    named = {kernel.name: dict(running_names(kernel.function.__doc__ or "")) for kernel in KERNELS}
    assert named["rsi"] == {0: "bars seen", 1: "last close", 2: "mean gain", 3: "mean loss"}
    assert named["macd"] == {0: "bars seen", 1: "fast mean", 2: "slow mean", 3: "signal mean"}
    assert named["adx"][7] == "mean DX"
    assert named["obv"] == {0: "bars seen", 1: "last close", 2: "on-balance volume"}
    assert running_names("params: n. state: bars seen, place, last close, ring of changes, sum of them.") == [
        (0, "bars seen"),
        (2, "last close"),
    ]
    assert running_names("No state at all.") == []


@pytest.mark.parametrize("name", ["close@1h", "rsi_14@45m", "day_range_position", "product(rsi_14,rsi_14@1h)"])
def test_bars_counted_from_the_session_are_those_of_a_plan_that_counts_so(name):
    bars = simulate(6_000, seed=3, symbol="ES").bars
    plan = FeaturePlan.build(
        timeframes=("1m",), add=(name,), needs=(), sources=bars.frame.columns, calendar=bars.instrument.calendar, anchor="session"
    )
    values = plan.compute(bars).column(name)
    for row in (1_500, 3_333, 5_999):
        assert explain_feature(name, row, bars, anchor="session").value == values[row]
        assert explain_feature(name, row, bars, plan=plan).value == values[row]
