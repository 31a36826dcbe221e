"""Laws 1 and 2 over a whole plan: nothing sees the next bar, and the cuts change no bit."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.features import FeaturePlan, FeatureStream, adx, atr, ema, macd, obv, rsi, stochastic
from barmill.features.kernels import timeframes
from barmill.market import Bars, Instrument, Timeframe

MINUTE_MS = 60_000
START_MS = 1_704_067_200_000
PLAN = FeaturePlan.build(timeframes=("1m", "5m", "15m"))
DATA = Path(os.environ.get("BARMILL_DATA", Path(__file__).parents[2] / "../shared/data"))
REAL = {
    "FILUSDT": "crypto/FILUSDT_um_1m_2023-08_2023-11.parquet",
    "EURUSD": "fx/EURUSD_1m_2019.parquet",
    "ES": "futures/ES_1m_2025-07_2025-10.parquet",
}


def walk(seed: int, n_bars: int) -> Bars:
    """A market with ties, quiet minutes and gaps of every length, starting anywhere in the hour."""
    rng = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(rng.standard_t(4, n_bars) * 1e-3)), 2)
    open_ = np.concatenate([close[:1], close[:-1]])
    quiet = rng.random(n_bars) < 0.2
    reach = np.where(quiet, 0.0, np.round(rng.exponential(0.05, (2, n_bars)), 2))
    volume = np.where(quiet, 0.0, rng.lognormal(3.0, 1.0, n_bars))
    steps = np.where(rng.random(n_bars) < 0.05, rng.integers(2, 200, n_bars), 1)
    open_time = START_MS + (int(rng.integers(0, 60)) + np.cumsum(steps)) * MINUTE_MS
    high, low = np.maximum(open_, close) + reach[0], np.minimum(open_, close) - reach[1]
    return Bars.from_columns(Instrument.builtin("FILUSDT"), Timeframe.parse("1m"), open_time, open_, high, low, close, volume)


def altered(bars: Bars, first: int, seed: int) -> Bars:
    """The same bars up to `first`, and another market from there."""
    rng = np.random.default_rng(seed)
    factor = np.where(np.arange(len(bars)) < first, 1.0, np.exp(rng.normal(0.0, 0.1, len(bars))))
    columns = [column * factor for column in (bars.open, bars.high, bars.low, bars.close, bars.volume)]
    return Bars.from_columns(bars.instrument, bars.timeframe, bars.open_time, *columns)


def in_chunks(bars: Bars, cuts: list[int]) -> np.ndarray:
    stream = FeatureStream(PLAN)
    edges = [0, *sorted(cuts), len(bars)]
    return np.vstack([stream.extend(bars.slice(a, b)).values for a, b in pairwise(edges)])


def check_prefix(bars: Bars, length: int) -> None:
    whole, prefix = PLAN.compute(bars).values, PLAN.compute(bars.slice(0, length)).values
    np.testing.assert_array_equal(prefix, whole[:length])


def check_alignment(bars: Bars, name: str) -> None:
    """`log_return_1@...` against Polars: buckets from the epoch, joined as of the close of the bar that is known."""
    _, _, text = name.partition("@")
    step = Timeframe.parse(text).ms
    base = pl.DataFrame({"open_time": bars.open_time, "close_time": bars.close_time, "close": bars.close})
    end = (pl.col("open_time") // step + 1) * step
    higher = base.group_by(end.alias("close_time"), maintain_order=True).agg(pl.col("close").last())
    higher = higher.with_columns((pl.col("close") / pl.col("close").shift(1)).log().alias("value")).drop("close")
    shown = base.join_asof(higher, on="close_time", strategy="backward", check_sortedness=False)["value"].to_numpy()
    np.testing.assert_allclose(PLAN.compute(bars).column(name), shown, rtol=1e-12, atol=1e-15, equal_nan=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 1_500))
def test_a_prefix_of_the_bars_gives_the_prefix_of_the_features_to_the_bit(seed, length):
    check_prefix(walk(seed, 1_500), length)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 2_500), max_size=12))
def test_chunks_give_the_same_bits_as_the_whole(seed, cuts):
    bars = walk(seed, 2_500)
    np.testing.assert_array_equal(in_chunks(bars, cuts), PLAN.compute(bars).values)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 800), st.integers(1, 100))
def test_a_saved_and_restored_state_goes_on_to_the_bit(seed, cut, n_pushed):
    bars = walk(seed, 900)
    before = FeatureStream(PLAN)
    before.extend(bars.slice(0, cut))
    after = FeatureStream.restore(PLAN, before.state())
    rows = np.array([after.push(bars.bar(i)) for i in range(cut, min(cut + n_pushed, len(bars)))])
    np.testing.assert_array_equal(rows, PLAN.compute(bars).values[cut : cut + n_pushed])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 1_200))
def test_another_future_changes_nothing_before_it(seed, first):
    bars = walk(seed, 1_200)
    whole, other = PLAN.compute(bars).values, PLAN.compute(altered(bars, first, seed)).values
    np.testing.assert_array_equal(other[:first], whole[:first])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["log_return_1@5m", "log_return_1@15m"]))
def test_a_higher_timeframe_shows_its_last_closed_bar_and_none_before_its_close(seed, name):
    check_alignment(walk(seed, 1_500), name)


class PlantedLeak:
    """The resample-and-join of many a notebook: a bucket's bar is shown from the bucket's first minute on."""

    @staticmethod
    def compiled(layers, steps, firsts, sums, opens, closes, forming, sheet, n_bars, closed, counts):
        for layer in layers:
            buckets = np.floor(sheet[0, :n_bars] / steps[layer])
            first = np.flatnonzero(np.diff(buckets, prepend=-1.0))
            last = np.append(first[1:], n_bars) - 1
            sheet[firsts[layer] + 5, : first.size] = sheet[5, last]
            closed[layer, :n_bars] = np.cumsum(np.diff(buckets, prepend=-1.0) != 0)
            counts[layer] = first.size


def test_the_laws_catch_a_planted_look_ahead(monkeypatch):
    bars = walk(0, 1_000)
    monkeypatch.setattr(timeframes, "aggregate", PlantedLeak)
    with pytest.raises(AssertionError):
        check_alignment(bars, "log_return_1@15m")
    with pytest.raises(AssertionError):
        check_prefix(bars, 501)
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(in_chunks(bars, [501]), PLAN.compute(bars).values)


@pytest.fixture(scope="module", params=REAL, ids=str)
def real(request) -> Bars:
    path = DATA / REAL[request.param]
    if not path.exists():
        pytest.skip(f"real bars are not at {path}; set BARMILL_DATA")
    return Bars.read(path)


def test_on_real_bars_every_row_after_the_warm_up_is_finite(real):
    table = PLAN.compute(real)
    assert table.ready[PLAN.warmup_bars :].all()
    assert np.isnan(table.values[0]).any()


def test_the_laws_hold_on_real_bars(real):
    bars = real.slice(0, 60_000)
    whole = PLAN.compute(bars).values
    check_prefix(bars, 41_234)
    np.testing.assert_array_equal(in_chunks(bars, [1, 2, 130, 20_000, 20_001, 43_210]), whole)
    np.testing.assert_array_equal(PLAN.compute(altered(bars, 33_333, 5)).values[:33_333], whole[:33_333])
    check_alignment(bars, "log_return_1@5m")
    check_alignment(bars, "log_return_1@15m")


def test_pushing_real_bars_one_by_one_equals_the_history(real):
    bars = real.slice(0, 6_000)
    stream = FeatureStream(PLAN)
    rows = np.array([stream.push(bars.bar(i)) for i in range(len(bars))])
    np.testing.assert_array_equal(rows, PLAN.compute(bars).values)


def test_indicators_equal_talib_on_real_bars(real):
    """All but Bollinger, whose variance TA-Lib takes as a difference of large squares; and where the range had a width."""
    ranges = real.high, real.low, real.close
    slow = stochastic(*ranges)
    pairs = [
        (ema(real.close, 26), talib.EMA(real.close, 26)),
        (rsi(real.close, 14), talib.RSI(real.close, 14)),
        (atr(*ranges, 14), talib.ATR(*ranges, 14)),
        (obv(real.close, real.volume), talib.OBV(real.close, real.volume)),
        *zip(macd(real.close), talib.MACD(real.close), strict=True),
        *zip(adx(*ranges, 14), (talib.PLUS_DI(*ranges, 14), talib.MINUS_DI(*ranges, 14), talib.ADX(*ranges, 14)), strict=True),
        *zip(slow, talib.STOCH(*ranges, 14, 3, 0, 3, 0), strict=True),
    ]
    for ours, theirs in pairs:
        both = np.isfinite(ours) & np.isfinite(theirs)
        assert both.mean() > 0.99
        np.testing.assert_allclose(ours[both], theirs[both], rtol=1e-9, atol=1e-9)
