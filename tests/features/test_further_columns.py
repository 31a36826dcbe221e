"""Columns beside open, high, low, close and volume: what a plan needs, bars that lack it, columns that begin late, holes."""

import re

import numpy as np
import pytest

from barmill.errors import DataError, SchemaError
from barmill.features import FeaturePlan, FeatureStream
from barmill.market import Bar, Bars

PLAN = FeaturePlan.build(timeframes=(), add=("taker_imbalance_20", "rsi_14", "taker_imbalance_20@5m"), needs=())


def with_takers(bars: Bars, values) -> Bars:
    columns = (bars.open_time, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return Bars.from_columns(bars.instrument, bars.timeframe, *columns, taker_buy_base=values)


def test_a_plan_says_what_it_needs_and_what_bars_lack(bars):
    assert PLAN.sources == ("taker_buy_base",)
    assert PLAN.missing(["open", "taker_buy_base"]) == {}
    assert PLAN.missing([]) == {"taker_imbalance_20": ("taker_buy_base",), "taker_imbalance_20@5m": ("taker_buy_base",)}
    with pytest.raises(
        SchemaError, match="lack columns: taker_imbalance_20 needs taker_buy_base; taker_imbalance_20@5m needs taker_buy_base"
    ):
        PLAN.compute(bars)


def test_where_a_set_has_a_choice_the_bars_columns_make_it():
    with_them, without = (FeaturePlan.build(set="orpflow", sources=sources) for sources in (("taker_buy_base",), ()))
    assert with_them.names == without.names
    place = with_them.names.index("order_flow_imbalance")
    assert (with_them.features[place].spec.name, without.features[place].spec.name) == ("taker_imbalance", "bulk_imbalance")
    assert with_them.schema_hash != without.schema_hash


def test_a_column_that_begins_late_may_do_so_in_a_stream_too(bars):
    values = np.where(np.arange(len(bars)) < 40, np.nan, 0.5 * bars.volume)
    late = with_takers(bars, values)
    table = PLAN.compute(late)
    assert np.isnan(table.values[:59, 0]).all()
    assert np.isfinite(table.values[60:, 0]).all()
    stream = FeatureStream(PLAN)
    rows = [stream.push(late.bar(i)) for i in range(30)]
    stream = FeatureStream.restore(PLAN, stream.state())
    rows += [stream.push(late.bar(i)) for i in range(30, 120)]
    np.testing.assert_array_equal(np.array(rows), table.values[:120])


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_a_hole_is_refused_once_the_column_has_begun(bars, hole):
    values = 0.5 * bars.volume
    values[70] = hole
    holed = with_takers(bars, values)
    with pytest.raises(DataError, match=re.escape(f"taker_buy_base is {hole} at bar {bars.open_time[70]}")):
        PLAN.compute(holed)
    stream = FeatureStream(PLAN)
    stream.extend(holed.slice(0, 70))
    before = stream.state()
    with pytest.raises(DataError, match=f"taker_buy_base is {hole}; expected a finite number"):
        stream.push(holed.bar(70))
    with pytest.raises(DataError, match=re.escape(f"taker_buy_base is {hole} at bar {bars.open_time[70]}")):
        stream.extend(holed.slice(70, 200))  # at the head of a chunk it is a hole too, no late beginning
    for name, array in stream.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_bar_without_the_column_is_refused(bars):
    stream = FeatureStream(PLAN)
    with pytest.raises(DataError, match="no taker_buy_base"):
        stream.push(Bar(*bars.bar(0)[:6]))
    assert stream.bars_seen == 0
