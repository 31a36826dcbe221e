"""Spreads, order flow and price impact: by hand, against slow versions, on markets whose spread is known, on real bars."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import InputError, ShapeError
from barmill.features import (
    FEATURES,
    FeaturePlan,
    amihud,
    bulk_volume_classification,
    corwin_schultz_spread,
    kyle_lambda,
    parse_feature,
    roll_spread,
    tick_rule,
    usual_feature,
    vpin,
)
from barmill.features.kernels.lanes import TILE
from barmill.market import Bars, Instrument, Timeframe
from oracles import microstructure as slow
from oracles.slow import per_window

MINUTE = Timeframe.parse("1m")
NAMES = [name for name, spec in FEATURES.items() if spec.family == "microstructure"]
TAKERS = ["taker_buy_base", "trades"]

windows = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 12])
ticks = st.lists(st.integers(-2, 2), min_size=1, max_size=40).map(lambda moves: 10.0 + 0.25 * np.cumsum(moves).clip(-30, 30))


def values(bars, *names):
    plan = FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in names))
    return plan.compute(bars).values.T


# definitions, by hand


def test_roll_of_a_close_that_bounces_by_hand():
    # changes 1, -1, 1: pairs (-1, 1) and (1, -1), cov = (-1·1 + 1·-1)/1 = -2
    np.testing.assert_allclose(roll_spread([10.0, 11.0, 10.0, 11.0], 3), [np.nan, np.nan, np.nan, 2.0 * math.sqrt(2.0)])


def test_roll_takes_each_member_about_its_own_mean():
    # changes 2, -1, 3, -2: later -1, 3, -2 (mean 0), earlier 2, -1, 3 (mean 4/3); cov = (-1·2 + 3·-1 - 2·3 - 0)/2
    close = np.cumsum([10.0, 2.0, -1.0, 3.0, -2.0])
    np.testing.assert_allclose(roll_spread(close, 4)[4], 2.0 * math.sqrt(5.5))


def test_roll_of_a_close_that_goes_on_or_stands_still_is_0():
    np.testing.assert_array_equal(roll_spread([1.0, 2.0, 4.0, 7.0, 11.0], 4)[4], 0.0)
    np.testing.assert_array_equal(roll_spread(np.full(6, 0.1 + 0.2), 4)[4:], 0.0)
    np.testing.assert_array_equal(roll_spread(0.25 * np.arange(8), 4)[4:], 0.0)


def test_roll_of_a_covariance_that_is_0_but_for_rounding_is_0():
    close = 10.0 + 0.25 * np.cumsum([0, 0, 0, 0, -1, 0, 1, 1, -1])
    np.testing.assert_array_equal(roll_spread(close, 8)[8], 0.0)


@pytest.mark.parametrize("window", [1, 2])
def test_fewer_than_two_pairs_have_no_covariance(window):
    assert np.isnan(roll_spread([1.0, 2.0, 1.0, 2.0, 1.0], window)).all()


def test_the_tick_rule_keeps_the_side_while_the_price_stands_still():
    np.testing.assert_array_equal(tick_rule([5.0, 5.0, 6.0, 6.0, 4.0, 4.0, 7.0]), [1, 1, 1, 1, -1, -1, 1])
    np.testing.assert_array_equal(tick_rule([5.0, 5.0, 6.0], b0=-1), [-1, -1, 1])


def test_amihud_leaves_out_bars_without_volume():
    close, volume = [10.0, 11.0, 22.0, 11.0, 11.0], [1.0, 2.0, 0.0, 4.0, 0.0]
    expected = [np.nan, np.nan, 0.1 / 22.0, 0.5 / 44.0, 0.5 / 44.0]
    np.testing.assert_allclose(amihud(close, volume, 2), expected)
    assert np.isnan(amihud(close, np.zeros(5), 2)).all()


def test_kyle_by_hand_with_and_without_a_constant():
    # changes 3, 5, 7 = 1 + 2x for x = 1, 2, 3; through the origin Σxy/Σx² = (3 + 10 + 21)/14
    close, signed = [10.0, 13.0, 18.0, 25.0], [99.0, 1.0, 2.0, 3.0]
    np.testing.assert_allclose(kyle_lambda(close, signed, 3, True), [np.nan, np.nan, np.nan, 2.0])
    np.testing.assert_allclose(kyle_lambda(close, signed, 3, False), [np.nan, np.nan, np.nan, 34.0 / 14.0])


@pytest.mark.parametrize("intercept", [True, False])
def test_kyle_of_a_signed_volume_that_does_not_vary_is_nan(intercept):
    found = kyle_lambda([1.0, 2.0, 1.5, 1.0, 3.0], [0.0, 0.1 + 0.2, 0.1 + 0.2, 0.1 + 0.2, 7.0], 3, intercept)
    assert np.isnan(found[:4]).all()
    assert np.isfinite(found[4])


def test_bulk_classification_by_hand():
    found = bulk_volume_classification([10.0, 11.0, 11.0, 9.0], [np.nan, 1.0, 1.0, 2.0])
    np.testing.assert_allclose(found, [0.5, 0.8413447460685429, 0.5, 0.15865525393145707])
    np.testing.assert_array_equal(bulk_volume_classification([10.0, 11.0, 11.0, 10.0], 0.0), [0.5, 1.0, np.nan, 0.0])


def test_corwin_schultz_by_hand():
    # both bars from 100 to 101, so β = 2 ln(1.01)², γ = ln(1.01)²: α = ln 1.01·(2 - √2)/(3 - 2√2) - ln 1.01/√(3 - 2√2) = ln 1.01
    np.testing.assert_allclose(corwin_schultz_spread([101.0, 101.0], [100.0, 100.0], 1), [np.nan, 2.0 * 0.01 / 2.01])
    np.testing.assert_array_equal(corwin_schultz_spread([101.0, 111.0], [100.0, 110.0], 1), [np.nan, 0.0])  # a jump is no spread


def test_vpin_by_hand():
    """6 with two thirds bought, 10 with a half, 4 sold: both buckets of 8 end with bar 1, and 4 are left over."""
    found = vpin([6.0, 10.0, 4.0], [4.0, 5.0, 0.0], 8.0, 2)
    np.testing.assert_array_equal(found.bucket_bar, [1, 1])
    np.testing.assert_allclose(found.imbalance, [2.0, 0.0])
    np.testing.assert_allclose(found.vpin, [np.nan, 2.0 / 16.0])


def test_one_bar_completes_several_buckets_with_one_share():
    found = vpin([1.0, 10.0, 1.0], [1.0, 2.5, 0.0], 3.0, 2)
    np.testing.assert_array_equal(found.bucket_bar, [1, 1, 1, 2])
    np.testing.assert_allclose(found.imbalance, [0.0, 1.5, 1.5, 2.0])  # 1 - 0.5·2; twice -0.5·3; -0.5·2 - 1
    np.testing.assert_allclose(found.vpin, [np.nan, 1.5 / 6.0, 3.0 / 6.0, 3.5 / 6.0])


def test_an_unfinished_bucket_and_no_bars_count_for_nothing():
    assert [len(part) for part in vpin([1.0, 1.0], [1.0, 0.0], 2.5, 1)] == [0, 0, 0]
    assert [len(part) for part in vpin([], [], 2.5, 1)] == [0, 0, 0]


def test_ten_bars_of_a_tenth_fill_a_bucket_of_one():
    found = vpin(np.full(1_000, 0.1), np.zeros(1_000), 1.0, 1)
    np.testing.assert_array_equal(found.bucket_bar, np.arange(9, 1_000, 10))
    np.testing.assert_allclose(found.vpin, 1.0)


# against slow versions


@given(close=ticks, window=windows, seed=st.integers(0, 99))
def test_spreads_and_impacts_equal_the_slow_versions(close, window, seed):
    rng = np.random.default_rng(seed)
    volume, signed = rng.integers(0, 3, len(close)).astype(float), rng.integers(-2, 3, len(close)).astype(float)
    reach = 0.25 * rng.integers(0, 3, (2, len(close)))
    high, low, changes = close + reach[0], close - reach[1], np.diff(close, prepend=np.nan)

    def amihud_of(change, last, volume, close):
        traded = volume > 0.0
        return np.mean(np.abs(change / last)[traded] / (close * volume)[traded]) if traded.any() else np.nan

    def kyle_of(x, y):
        return np.polyfit(x, y, 1)[0] if max(x) > min(x) else np.nan

    def through_origin(x, y):
        return x @ y / (x @ x) if max(x) > min(x) else np.nan

    def shifted(function, n, *columns):  # of changes: the first is undefined
        return np.concatenate([[np.nan], per_window(function, n, *(column[1:] for column in columns))])

    near = {"rtol": 1e-9, "atol": 1e-12}
    if window > 2:
        # squared: the root of a covariance that is 0 but for rounding is not as near
        np.testing.assert_allclose(roll_spread(close, window) ** 2, shifted(slow.roll, window, changes) ** 2, **near)
    last = np.concatenate([[np.nan], close[:-1]])
    np.testing.assert_allclose(amihud(close, volume, window), shifted(amihud_of, window, changes, last, volume, close), **near)
    np.testing.assert_allclose(kyle_lambda(close, signed, window), shifted(kyle_of, window, signed, changes), **near)
    np.testing.assert_allclose(kyle_lambda(close, signed, window, False), shifted(through_origin, window, signed, changes), **near)
    found = corwin_schultz_spread(high, low, window)
    np.testing.assert_allclose(found, per_window(slow.corwin_schultz, window + 1, high, low), **near)


@pytest.mark.parametrize("window", [1, 63, 64, TILE - 1, TILE, TILE + 1, 2 * TILE + 3, 1_200])
def test_windows_shorter_and_longer_than_a_tile(window):
    rng = np.random.default_rng(3)
    close, volume = 50.0 + np.cumsum(rng.normal(0.0, 0.01, 1_500)), rng.lognormal(0.0, 1.0, 1_500)
    ratio = np.abs(np.diff(close) / close[:-1]) / (close * volume)[1:]
    expected = np.convolve(ratio, np.full(window, 1.0 / window), mode="valid")
    found = amihud(close, volume, window)
    assert np.isnan(found[:window]).all()
    np.testing.assert_allclose(found[window:], expected, rtol=1e-9)
    signed, changes = rng.normal(0.0, 1.0, 1_500), np.diff(close)
    if window > 2:
        t = 1_499
        x, y = signed[t - window + 1 : t + 1], changes[t - window : t]
        np.testing.assert_allclose(kyle_lambda(close, signed, window)[t], np.polyfit(x, y, 1)[0], rtol=1e-9)


@given(
    bars=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=30),
    size=st.integers(1, 25),
    n_buckets=st.integers(1, 5),
)
def test_buckets_hold_what_was_traded_and_no_more(bars, size, n_buckets):
    """Against exact fractions; as many buckets as the volume fills."""
    volume = np.array([v for v, _ in bars], dtype=np.float64)
    bought = volume * np.array([eighths for _, eighths in bars], dtype=np.float64) / 8.0
    found = vpin(volume, bought, float(size), n_buckets)
    expected = slow.pour(volume.tolist(), (2.0 * bought - volume).tolist(), size, 10_000)
    assert len(found.bucket_bar) == volume.sum() // size
    np.testing.assert_array_equal(found.bucket_bar, [bar for bar, _ in expected])
    np.testing.assert_allclose(found.imbalance, [float(imbalance) for _, imbalance in expected], atol=1e-9)
    if len(expected) >= n_buckets:
        sums = np.convolve(found.imbalance, np.ones(n_buckets), mode="valid")
        np.testing.assert_allclose(found.vpin[n_buckets - 1 :], sums / (n_buckets * size), atol=1e-12)
    assert np.isnan(found.vpin[: n_buckets - 1]).all()
    all_bought = vpin(volume, volume, float(size), 1)
    np.testing.assert_allclose(all_bought.imbalance, size)


@given(st.lists(st.tuples(st.floats(0.01, 40.0), st.floats(0.0, 1.0)), min_size=1, max_size=30), st.floats(0.5, 20.0), st.integers(2, 5))
def test_a_bar_in_equal_parts_fills_the_same_buckets(bars, size, parts):
    """Pro rata: the parts of a bar have its share bought."""
    volume, share = np.array(bars).T
    whole = vpin(volume, volume * share, size, 1)
    split = vpin(np.repeat(volume / parts, parts), np.repeat(volume * share / parts, parts), size, 1)
    n = min(len(whole.imbalance), len(split.imbalance))
    assert abs(len(whole.imbalance) - len(split.imbalance)) <= 1  # a last bucket that is full but for rounding
    np.testing.assert_allclose(split.imbalance[:n], whole.imbalance[:n], atol=1e-7)
    later = vpin(np.append(volume, 3.0), np.append(volume * share, 1.0), size, 1)
    np.testing.assert_array_equal(later.imbalance[: len(whole.imbalance)], whole.imbalance)


# the features


def with_columns(bars, seed=0):
    rng = np.random.default_rng(seed)
    base = {name: getattr(bars, name) for name in ("open_time", "open", "high", "low", "close", "volume")}
    bought = bars.volume * rng.beta(4.0, 4.0, len(bars))
    return Bars.from_columns(bars.instrument, bars.timeframe, **base, taker_buy_base=bought, trades=rng.poisson(9.0, len(bars)))


@pytest.mark.parametrize("seed", [1, 2])
def test_vpin_is_that_of_definitions_on_the_bars_of_its_window(make_bars, seed):
    """With a bucket of one tenth of their volume, at the bars with whose close five minutes of the clock end."""
    bars = with_columns(make_bars(400, seed))
    (found,) = values(bars, "taker_vpin_5_10")
    for t in np.flatnonzero(bars.close_time % 300_000 == 0):
        if t < 53:
            continue
        window = slice(t - 49, t + 1)
        volume = bars.volume[window]
        whole = vpin(volume, bars.column("taker_buy_base")[window], volume.sum() / 10.0, 10)
        assert whole.bucket_bar[-1] == np.flatnonzero(volume)[-1]
        np.testing.assert_allclose(found[t : t + 5], whole.vpin[-1], rtol=1e-9)


@pytest.mark.parametrize("name", ["vpin_3_5", "taker_vpin_3_5", "trade_intensity_7", "volume_intensity_7"])
def test_over_gaps_they_equal_the_slow_versions(make_bars, name):
    bars = with_columns(make_bars(900, seed=4, gaps=True))
    feature = parse_feature(name, MINUTE)
    (found,) = values(bars, name)
    first = feature.warmup_bars(MINUTE)
    np.testing.assert_allclose(found[first:], slow.ORACLES[feature.spec.name](bars, feature.params)[first:], rtol=1e-9, atol=1e-12)


def test_without_gaps_the_intensity_of_volume_is_its_ratio_to_the_mean(bars):
    intensity, ratio = values(bars, "volume_intensity_20", "volume_ratio_20")
    np.testing.assert_allclose(intensity[20:], ratio[20:], rtol=1e-12)


def test_both_forms_of_a_feature_differ_by_the_level_alone(bars):
    share, price = values(bars, "roll_spread_20", "roll_spread_price_20")
    np.testing.assert_allclose(share, price / bars.close, rtol=1e-12)
    np.testing.assert_allclose(price[20:], roll_spread(bars.close, 20)[20:], rtol=1e-12)
    (money,) = values(bars, "amihud_money_20")
    np.testing.assert_allclose(money[20:], amihud(bars.close, bars.volume, 20)[20:], rtol=1e-12)


NEUTRAL = {"trade_intensity": 1.0, "volume_intensity": 1.0, "trade_size": 1.0, "zero_return_share": 1.0}


@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_moves_and_nothing_is_traded_it_takes_the_value_that_its_formula_says(name):
    n = 1_400
    still, none = np.full(n, 0.1 + 0.2), np.zeros(n)
    time = 1_704_067_200_000 + 60_000 * np.arange(n)
    further = dict.fromkeys(TAKERS, none)
    bars = Bars.from_columns(Instrument.builtin("FILUSDT"), MINUTE, time, still, still, still, still, none, **further)
    feature = usual_feature(FEATURES[name])
    (found,) = values(bars, feature.name)
    np.testing.assert_array_equal(found[feature.warmup_bars(MINUTE) :], NEUTRAL.get(name, 0.0))


def market_with_spread(spread, n_bars=20_000, trades=60, sigma=1e-3, seed=5):
    """Bars of trades that hit bid or offer, `spread` apart in share, around a random walk."""
    rng = np.random.default_rng(seed)
    middle = np.cumsum(rng.normal(0.0, sigma / math.sqrt(trades), n_bars * trades))
    price = 100.0 * np.exp(middle + 0.5 * spread * rng.choice([-1.0, 1.0], n_bars * trades)).reshape(n_bars, trades)
    time = 1_704_067_200_000 + 60_000 * np.arange(n_bars)
    edges = price[:, 0], price.max(axis=1), price.min(axis=1), price[:, -1]
    return Bars.from_columns(Instrument.builtin("FILUSDT"), MINUTE, time, *edges, np.ones(n_bars))


@pytest.mark.parametrize("spread", [0.002, 0.005])
def test_the_spread_of_a_market_is_found_from_its_bars(spread):
    names = ("roll_spread_2000", "effective_spread_2000", "corwin_schultz_spread_2000", "realised_spread_2000")
    roll, effective, corwin_schultz, realised = values(market_with_spread(spread), *names)
    np.testing.assert_allclose(roll[-1], spread, rtol=0.1)
    np.testing.assert_allclose(effective[-1], spread, rtol=0.1)
    # one pair's γ against the mean β: noisy and cut at 0, so only its size is claimed
    assert 0.3 * spread < np.mean(corwin_schultz[2_000:]) < 2.0 * spread
    assert 0.0 < realised[-1] < spread


# real bars


@pytest.mark.parametrize("file", ["FILUSDT_um_1m_2023-08_2023-11", "ALGOUSDT_um_1m_2024-02", "RENDERUSDT_um_5m_2024-07_2025-07"])
def test_on_real_bars_they_are_finite_once_warm(real_data, file):
    bars = Bars.read(real_data / f"crypto/{file}.parquet").slice(0, 40_000)
    features = [usual_feature(FEATURES[name]) for name in NAMES]
    features = [feature for feature in features if set(feature.sources) <= set(bars.frame.columns)]
    assert len(features) >= 12
    plan = FeaturePlan(bars.timeframe, tuple(features))
    table = plan.compute(bars).values
    for feature, column in zip(features, table.T, strict=True):
        warm = feature.warmup_bars(bars.timeframe)
        assert np.isfinite(column[warm:]).all(), feature.name
        assert np.ptp(column[warm:]) > 0.0, feature.name
        if feature.spec.unit.startswith("0 to 1"):
            assert column[warm:].min() >= 0.0, feature.name
            assert column[warm:].max() <= 1.0 + 1e-9, feature.name


@pytest.mark.parametrize("symbol", ["FILUSDT_um_1m_2024-02", "LTCUSDT_um_1m_2026-02", "NEARUSDT_um_1m_2023-08_2023-10"])
def test_what_takers_did_and_what_the_change_of_the_close_tells_agree(real_data, symbol):
    bars = Bars.read(real_data / f"crypto/{symbol}.parquet").slice(0, 40_000)
    names = ("bulk_imbalance_60", "taker_imbalance_60", "kyle_lambda_100", "taker_kyle_lambda_100", "tick_imbalance_60")
    bulk, taker, kyle, taker_kyle, tick = values(bars, *names)[:, 300:]
    assert np.mean(np.sign(bulk) == np.sign(taker)) > 0.55
    assert np.corrcoef(bulk, taker)[0, 1] > 0.3
    assert np.corrcoef(tick, taker)[0, 1] > 0.2
    assert np.mean(kyle > 0.0) > 0.95  # buying moves the price up
    assert np.mean(taker_kyle > 0.0) > 0.95


@pytest.mark.parametrize(("symbol", "tick"), [("NEARUSDT_um_1m_2023-08_2023-10", 0.001), ("ALGOUSDT_um_1m_2026-02", 0.0001)])
def test_where_the_tick_is_coarse_the_spread_is_about_a_tick(real_data, symbol, tick):
    bars = Bars.read(real_data / f"crypto/{symbol}.parquet").slice(0, 40_000)
    names = ("roll_spread_100", "effective_spread_60", "zero_return_spread_60", "corwin_schultz_spread_60")
    for spread in values(bars, *names)[:, 300:]:
        assert 0.6 < np.median(spread * bars.close[300:]) / tick < 1.6


# what is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: amihud([1.0, 2.0], [1.0, -1.0], 1), r"amihud: row 1: volume is -1\.0; expected 0 or more\."),
        (lambda: amihud([1.0, 0.0], [1.0, 1.0], 1), r"amihud: row 1: close is 0\.0; expected a price above 0\."),
        (lambda: roll_spread([1.0], 0), r"roll_spread: window: is 0; expected a whole number of bars, 1 or more\."),
        (lambda: kyle_lambda([1.0], [1.0], True), r"kyle_lambda: window: is True"),
        (lambda: corwin_schultz_spread([1.0], [2.0], 1), r"corwin_schultz_spread: row 0: low 2\.0 is above high 1\.0"),
        (lambda: corwin_schultz_spread([1.0], [0.0], 1), r"corwin_schultz_spread: row 0: low is 0\.0; expected a price above 0\."),
        (lambda: bulk_volume_classification([1.0, 2.0], [1.0, -1.0]), r"bulk_volume_classification: row 1: sigma is -1\.0"),
        (lambda: vpin([1.0, np.nan], [0.0, 0.0], 1.0, 1), r"vpin: row 1: volume is nan; expected 0 or more\."),
        (lambda: vpin([1.0], [-1.0], 1.0, 1), r"vpin: row 0: buy_volume is -1\.0; expected 0 or more\."),
        (lambda: vpin([1.0], [1.5], 1.0, 1), r"vpin: row 0: buy_volume 1\.5 is above volume 1\.0"),
        (lambda: vpin([1.0], [1.0], 0.0, 1), r"vpin: bucket_volume: is 0\.0; expected a number above 0"),
        (lambda: vpin([1.0], [1.0], math.nan, 1), r"vpin: bucket_volume: is nan"),
        (lambda: vpin([1.0], [1.0], 1e-300, 1), r"vpin: bucket_volume: is 1e-300; expected a number above 0, and at least 1e-08"),
        (lambda: vpin([1.0], [1.0], 1.0, 0), r"vpin: n_buckets: is 0; expected a whole number"),
    ],
)
def test_bad_input_is_refused_with_place_and_range(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ShapeError, match=r"kyle_lambda: signed_volume: has 1 bars; expected 2 as in close\."):
        kyle_lambda([1.0, 2.0], [1.0], 1)
    with pytest.raises(ShapeError, match=r"bulk_volume_classification: sigma: has 1 bars"):
        bulk_volume_classification([1.0, 2.0], [1.0])


def test_the_input_is_not_changed_and_may_be_read_only(bars):
    volume = bars.volume.copy()
    volume.setflags(write=False)
    vpin(volume, 0.5 * volume, 100.0, 3)
    amihud(bars.close, volume, 5)
    np.testing.assert_array_equal(volume, bars.volume)
