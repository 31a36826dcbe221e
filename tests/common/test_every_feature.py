"""Every feature of the catalogue, with no exceptions: the same laws, and a slow obvious version beside it.

A feature without an entry in ORACLES fails here, so a new one is complete only with its oracle.
"""

import math

import numpy as np
import pytest
import talib
from numpy.lib.stride_tricks import sliding_window_view

from barmill.features import FEATURES, Feature, FeaturePlan, FeatureStream, parse_feature
from barmill.market import Bars, Instrument, Timeframe

MINUTE = Timeframe.parse("1m")
FIVE = Timeframe.parse("5m")
START_MS = 1_704_067_200_000  # a Monday, 00:00 UTC


def make(close, *, reach=0.0, volume=None, steps=None) -> Bars:
    close = np.asarray(close, dtype=np.float64)
    open_ = np.concatenate([close[:1], close[:-1]])
    volume = np.full(len(close), 5.0) if volume is None else volume
    steps = np.ones(len(close), dtype=np.int64) if steps is None else steps
    open_time = START_MS + (np.cumsum(steps) - steps[0]) * MINUTE.ms
    high, low = np.maximum(open_, close) + reach, np.minimum(open_, close) - reach
    return Bars.from_columns(Instrument.builtin("FILUSDT"), MINUTE, open_time, open_, high, low, close, volume)


def walk(n_bars=1_500, seed=0, *, gaps=False) -> Bars:
    rng = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(rng.standard_t(4, n_bars) * 1e-3))
    steps = np.where(rng.random(n_bars) < 0.1, rng.integers(2, 90, n_bars), 1) if gaps else None
    return make(close, reach=rng.exponential(0.02, n_bars), volume=rng.lognormal(2.0, 1.0, n_bars), steps=steps)


def chosen() -> list[Feature]:
    """Each feature with its usual parameters on the base bars and on five minutes."""
    features = [Feature(spec, spec.usual) for spec in FEATURES.values()]
    return features + [Feature(feature.spec, feature.params, FIVE) for feature in features if not feature.spec.base_only]


def plan_of(feature: Feature) -> FeaturePlan:
    return FeaturePlan(MINUTE, (feature,))


def values_of(feature: Feature, bars: Bars) -> np.ndarray:
    return plan_of(feature).compute(bars).values[:, 0]


every_feature = pytest.mark.parametrize("feature", chosen(), ids=lambda feature: feature.name)


# ---- the slow obvious versions, by feature: from the bars' columns and the parameters to a value per bar


def per_window(function, n, *columns):
    """`function` of the last n values of each column; NaN before."""
    out = np.full(len(columns[0]), np.nan)
    for t in range(n - 1, len(out)):
        out[t] = function(*(column[t - n + 1 : t + 1] for column in columns))
    return out


def returns(b):
    return np.diff(np.log(b.close), prepend=np.nan)


def of_returns(function):
    return lambda b, p: per_window(function, p.window, returns(b))


def standardised_moment(order):
    return lambda r: np.mean((r - r.mean()) ** order) / np.mean((r - r.mean()) ** 2) ** (order / 2)


def bands(b, p):
    upper, middle, lower = talib.BBANDS(b.close, p.window, p.width, p.width)
    return upper, middle, lower


def obv_zscore(b, p):
    balance = talib.OBV(b.close, b.volume)
    return per_window(lambda x: (x[-1] - x.mean()) / x.std(), p.window, balance)


def vwap_distance(b, p):
    typical = (b.high + b.low + b.close) / 3
    return per_window(lambda c, x, v: c[-1] / np.average(x, weights=v) - 1, p.window, b.close, typical, b.volume)


def of_day(function):
    return lambda b, p: np.array([function(math.tau * (t % 86_400_000) / 86_400_000) for t in b.close_time.tolist()])


def of_week(function):
    week, monday = 7 * 86_400_000, START_MS
    return lambda b, p: np.array([function(math.tau * ((t - monday) % week) / week) for t in b.close_time.tolist()])


ORACLES = {
    "log_return": lambda b, p: np.concatenate([np.full(p.lag, np.nan), np.log(b.close[p.lag :] / b.close[: -p.lag])]),
    "rsi": lambda b, p: talib.RSI(b.close, p.window),
    "macd": lambda b, p: talib.MACD(b.close, p.fast, p.slow, p.signal)[0] / b.close,
    "macd_signal": lambda b, p: talib.MACD(b.close, p.fast, p.slow, p.signal)[1] / b.close,
    "macd_hist": lambda b, p: talib.MACD(b.close, p.fast, p.slow, p.signal)[2] / b.close,
    "plus_di": lambda b, p: talib.PLUS_DI(b.high, b.low, b.close, p.window),
    "minus_di": lambda b, p: talib.MINUS_DI(b.high, b.low, b.close, p.window),
    "adx": lambda b, p: talib.ADX(b.high, b.low, b.close, p.window),
    "stochastic_k": lambda b, p: per_window(
        np.mean,
        p.smooth,
        100
        * (b.close - per_window(np.min, p.window, b.low))
        / (per_window(np.max, p.window, b.high) - per_window(np.min, p.window, b.low)),
    ),
    "stochastic_d": lambda b, p: talib.STOCH(b.high, b.low, b.close, p.window, p.smooth, 0, p.slow, 0)[1],
    "ema_distance": lambda b, p: b.close / talib.EMA(b.close, p.window) - 1,
    "realised_volatility": of_returns(lambda r: math.sqrt(np.mean(r**2))),
    "parkinson_volatility": lambda b, p: per_window(
        lambda h, low: math.sqrt(np.mean(np.log(h / low) ** 2) / (4 * math.log(2))), p.window, b.high, b.low
    ),
    "garman_klass_volatility": lambda b, p: np.sqrt(
        per_window(np.mean, p.window, 0.5 * np.log(b.high / b.low) ** 2 - (2 * math.log(2) - 1) * np.log(b.close / b.open) ** 2)
    ),
    "atr": lambda b, p: talib.ATR(b.high, b.low, b.close, p.window) / b.close,
    "bollinger_width": lambda b, p: (bands(b, p)[0] - bands(b, p)[2]) / bands(b, p)[1],
    "bollinger_position": lambda b, p: (b.close - bands(b, p)[2]) / (bands(b, p)[0] - bands(b, p)[2]),
    "volume_ratio": lambda b, p: per_window(lambda v: v[-1] / v.mean(), p.window, b.volume),
    "obv_zscore": obv_zscore,
    "vwap_distance": vwap_distance,
    "return_mean": of_returns(np.mean),
    "return_std": of_returns(lambda r: np.std(r, ddof=1)),
    "return_skewness": of_returns(standardised_moment(3)),
    "return_kurtosis": of_returns(standardised_moment(4)),
    "time_of_day_sin": of_day(math.sin),
    "time_of_day_cos": of_day(math.cos),
    "time_of_week_sin": of_week(math.sin),
    "time_of_week_cos": of_week(math.cos),
}


@pytest.mark.parametrize("name", FEATURES)
def test_it_equals_the_slow_version(name):
    spec = FEATURES[name]
    bars = walk(400)
    ours, slow = values_of(Feature(spec, spec.usual), bars), ORACLES[name](bars, spec.usual)
    first = spec.lookback(spec.usual)
    assert np.isnan(ours[:first]).all()
    np.testing.assert_allclose(ours[first:], slow[first:], rtol=1e-7, atol=1e-9)


@every_feature
def test_it_is_declared_in_full(feature):
    spec = feature.spec
    assert spec.formula
    assert spec.source
    assert spec.unit
    assert set(spec.inputs) <= {"open_time", "close_time", "open", "high", "low", "close", "volume"}
    assert spec.version >= 1
    assert spec.output in spec.kernel.outputs
    assert parse_feature(feature.name, MINUTE) == feature


@pytest.mark.parametrize("name", FEATURES)
def test_it_reads_the_columns_it_declares_and_no_other(name):
    """The kernel is given NaN in the columns that are not declared; each declared one, when changed, changes the feature."""
    spec, bars = FEATURES[name], walk(400, seed=4)
    columns = {column: getattr(bars, column).astype(np.float64) for column in spec.inputs}
    row = spec.kernel.outputs.index(spec.output)

    def run(**changed):
        return spec.kernel.run(spec.kernel_params(spec.usual), **columns | changed)[row]

    whole = run()
    np.testing.assert_array_equal(whole, values_of(Feature(spec, spec.usual), bars))
    noise = np.exp(np.random.default_rng(9).normal(0.0, 1e-3, len(bars)))
    for column in spec.inputs:
        assert not np.array_equal(run(**{column: columns[column] * noise}), whole, equal_nan=True), column


@every_feature
@pytest.mark.parametrize("gaps", [False, True])
def test_prefix_chunks_restart_and_single_bars_give_the_same_bits(feature, gaps):
    bars, plan = walk(1_100, seed=2, gaps=gaps), plan_of(feature)
    whole = plan.compute(bars).values
    np.testing.assert_array_equal(plan.compute(bars.slice(0, 777)).values, whole[:777])
    stream = FeatureStream(plan)
    parts = [stream.extend(bars.slice(0, 301)).values]
    stream = FeatureStream.restore(plan, stream.state())
    parts += [stream.push(bars.bar(i))[None] for i in range(301, 400)]
    parts += [stream.extend(bars.slice(a, b)).values for a, b in [(400, 401), (401, 640), (640, 1_100)]]
    np.testing.assert_array_equal(np.vstack(parts), whole)


@every_feature
def test_the_declared_warm_up_is_the_true_one(feature):
    values = values_of(feature, walk(1_500, seed=3))
    finite = np.isfinite(values)
    assert int(np.argmax(finite)) == plan_of(feature).warmup_bars
    assert finite[plan_of(feature).warmup_bars :].all()


@every_feature
@pytest.mark.parametrize("offset", [1, 3, 4])
def test_a_start_within_a_bucket_is_never_ready_later(feature, offset):
    bars = walk(1_500, seed=3)
    values = values_of(feature, bars.slice(offset, len(bars)))
    assert np.isfinite(values[plan_of(feature).warmup_bars :]).all()


@every_feature
def test_once_settled_it_does_not_matter_where_the_history_began(feature):
    bars, start = walk(8_000, seed=8), 35
    settled = plan_of(feature).settled_bars
    whole, later = values_of(feature, bars)[start:], values_of(feature, bars.slice(start, len(bars)))
    assert plan_of(feature).warmup_bars <= settled < 6_000
    np.testing.assert_allclose(later[settled:], whole[settled:], rtol=1e-6, atol=1e-9)
    if not feature.spec.fades(feature.params):
        np.testing.assert_array_equal(later[settled:], whole[settled:])


def still_then_limit_moves():
    close = np.full(1_500, 100.0)
    close[700:] = 120.0
    close[703:] = 80.0
    return make(close)


def moving_then_frozen():
    rng = np.random.default_rng(5)
    close = np.concatenate([100.0 + np.cumsum(rng.choice([-0.25, 0.0, 0.25], 500)), np.full(4_000, 100.0)])
    return make(close, reach=np.where(np.arange(4_500) < 500, 0.25, 0.0), volume=np.where(np.arange(4_500) < 500, 3.0, 0.0))


MARKETS = {
    "constant prices": lambda: make(np.full(1_500, 0.1 + 0.2)),
    "constant prices, zero volume": lambda: make(np.full(1_500, 0.1 + 0.2), volume=np.zeros(1_500)),
    "zero volume": lambda: make(walk().close, reach=0.01, volume=np.zeros(1_500)),
    "volume now and then": lambda: make(walk().close, volume=np.where(np.arange(1_500) % 97 == 0, 1.0, 0.0)),
    "one tick up and down": lambda: make(100.0 + 0.25 * (np.arange(1_500) % 2)),
    "always up": lambda: make(100.0 + 0.25 * np.arange(1_500)),
    "limit moves": still_then_limit_moves,
    "frozen after moving": moving_then_frozen,
    "gaps": lambda: walk(1_500, seed=6, gaps=True),
    "tiny prices": lambda: make(walk().close * 1e-9, reach=1e-12),
    "huge volume": lambda: make(walk().close, volume=np.full(1_500, 1e15)),
}


@every_feature
@pytest.mark.parametrize("market", MARKETS)
def test_it_is_finite_after_the_warm_up_on(feature, market):
    values = values_of(feature, MARKETS[market]())
    assert np.isfinite(values[plan_of(feature).warmup_bars :]).all()
    if feature.spec.unit == "0 to 100":
        warm = values[plan_of(feature).warmup_bars :]
        assert warm.min() >= 0.0
        assert warm.max() <= 100.0 * (1.0 + 1e-12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rsi_14", 50.0),
        ("stochastic_k_14_3_3", 50.0),
        ("stochastic_d_14_3_3", 50.0),
        ("bollinger_position_20_2", 0.5),
        ("return_kurtosis_60", 3.0),
        ("volume_ratio_20", 1.0),
        ("log_return_5", 0.0),
        ("adx_14", 0.0),
        ("plus_di_14", 0.0),
        ("obv_zscore_60", 0.0),
        ("vwap_distance_60", 0.0),
        ("realised_volatility_60", 0.0),
        ("return_std_60", 0.0),
        ("return_skewness_60", 0.0),
        ("macd_hist_12_26_9", 0.0),
        ("ema_distance_26", 0.0),
        ("atr_14", 0.0),
    ],
)
def test_where_nothing_moves_and_nothing_is_traded_it_takes_its_neutral_value(name, value):
    bars = make(np.full(200, 64.0), volume=np.zeros(200))
    np.testing.assert_array_equal(values_of(parse_feature(name, MINUTE), bars)[100:], value)


@every_feature
def test_it_is_free_of_the_price_level_as_declared(feature):
    assert feature.spec.price_free
    bars = walk(1_200, seed=7)

    def scaled(factor):
        columns = (bars.open * factor, bars.high * factor, bars.low * factor, bars.close * factor)
        return Bars.from_columns(bars.instrument, bars.timeframe, bars.open_time, *columns, bars.volume)

    whole = values_of(feature, bars)
    np.testing.assert_array_equal(values_of(feature, scaled(2.0**-7)), whole)
    np.testing.assert_array_equal(values_of(feature, scaled(2.0**9)), whole)
    np.testing.assert_allclose(values_of(feature, scaled(10.0)), whole, rtol=1e-6, atol=1e-9)


def test_the_windows_of_the_slow_version_are_those_of_definitions_section_1():
    """Bars t - n + 1 .. t: the bar itself is in, the future is not."""
    x = np.arange(10.0)
    np.testing.assert_array_equal(per_window(np.sum, 3, x)[2:], sliding_window_view(x, 3).sum(axis=1))
