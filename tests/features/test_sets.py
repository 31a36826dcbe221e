"""The sets: their families and counts, the names that their users know, and that each builds on any base bars."""

from collections import Counter

import numpy as np
import pytest

from barmill.features import FEATURES, FeaturePlan, FeatureStream, read_set, set_names
from barmill.features.columns import COLUMNS
from barmill.market import Bars, Instrument, Timeframe

MINUTE = Timeframe(1)
LADDER = ("1m", "5m", "10m", "15m", "20m", "25m", "30m", "45m", "1h")
SOURCES = tuple(name for name, column in COLUMNS.items() if not column.calendar)


def columns(name, base=MINUTE, sources=()):
    chosen = read_set(name)
    return chosen.columns(base, chosen.timeframes(base), sources)


def per_group(name):
    """Group's title -> the names of its columns on one-minute bars."""
    chosen = read_set(name)
    return {
        group.title: tuple(chosen.model_copy(update={"groups": (group,)}).columns(MINUTE, chosen.timeframes(MINUTE), ()))
        for group in chosen.groups
    }


def on(names, timeframes):
    return {f"{name}_{timeframe}" for name in names for timeframe in timeframes}


# ---- charter


def test_charter_has_the_counts_of_its_families():
    counts = {title: len(names) for title, names in per_group("charter").items()}
    assert counts == {
        "momentum": 4 * 9,
        "volatility": 4 * 9,
        "volume": 4 * 9,
        "microstructure": 12,
        "regimes": 5 * 3,
        "interactions": 30,
        "wavelets": 20,
        "statistics": 4 * 5,
    }
    assert len(columns("charter")) == sum(counts.values()) == 205


def test_charter_has_the_names_of_its_list():
    groups = {title: set(names) for title, names in per_group("charter").items()}
    assert groups["momentum"] == on(("rsi", "macd", "stoch", "adx"), LADDER)
    assert groups["volatility"] == on(("atr", "parkinson", "garman_klass", "bb_width"), LADDER)
    assert groups["volume"] == on(("vwap", "obv", "volume_ratio", "volume_ma"), LADDER)
    listed = {"bid_ask_spread", "order_flow_imbalance", "tick_direction", "trade_intensity", "price_impact", "effective_spread"}
    assert groups["microstructure"] > listed
    assert groups["regimes"] > on(("volatility_regime", "trend_regime", "composite_regime"), ("1m", "15m", "1h"))
    assert groups["interactions"] > {"rsi_1m_x_vol_regime", "macd_5m_x_trend_regime"}
    prices = ("open", "high", "low", "close", "volume")
    assert groups["wavelets"] == {f"wavelet_{level}_{price}" for level in ("D1", "D2", "D3", "A3") for price in prices}
    assert groups["statistics"] == on(("mean", "std", "skew", "kurtosis"), ("1m", "5m", "15m", "30m", "1h"))


def test_charter_stands_on_the_nine_timeframes_of_its_ladder():
    timeframes = Counter(str(feature.timeframe or MINUTE) for feature in columns("charter").values())
    assert set(timeframes) == set(LADDER)
    assert all(
        name.endswith(f"_{feature.timeframe}") for name, feature in columns("charter").items() if "_x_" not in name and feature.timeframe
    )


def test_charter_needs_nothing_but_open_high_low_close_and_volume():
    for feature in columns("charter", sources=SOURCES).values():
        assert feature.further_inputs == ()


def test_charter_does_not_depend_on_the_price_level():
    assert {feature.scale for feature in columns("charter").values()} == {"free"}


def test_charter_says_205_different_things_and_live_says_the_same(make_bars):
    plan = FeaturePlan.build(set="charter")
    bars = make_bars(8_000, seed=5)
    values = plan.compute(bars).values
    warm = values[plan.warmup_bars :]
    assert np.isfinite(warm).all()
    assert not np.isfinite(values[: plan.warmup_bars]).all(axis=1).any()
    assert (warm.max(axis=0) > warm.min(axis=0)).all()
    alike = np.corrcoef(warm, rowvar=False) - np.eye(len(plan.names))
    assert not {(plan.names[i], plan.names[j]) for i, j in np.argwhere(np.abs(alike) > 0.99999)}
    stream = FeatureStream(plan)
    parts = [stream.extend(bars.slice(0, 7_950)).values, *(stream.push(bars.bar(i))[None] for i in range(7_950, 8_000))]
    np.testing.assert_array_equal(np.vstack(parts), values)


# ---- the other sets


def test_orpflow_has_its_eight_categories_and_44_columns_under_their_names():
    groups = per_group("orpflow")
    assert [len(names) for names in groups.values()] == [4, 5, 8, 6, 4, 4, 5, 8]
    assert len(columns("orpflow")) == 44
    known = {
        "returns": ("return_1", "return_5", "return_15", "return_60"),
        "volatility": ("realized_vol_20", "realized_vol_60", "parkinson_vol"),
        "momentum": ("rsi_14", "rsi_28", "macd", "macd_signal", "macd_hist"),
        "moving averages": ("sma_20", "sma_50", "ema_12", "ema_26"),
        "Bollinger bands": ("bb_upper", "bb_middle", "bb_lower", "bb_width"),
        "ATR and ADX": ("atr_14", "adx_14", "plus_di", "minus_di"),
        "volume": ("volume_sma_20", "volume_ratio", "obv"),
        "microstructure": ("vpin", "kyle_lambda", "roll_spread", "amihud"),
    }
    assert list(groups) == list(known)
    for title, names in known.items():
        assert set(names) <= set(groups[title])


def test_orpflow_takes_order_flow_from_taker_volume_where_there_is_any():
    """And from bulk classification elsewhere, which needs nothing further."""
    estimated, seen = columns("orpflow"), columns("orpflow", sources=("taker_buy_base",))
    moved = {name for name in estimated if estimated[name] != seen[name]}
    assert moved == {"vpin", "kyle_lambda", "order_flow_imbalance"}
    assert all("taker_buy_base" in seen[name].sources for name in moved)
    assert not any(feature.sources for feature in estimated.values())
    with_trades = columns("orpflow", sources=("trades",))
    assert {name for name in estimated if estimated[name] != with_trades[name]} == {"trade_intensity"}


def test_aria_has_its_seven_columns_first_then_regimes_and_sessions():
    groups = per_group("aria")
    assert groups["features"] == ("r", "abs_r", "ewma_sig", "atr14", "rsi", "bb_pos", "mom5")
    assert {"volatility_regime", "trend_regime"} <= set(groups["regimes"])
    assert {"asia", "london", "new_york"} <= set(groups["sessions"])
    assert not any(feature.sources for feature in columns("aria").values())


def test_sequence_has_the_25_of_its_list():
    wavelets = [f"wavelet_{level}_{price}" for price in ("open", "high", "low", "close") for level in ("D1", "D2", "D3", "A4")]
    bar = ["open", "high", "low", "close", "volume"]
    assert list(columns("sequence")) == [*bar, "log_returns", "realized_vol", *wavelets, "volume_ma_20", "volume_std_20"]
    assert len(columns("sequence")) == 25


def test_transformer_has_the_bar_and_the_state_of_the_market(make_bars):
    names = ["open", "high", "low", "close", "volume", "volatility_regime_embedding", "trend_regime_embedding"]
    assert list(columns("transformer")) == names
    values = FeaturePlan.build(set="transformer", needs=()).compute(make_bars(500)).values[100:, 5:]
    assert set(np.unique(values)) == {-1.0, 0.0, 1.0}


def test_foundation_has_each_price_normalised_over_512_bars(bars):
    table = FeaturePlan.build(set="foundation", needs=()).compute(bars)
    assert table.names == ("open", "high", "low", "close")
    for name in table.names:
        last = getattr(bars, name)[-512:]
        assert table.column(name)[-1] == pytest.approx((last[-1] - last.mean()) / last.std(), rel=1e-9)


# ---- real bars

REAL = {
    "FILUSDT": "crypto/FILUSDT_um_1m_2024-02.parquet",
    "ES": "futures/ES_1m_2025-07_2025-10.parquet",
    "EURUSD": "fx/EURUSD_1m_2018.parquet",
}


@pytest.fixture(scope="module", params=REAL)
def real_bars(request, real_data):
    path = real_data / REAL[request.param]
    if not path.exists():
        pytest.skip(f"no {path.name} in {real_data}: set BARMILL_DATA")
    bars = Bars.read(path, instrument=Instrument.builtin(request.param))
    return bars.slice(0, 12_000)


@pytest.mark.parametrize("name", ["charter", "orpflow", "aria", "sequence", "transformer", "foundation"])
def test_on_real_bars_every_value_after_the_warm_up_is_finite(name, real_bars):
    """Crypto without gaps and with taker volume, futures with a daily break, forex without volume."""
    plan = FeaturePlan.build(real_bars.timeframe, set=name, sources=real_bars.frame.columns)
    warm = plan.compute(real_bars).values[plan.warmup_bars :]
    assert np.isfinite(warm).all()
    if real_bars.volume.any():
        assert (warm.max(axis=0) > warm.min(axis=0)).all()


# ---- all of them


@pytest.mark.parametrize("name", set_names())
def test_each_set_is_named_in_full(name):
    chosen = read_set(name)
    assert chosen.name == name
    assert chosen.summary.endswith(".")
    assert all(group.title for group in chosen.groups)
    assert len({group.title for group in chosen.groups}) == len(chosen.groups)


@pytest.mark.parametrize("base", [1, 5, 15])
@pytest.mark.parametrize("name", set_names())
def test_each_set_builds_on_other_bars_and_has_no_column_twice(name, base):
    chosen, bottom = read_set(name), Timeframe(base)
    named = columns(name, bottom, SOURCES)
    listed = [
        one
        for group in chosen.groups
        for timeframe in chosen.timeframes(bottom)
        if group.on(timeframe.minutes // base)
        for one in group.features
    ]
    assert len(named) == len(listed)
    assert len(set(named.values())) == len(named)
    FeaturePlan.build(bottom, set=name, sources=SOURCES)


@pytest.mark.parametrize("name", set_names())
def test_no_set_has_a_column_that_remembers_where_its_history_began(name):
    """A stream that starts later would give a model other values than it was trained on."""
    used = {one.spec.name for feature in columns(name, sources=SOURCES).values() for one in (feature, *feature.arguments)}
    assert "obv" in FEATURES
    assert "obv" not in used
