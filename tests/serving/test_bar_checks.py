"""Bars that came from outside: each fault has a code of its own and names the bar and the field."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.market import Bar
from barmill.serving.answers import RawBars
from barmill.serving.bar_checks import FIELDS, check_bar, check_fresh, checked_bars
from barmill.serving.refusals import Refusal
from barmill.serving.settings import PlaneSettings

START = 1_700_000_040_000
NOW = START + 1_000 * 60_000
SETTINGS = PlaneSettings(max_bars=50, future_seconds=5.0)


def raw(n: int = 6) -> RawBars:
    """Six good bars of a minute."""
    values = np.tile([100.0, 101.0, 99.0, 100.5, 7.0], (n, 1))
    return RawBars(START + 60_000 * np.arange(n, dtype=np.int64), values)


def with_value(row: int, field: str, value: float) -> RawBars:
    bars = raw()
    bars.values[row, FIELDS.index(field)] = value
    return bars


def with_times(*minutes: float) -> RawBars:
    return raw(len(minutes))._replace(open_time=np.array([START + int(60_000 * minute) for minute in minutes], dtype=np.int64))


@pytest.fixture(scope="module")
def bundle(bundle_of):
    return bundle_of("logistic")


def refused(bars: RawBars, bundle: Any, settings: PlaneSettings = SETTINGS, now: int = NOW) -> Refusal:
    with pytest.raises(Refusal) as found:
        checked_bars(bars, bundle, settings, now)
    return found.value


def test_good_bars_come_out_as_they_are(bundle):
    given = raw()
    bars, notes = checked_bars(given, bundle, SETTINGS, NOW)
    np.testing.assert_array_equal(bars.open_time, given.open_time)
    np.testing.assert_array_equal(np.stack([bars.column(name) for name in FIELDS], axis=1), given.values)
    assert (bars.instrument, bars.timeframe, notes) == (bundle.instrument, bundle.timeframe, ())


@pytest.mark.parametrize(
    ("bars", "code", "place"),
    [
        (with_value(2, "high", np.nan), "not_finite", "bars[2].high"),
        (with_value(5, "volume", np.inf), "not_finite", "bars[5].volume"),
        (with_value(0, "open", 0.0), "price_not_positive", "bars[0].open"),
        (with_value(1, "low", -3.0), "price_not_positive", "bars[1].low"),
        (with_value(3, "high", 100.2), "price_outside_bar", "bars[3].high"),
        (with_value(3, "high", 98.0), "price_outside_bar", "bars[3].high"),
        (with_value(4, "low", 100.2), "price_outside_bar", "bars[4].low"),
        (with_value(4, "volume", -1e-9), "negative_volume", "bars[4].volume"),
        (with_times(0, 1, 1, 2), "duplicate_bar", "bars[2].open_time"),
        (with_times(0, 2, 1), "bars_out_of_order", "bars[2].open_time"),
        (with_times(0, 1, 2.5), "off_the_grid", "bars[2].open_time"),
        (with_times(0, 1, 1000), "bar_not_closed", "bars[2].open_time"),
        (raw()._replace(open_time=raw().open_time // 1000 - 10**10), "implausible_time", "bars[0].open_time"),
        (raw()._replace(open_time=np.full(6, 2**62)), "implausible_time", "bars[0].open_time"),
        (raw(51), "too_many_bars", "bars"),
        (RawBars(np.empty(0, dtype=np.int64), np.empty((0, 5))), "no_bars", "bars"),
        (raw()._replace(values=raw().values.astype(np.float32)), "wrong_dtype", "bars.values"),
        (raw()._replace(open_time=raw().open_time.astype(np.float64)), "wrong_dtype", "bars.open_time"),
        (raw()._replace(values=raw().values[:5]), "wrong_shape", "bars.values"),
        (raw()._replace(values=raw().values[:, :4].copy()), "wrong_shape", "bars.values"),
        (raw()._replace(further={"tradez": np.ones(6)}), "unknown_column", "bars.tradez"),
        (raw()._replace(further={"trades": np.ones(5)}), "wrong_shape", "bars.trades"),
        (raw()._replace(further={"trades": np.full(6, np.nan)}), "not_finite", "bars[0].trades"),
    ],
)
def test_a_fault_is_refused_by_its_code_and_its_field(bundle, bars: RawBars, code: str, place: str):
    found = refused(bars, bundle)
    assert (found.code, found.place) == (code, place)
    assert found.kind == ("too_large" if code == "too_many_bars" else "invalid")


def test_an_unknown_column_is_told_with_the_nearest_and_a_known_one_that_is_not_read_is_left_aside(bundle):
    assert "Did you mean 'trades'?" in str(refused(raw()._replace(further={"tradez": np.ones(6)}), bundle))
    bars, _ = checked_bars(raw()._replace(further={"trades": np.ones(6)}), bundle, SETTINGS, NOW)
    assert "trades" not in bars.frame.columns


def test_gaps_are_told_and_not_refused(bundle):
    _, notes = checked_bars(with_times(0, 1, 4, 5, 7), bundle, SETTINGS, NOW)
    assert notes == ("3 bars are missing in 2 gaps, the first from 2023-11-14 22:16 UTC",)


def test_a_bar_may_close_as_much_after_the_clock_as_clocks_differ(bundle):
    closes = int(raw().open_time[-1]) + 60_000
    checked_bars(raw(), bundle, SETTINGS, closes - 5_000)
    assert refused(raw(), bundle, now=closes - 5_001).code == "bar_not_closed"


def test_old_bars_are_stale_only_where_the_settings_say_so(bundle):
    check_fresh(raw(), bundle, SETTINGS, NOW)
    settings, closes = PlaneSettings(max_bar_age_seconds=90.0), int(raw().open_time[-1]) + 60_000
    check_fresh(raw(), bundle, settings, closes + 90_000)
    with pytest.raises(Refusal) as found:
        check_fresh(raw(), bundle, settings, closes + 90_001)
    assert (found.value.code, found.value.place) == ("stale_bars", "bars[5].open_time")


PRICES = st.one_of(st.floats(98, 102), st.sampled_from([0.0, -1.0, 1e308, 5e-324, float("nan"), float("inf"), 100.0]))
TIMES = st.sampled_from([START, START + 1, NOW - 60_000, NOW, NOW + 5_000, -1, 2**62])


@given(st.tuples(PRICES, PRICES, PRICES, PRICES, PRICES), TIMES)
def test_one_bar_is_judged_as_it_would_be_among_many(bundle, values: tuple[float, ...], time: int):
    """The quick check of one bar lets through what the check of arrays lets through, and refuses with its code."""
    many = RawBars(np.array([time], dtype=np.int64), np.array([values]))
    expected = ""
    try:
        checked_bars(many, bundle, SETTINGS, NOW)
    except Refusal as refusal:
        expected = f"{refusal.code} {refusal.place.removeprefix('bars[0].')}"
    found = ""
    try:
        check_bar(Bar(time, *values), bundle, SETTINGS, NOW)
    except Refusal as refusal:
        found = f"{refusal.code} {refusal.place.removeprefix('bar.')}"
    assert found == expected
