"""Every feature of the catalogue, with no exceptions: the same laws, and a slow obvious version beside it (`oracles/`).

A feature without an oracle fails here, so a new one is complete only with its oracle.
"""

import math
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from barmill.features import FEATURES, Feature, FeaturePlan, FeatureStream, parse_feature, usual_feature
from barmill.features.columns import COLUMNS
from barmill.features.kernels.kernel import BAR_ROWS
from barmill.features.rows import RowReader
from barmill.market import Bars, Instrument, Timeframe
from oracles import ORACLES
from oracles.further import further_columns
from oracles.slow import per_window

MINUTE = Timeframe.parse("1m")
FIVE = Timeframe.parse("5m")
START_MS = 1_704_067_200_000  # a Monday, 00:00 UTC


def make(close, *, reach=0.0, volume=None, steps=None, seed=0) -> Bars:
    """Bars with every further column that a feature may read."""
    close = np.asarray(close, dtype=np.float64)
    open_ = np.concatenate([close[:1], close[:-1]])
    volume = np.full(len(close), 5.0) if volume is None else volume
    steps = np.ones(len(close), dtype=np.int64) if steps is None else steps
    open_time = START_MS + (np.cumsum(steps) - steps[0]) * MINUTE.ms
    base = {"open_time": open_time, "open": open_, "high": np.maximum(open_, close) + reach, "low": np.minimum(open_, close) - reach}
    base |= {"close": close, "volume": np.asarray(volume, dtype=np.float64)}
    return Bars.from_columns(Instrument.builtin("FILUSDT"), MINUTE, **base, **further_columns(seed=seed, **base))


def walk(n_bars=1_500, seed=0, *, gaps=False) -> Bars:
    rng = np.random.default_rng(seed)
    moves = rng.standard_t(4, n_bars) * 1e-3 * (np.arange(n_bars) % 17 > 0)  # a close that stood still now and then
    close = 50.0 * np.exp(np.cumsum(moves))
    steps = np.where(rng.random(n_bars) < 0.1, rng.integers(2, 90, n_bars), 1) if gaps else None
    return make(close, reach=rng.exponential(0.02, n_bars), volume=rng.lognormal(2.0, 1.0, n_bars), steps=steps, seed=seed)


def chosen() -> list[Feature]:
    """Each feature with its usual parameters and arguments, on the base bars and on five minutes."""
    return [usual_feature(spec, on) for spec in FEATURES.values() for on in ((None,) if spec.base_only else (None, FIVE))]


@cache
def plan_of(feature: Feature) -> FeaturePlan:
    plan = FeaturePlan(MINUTE, (feature,))
    return plan.fit(walk(3_000, seed=1), [(0, 1_199), (1_500, 2_999)]) if plan.unfitted else plan


def values_of(feature: Feature, bars: Bars) -> np.ndarray:
    return plan_of(feature).compute(bars).values[:, 0]


def long_enough(feature: Feature, n_bars: int = 1_500) -> int:
    """So many bars, or more for a feature that takes long to warm up."""
    return max(n_bars, plan_of(feature).warmup_bars + 500)


every_feature = pytest.mark.parametrize("feature", chosen(), ids=lambda feature: feature.name)


@pytest.mark.parametrize("name", FEATURES)
def test_it_equals_the_slow_version(name):
    feature = usual_feature(FEATURES[name])
    bars = walk(long_enough(feature, 400))
    args = [values_of(arg, bars) for arg in feature.args]
    fitted = plan_of(feature).fitted.get(feature.name)
    slow = ORACLES[name](bars, feature.params, *args) if fitted is None else ORACLES[name](bars, feature.params, *args, fitted=fitted)
    ours, first = values_of(feature, bars), plan_of(feature).warmup_bars
    assert np.isnan(ours[:first]).all()
    np.testing.assert_allclose(ours[first:], slow[first:], rtol=1e-7, atol=1e-9)


def test_no_oracle_is_left_over():
    assert set(ORACLES) == set(FEATURES)


@every_feature
def test_it_is_declared_in_full(feature):
    spec = feature.spec
    assert spec.formula
    assert spec.source
    assert spec.unit
    assert set(spec.inputs) <= {*BAR_ROWS, *COLUMNS}
    assert spec.inputs or spec.arity[0]
    assert spec.version >= 1
    assert spec.output in spec.kernel.outputs
    assert (spec.scale_of is not None) == (spec.arity[1] > 0)
    assert spec.arity[0] <= len(spec.usual_args) <= spec.arity[1]
    assert parse_feature(feature.name, MINUTE) == feature


@pytest.mark.parametrize("name", FEATURES)
def test_it_reads_the_columns_it_declares_and_no_other(name):
    """The kernel is given NaN in the columns that are not declared; each declared one, when changed, changes the feature."""
    feature = usual_feature(FEATURES[name])
    spec, bars = feature.spec, walk(long_enough(feature), seed=4)  # a whole day: a session's end changes nothing before it
    numbers, columns, args = given_to_kernel(feature, bars)
    row = spec.kernel.outputs.index(spec.output)

    def run(**changed):
        given = columns | changed
        base = {column: values for column, values in given.items() if column in BAR_ROWS}
        further = [given[column] for column in spec.further_inputs]
        return spec.kernel.run(numbers, *further, *args, **base)[row]

    whole = run()
    np.testing.assert_array_equal(whole, values_of(feature, bars))
    noise = np.exp(np.random.default_rng(9).normal(0.0, 1e-3, len(bars)))
    for column in spec.inputs:
        assert not np.array_equal(run(**{column: columns[column] * noise}), whole, equal_nan=True), column


def given_to_kernel(feature: Feature, bars: Bars) -> tuple[tuple[float, ...], dict[str, np.ndarray], list[np.ndarray]]:
    """The numbers of its kernel, the columns that it declares, and the values of its arguments."""
    numbers = (*feature.spec.kernel_params(feature.params), *plan_of(feature).fitted.get(feature.name, ()))
    reader = RowReader(MINUTE, feature.spec.further_inputs, "24/7")
    rows = np.empty((reader.n_rows, len(bars)))
    reader.read(bars, 0, len(bars), rows)
    columns = dict(zip((*BAR_ROWS, *feature.spec.further_inputs), rows, strict=True))
    return numbers, {name: columns[name] for name in feature.spec.inputs}, [values_of(arg, bars) for arg in feature.args]


def test_no_kernel_reaches_beyond_its_memory(tmp_path):
    """Compiled code checks no index. As plain Python, where NumPy does, each kernel must run and say the same."""
    for name, spec in FEATURES.items():
        feature = usual_feature(spec)
        bars = walk(plan_of(feature).warmup_bars + 60, seed=11)
        numbers, columns, args = given_to_kernel(feature, bars)
        arrays = {f"column {column}": values for column, values in columns.items()} | {f"arg {i}": arg for i, arg in enumerate(args)}
        row = values_of(feature, bars)
        np.savez(tmp_path / f"{name}.npz", numbers=np.array(numbers), said=row, **arrays)
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    program = Path(__file__).with_name("plain_kernels.py")
    ran = subprocess.run([sys.executable, program, tmp_path], env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@every_feature
@pytest.mark.parametrize("gaps", [False, True])
def test_prefix_chunks_restart_and_single_bars_give_the_same_bits(feature, gaps):
    n_bars = long_enough(feature, 1_100)
    bars, plan = walk(n_bars, seed=2, gaps=gaps), plan_of(feature)
    whole = plan.compute(bars).values
    np.testing.assert_array_equal(plan.compute(bars.slice(0, n_bars - 323)).values, whole[: n_bars - 323])
    cut = n_bars - 799
    stream = FeatureStream(plan)
    parts = [stream.extend(bars.slice(0, cut)).values]
    stream = FeatureStream.restore(plan, stream.state())
    parts += [stream.push(bars.bar(i))[None] for i in range(cut, cut + 99)]
    parts += [stream.extend(bars.slice(cut + a, cut + b)).values for a, b in [(99, 100), (100, 339), (339, 799)]]
    np.testing.assert_array_equal(np.vstack(parts), whole)


@every_feature
def test_no_bars_change_no_state(feature):
    stream = FeatureStream(plan_of(feature))
    stream.extend(walk(200))
    before = stream.state()
    stream.extend(walk(200).slice(0, 0))
    for name, after in stream.state().items():
        np.testing.assert_array_equal(after, before[name])


@every_feature
def test_the_declared_warm_up_is_the_true_one(feature):
    values = values_of(feature, walk(long_enough(feature), seed=3))
    finite = np.isfinite(values)
    assert int(np.argmax(finite)) == plan_of(feature).warmup_bars
    assert finite[plan_of(feature).warmup_bars :].all()


@every_feature
@pytest.mark.parametrize("offset", [1, 3, 4])
def test_a_start_within_a_bucket_is_never_ready_later(feature, offset):
    bars = walk(long_enough(feature), seed=3)
    values = values_of(feature, bars.slice(offset, len(bars)))
    assert np.isfinite(values[plan_of(feature).warmup_bars :]).all()


@every_feature
def test_once_settled_it_does_not_matter_where_the_history_began(feature):
    bars, start = walk(8_000, seed=8), 35
    settled = plan_of(feature).settled_bars
    whole, later = values_of(feature, bars)[start:], values_of(feature, bars.slice(start, len(bars)))
    assert plan_of(feature).warmup_bars <= settled < 7_500
    if feature.spec.name in REMEMBERS_ITS_START:
        return
    np.testing.assert_allclose(later[settled:], whole[settled:], rtol=1e-6, atol=1e-9)
    if not any(one.spec.fades(one.params) for one in (feature, *feature.arguments)):
        np.testing.assert_array_equal(later[settled:], whole[settled:])


@every_feature
def test_a_column_that_begins_late_delays_the_feature_and_no_more(feature):
    """As a second series does that starts after the bars."""
    late = feature.sources
    if not late:
        return
    bars, begins = walk(long_enough(feature), seed=3), 90
    columns = {name: np.where(np.arange(len(bars)) < begins, np.nan, bars.column(name)) for name in late}
    kept = {name: bars.column(name) for name in bars.frame.columns if name not in (*BAR_ROWS, *late)}
    base = {name: getattr(bars, name) for name in BAR_ROWS if name != "close_time"}
    delayed = Bars.from_columns(bars.instrument, bars.timeframe, **base, **kept, **columns)
    values = values_of(feature, delayed)
    assert np.isnan(values[:begins]).all()
    assert np.isfinite(values[begins + plan_of(feature).warmup_bars + 5 :]).all()


def still_then_limit_moves(n):
    close = np.full(n, 100.0)
    close[n // 2 :] = 120.0
    close[n // 2 + 3 :] = 80.0
    return make(close)


def moving_then_frozen(n):
    rng = np.random.default_rng(5)
    moving = np.arange(n + 3_000) < 500
    close = 100.0 + np.cumsum(np.where(moving, rng.choice([-0.25, 0.0, 0.25], n + 3_000), 0.0))
    return make(close, reach=np.where(moving, 0.25, 0.0), volume=np.where(moving, 3.0, 0.0))


MARKETS = {
    "constant prices": lambda n: make(np.full(n, 0.1 + 0.2)),
    "constant prices, zero volume": lambda n: make(np.full(n, 0.1 + 0.2), volume=np.zeros(n)),
    "zero volume": lambda n: make(walk(n).close, reach=0.01, volume=np.zeros(n)),
    "volume now and then": lambda n: make(walk(n).close, volume=np.where(np.arange(n) % 97 == 0, 1.0, 0.0)),
    "one tick up and down": lambda n: make(100.0 + 0.25 * (np.arange(n) % 2)),
    "always up": lambda n: make(100.0 + 0.25 * np.arange(n)),
    "limit moves": still_then_limit_moves,
    "frozen after moving": moving_then_frozen,
    "gaps": lambda n: walk(n, seed=6, gaps=True),
    "tiny prices": lambda n: make(walk(n).close * 1e-9, reach=1e-12),
    "huge volume": lambda n: make(walk(n).close, volume=np.full(n, 1e15)),
}


@cache
def market_of(market: str, n_bars: int) -> Bars:
    return MARKETS[market](n_bars)


@every_feature
@pytest.mark.parametrize("market", MARKETS)
def test_it_is_finite_after_the_warm_up_on(feature, market):
    bars = market_of(market, 1_500 if plan_of(feature).warmup_bars < 1_000 else 6_000)
    warm = values_of(feature, bars)[plan_of(feature).warmup_bars :]
    assert warm.size
    assert np.isfinite(warm).all()
    if feature.spec.unit == "0 to 100":
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


REMEMBERS_ITS_START = {"obv"}  # a running sum: what it starts from is never forgotten, and its formula says so


def scaled(bars: Bars, factor: float) -> Bars:
    """The same market quoted in another unit: everything that is a price times `factor`."""
    prices = {name for name in bars.frame.columns if name in ("open", "high", "low", "close") or (name in COLUMNS and COLUMNS[name].price)}
    columns = {name: bars.column(name) * (factor if name in prices else 1.0) for name in bars.frame.columns if name != "open_time"}
    return Bars.from_columns(bars.instrument, bars.timeframe, bars.open_time, **columns)


@every_feature
def test_it_does_with_the_price_level_what_it_declares(feature):
    bars = walk(long_enough(feature, 1_200), seed=7)
    whole = values_of(feature, bars)
    for factor in (2.0**-7, 2.0**9, 10.0):
        values = values_of(feature, scaled(bars, factor))
        expected = {"free": whole, "price": whole * factor, "inverse": whole / factor, "log": whole + math.log(factor)}.get(feature.scale)
        if feature.scale == "shift":
            moved = (values - whole)[np.isfinite(whole)]
            np.testing.assert_allclose(moved, moved[0], rtol=1e-6, atol=1e-9)
        elif expected is None:
            assert not np.allclose(values, whole, equal_nan=True)
        elif factor == 10.0 or feature.scale == "log" or not exact(feature):
            np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-9 * max(1.0, factor if feature.scale == "price" else 1.0))
        else:
            np.testing.assert_array_equal(values, expected)


def exact(feature: Feature) -> bool:
    """Whether a factor that is a power of two changes no bit: it does where a logarithm of the price itself is an argument."""
    return all(one.scale not in ("log", "shift") for one in feature.arguments)


def test_the_windows_of_the_slow_version_are_those_of_definitions_section_1():
    """Bars t - n + 1 .. t: the bar itself is in, the future is not."""
    x = np.arange(10.0)
    np.testing.assert_array_equal(per_window(np.sum, 3, x)[2:], sliding_window_view(x, 3).sum(axis=1))
