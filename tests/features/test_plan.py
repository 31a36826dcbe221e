"""The plan: what is in it, in which order, and its hash."""

import copy
import json
import re

import numpy as np
import pytest

from barmill.errors import RecipeError, SchemaError
from barmill.features import FeaturePlan, read_set, set_names
from barmill.market import Timeframe

CORE_HASH = "4ee189c9"  # the schema of core at 1m, 5m, 15m: changes only with a reason


def test_core_has_the_features_of_the_base_and_a_shorter_list_of_each_higher_timeframe():
    plan = FeaturePlan.build()
    core = read_set("core")
    base, higher = (group.features for group in core.groups)
    assert plan.names == (*base, *(f"{name}@5m" for name in higher), *(f"{name}@15m" for name in higher))
    assert plan.warmup_bars == (26 + 9 - 2 + 1) * 15 - 1
    assert plan.schema_hash.startswith(CORE_HASH)


def test_every_set_can_be_built_and_calls_no_two_columns_alike():
    for name in set_names():
        plan = FeaturePlan.build(set=name)
        assert len(set(plan.names)) == len(plan.names)
        assert len(set(plan.features)) == len(plan.features)


def test_add_remove_and_needs():
    plan = FeaturePlan.build(
        timeframes=("1m",), add=("rsi_28@60m", "rsi_14"), remove=("time_of_week_sin", "rsi_28@1h"), needs=("realised_volatility_90",)
    )
    assert plan.names.count("rsi_14") == 1
    assert "time_of_week_sin" not in plan.names
    assert "rsi_28@1h" not in plan.names
    assert plan.names[-1] == "realised_volatility_90"


def test_a_set_may_call_a_feature_otherwise_and_both_names_find_it():
    plan = FeaturePlan.build(set="orpflow")
    assert plan.column_of("realised_volatility_60") == "realized_vol_60"
    assert "realised_volatility_60" not in plan.names
    assert "obv" not in FeaturePlan.build(set="orpflow", remove=("obv_zscore_60",)).names
    both = FeaturePlan.build(set="orpflow", remove=("obv",), add=("obv",))
    assert both.features[both.names.index("obv")].name == "obv"
    with pytest.raises(SchemaError, match="no column is rsi_29"):
        plan.column_of("rsi_29")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"set": "orpflow", "add": ("obv",)}, "features.add: 'obv' is what the set calls obv_zscore_60. Write 'obv' under `remove` too"),
        ({"set": "cor"}, "features.set: no feature set named 'cor'. Did you mean 'core'?"),
        ({"add": ("rsl_14",)}, "features: no feature named 'rsl_14'. Did you mean 'rsi_14'?"),
        ({"remove": ("rsi_15",)}, "features.remove: 'rsi_15' is not in the plan. Did you mean 'rsi_14'?"),
        (
            {"remove": ("realised_volatility_60",)},
            "features.remove: 'realised_volatility_60' is needed to scale targets and forecasts. Keep it.",
        ),
        ({"base": "5m", "timeframes": ("1m", "5m")}, "features.timeframes: timeframe 1m on 5m bars; expected a whole multiple of 5m."),
    ],
)
def test_a_plan_that_cannot_be_made_is_refused(asked, message):
    with pytest.raises(RecipeError, match=re.escape(message)):
        FeaturePlan.build(**asked)


def test_another_base_timeframe():
    plan = FeaturePlan.build(base="5m", timeframes=("5m", "1h"))
    assert plan.base == Timeframe.parse("5m")
    assert plan.schema[0]["timeframe"] == "5m"
    assert plan.schema[-1]["timeframe"] == "1h"


def test_json_round_trip_keeps_the_plan_and_its_hash():
    plan = FeaturePlan.build(timeframes=("1m", "1h"), add=("bollinger_width_20_2.5",))
    again = FeaturePlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert again.schema_hash == plan.schema_hash
    assert again.first_difference(plan) == ""


def test_a_plan_goes_to_another_process_as_it_is():
    plan = FeaturePlan.build(timeframes=("1m", "1h"))
    again = copy.deepcopy(plan)  # by the same door as pickling
    assert again == plan
    assert again is not plan


def test_a_long_memory_is_told_apart_from_the_warm_up():
    plan = FeaturePlan.build(timeframes=("1m",), needs=())
    assert plan.warmup_bars == 199
    assert plan.settled_bars == 199 + 2_073  # of ema_distance_200: 2,073 bars take (199/201)^n below 1e-9


def test_the_schema_says_name_dtype_unit_version_family_timeframe_and_params():
    entry = FeaturePlan.build(set="core").schema[-1]
    assert entry == {
        "name": "volume_ratio_20@15m",
        "feature": "volume_ratio_20@15m",
        "dtype": "float64",
        "unit": "1 is usual",
        "version": 1,
        "family": "volume",
        "timeframe": "15m",
        "params": {"window": 20},
        "arguments": {},
        "inputs": [],
        "sessions": None,
    }


def test_another_order_is_another_schema_and_the_first_difference_is_named():
    plan = FeaturePlan.build()
    turned = FeaturePlan(plan.base, plan.features[::-1])
    assert turned.schema_hash != plan.schema_hash
    assert plan.first_difference(turned) == "0: 'log_return_1' against 'volume_ratio_20@15m'"
    shorter = FeaturePlan(plan.base, plan.features[:-1])
    assert plan.first_difference(shorter) == "58: 'volume_ratio_20@15m' against nothing"
    assert shorter.first_difference(plan) == "58: nothing against 'volume_ratio_20@15m'"
    other = FeaturePlan(Timeframe.parse("5m"), plan.features[:1])
    assert plan.first_difference(other) == "0: 'log_return_1' with timeframe 1m against timeframe 5m"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature": "rsj"}, "feature plan: columns[0]: no feature named 'rsj'. Did you mean 'rsi'?"),
        (
            {"version": 2},
            "feature plan: columns[0]: 'rsi': version 2; expected version 1. Use the version of Barmill that made it.",
        ),
        ({"params": {"window": 1}}, "feature plan: columns[0]: window: is 1; expected greater than or equal to 2."),
        ({"params": {"windows": 14}}, "feature plan: columns[0]: window"),
        ({"timeframe": "5x"}, "feature plan: columns[0]: timeframe: there is no unit 'x'"),
        ({"arguments": [{"feature": "rsi"}]}, "feature plan: columns[0].arguments[0]: "),
        ({"params": None}, "feature plan: columns[0]: "),
    ],
)
def test_a_plan_of_another_version_is_refused_with_its_entry(change, message):
    plan = FeaturePlan.build(set="core", timeframes=(), needs=("rsi_14",)).to_json()
    plan["columns"][0] |= change
    with pytest.raises(SchemaError, match=re.escape(message)):
        FeaturePlan.from_json(plan)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 1},
        {"columns": {}},
        {"base": "x"},
        {"calendar": "XNYS!"},
        {"anchor": "noon"},
        {"fitted": {"rsi_14": ["x"]}},
        {"fitted": {"rsi_14": [float("nan")]}},
        {"fitted": None},
    ],
)
def test_what_is_no_plan_is_refused(change):
    with pytest.raises(SchemaError, match=f"feature plan: {next(iter(change)).replace('columns', 'format')}"):
        FeaturePlan.from_json(FeaturePlan.build().to_json() | change)
    with pytest.raises(SchemaError, match="feature plan: format: is None"):
        FeaturePlan.from_json({})


def test_bars_of_another_timeframe_are_refused(bars):
    plan = FeaturePlan.build(base="5m", timeframes=("5m",))
    with pytest.raises(SchemaError, match="timeframe 1m; expected 5m, which the plan is on"):
        plan.compute(bars)


def test_a_table_says_its_schema_and_which_rows_are_ready(bars):
    plan = FeaturePlan.build(timeframes=("1m", "5m"))
    table = plan.compute(bars)
    assert table.values.shape == (len(bars), len(plan.names))
    assert table.values.flags.c_contiguous
    assert table.values.dtype == np.float64
    assert table.schema_hash == plan.schema_hash
    np.testing.assert_array_equal(table.close_time, bars.close_time)
    assert int(np.argmax(table.ready)) == plan.warmup_bars
    assert table.ready[plan.warmup_bars :].all()
    np.testing.assert_array_equal(table.to_frame()["rsi_14@5m"].to_numpy(), table.column("rsi_14@5m"))
    with pytest.raises(SchemaError, match=r"no column named 'rsi_15'. Did you mean 'rsi_14'\?"):
        table.column("rsi_15")


def test_progress_ends_at_the_last_bar(bars):
    class Told:
        def update(self, done, total, note=""):
            self.last = done, total

    told = Told()
    FeaturePlan.build(timeframes=("1m",)).compute(bars, told)
    assert told.last == (len(bars), len(bars))


def test_no_bars_give_an_empty_table(bars):
    plan = FeaturePlan.build()
    table = plan.compute(bars.slice(0, 0))
    assert table.values.shape == (0, len(plan.names))
    assert table.ready.shape == (0,)
