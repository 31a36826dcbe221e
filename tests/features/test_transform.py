"""Transforms: worked by hand, against slow versions, and what each does to what its argument does."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import signal

from barmill.errors import InputError, RecipeError, ShapeError
from barmill.features import FeaturePlan, FeatureStream, ffd_weights, frac_diff_ffd, parse_feature, usual_feature
from barmill.features.interaction import FEATURES as INTERACTIONS
from barmill.features.transform import FEATURES as TRANSFORMS
from barmill.features.wavelet import FEATURES as WAVELETS
from barmill.market import Bars, Timeframe
from oracles import transform as slow
from oracles.slow import per_window

MINUTE = Timeframe.parse("1m")
SPECS = {spec.name: spec for spec in TRANSFORMS}

values = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e3, 1e3))
few_values = arrays(
    np.float64, st.integers(1, 60), elements=st.sampled_from([-2.0, 0.0, 0.1, 1.0, 1.0 + 1e-9])
)  # ties and stretches of one value
windows = st.integers(2, 24)


def transformed(name, x):
    """The transform on a series of one's own: `transformed("zscore_20", x)`."""
    feature = parse_feature(f"{name}(log_return_1)", MINUTE)
    spec = feature.spec
    return spec.kernel.run(spec.kernel_params(feature.params), np.asarray(x, dtype=np.float64))[spec.kernel.outputs.index(spec.output)]


def compute(bars, *names):
    table = FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in names)).compute(bars)
    return [table.column(parse_feature(name, MINUTE).name) for name in names]


# ---- fractional differences


@pytest.mark.parametrize(
    ("d", "threshold", "weights"),
    [
        (0.5, 0.05, [1.0, -0.5, -0.125, -0.0625]),
        (0.5, 0.0625, [1.0, -0.5, -0.125, -0.0625]),  # a weight at the threshold stays
        (0.5, 0.063, [1.0, -0.5, -0.125]),
        (0.25, 0.05, [1.0, -0.25, -0.09375, -0.0546875]),
        (1.0, 1e-4, [1.0, -1.0]),
        (2.0, 1e-4, [1.0, -2.0, 1.0]),
        (1.5, 0.05, [1.0, -1.5, 0.375, 0.0625]),
        (0.0, 1e-4, [1.0]),
        (-0.5, 0.4, [1.0, 0.5]),
    ],
)
def test_weights_worked_by_hand(d, threshold, weights):
    np.testing.assert_array_equal(ffd_weights(d, threshold), weights)


def test_a_difference_worked_by_hand():
    np.testing.assert_array_equal(frac_diff_ffd([1.0, 2.0, 4.0, 8.0], 0.5, 0.1), [np.nan, np.nan, 2.875, 5.75])


@given(st.floats(0.05, 1.95), st.floats(1e-3, 0.04))
def test_weights_are_signed_binomial_coefficients_above_the_threshold(d, threshold):
    ours = ffd_weights(d, threshold)
    np.testing.assert_allclose(ours, slow.fractional_weights(d, threshold), rtol=1e-9)
    assert (np.abs(ours) >= threshold).all()


@given(values, st.floats(0.1, 1.9), st.floats(5e-3, 0.09))
def test_a_fractional_difference_is_a_filter_of_fixed_width(x, d, threshold):
    weights = ffd_weights(d, threshold)
    ours, first = frac_diff_ffd(x, d, threshold), len(weights) - 1
    assert np.isnan(ours[:first]).all()
    np.testing.assert_allclose(ours[first:], signal.lfilter(weights, [1.0], x)[first:], rtol=1e-9, atol=1e-9)


@given(values, values, st.integers(0, 60))
def test_what_comes_later_changes_no_bit_of_a_fractional_difference(x, later, cut):
    whole = frac_diff_ffd(x, 0.4, 0.02)
    other = frac_diff_ffd(np.concatenate([x[:cut], later]), 0.4, 0.02)
    np.testing.assert_array_equal(whole[:cut], other[: min(cut, len(x))])
    np.testing.assert_array_equal(frac_diff_ffd(x[:cut], 0.4, 0.02), whole[:cut])


def test_order_one_is_the_change_and_order_zero_the_value(bars):
    np.testing.assert_array_equal(frac_diff_ffd(bars.close, 1.0, 1e-4), np.diff(bars.close, prepend=np.nan))
    np.testing.assert_array_equal(frac_diff_ffd(bars.close, 0.0, 1e-4), bars.close)


def test_the_feature_is_the_public_function(bars):
    whole, of = compute(bars, "frac_diff_0.4_0.001(log_close)", "log_close")
    np.testing.assert_array_equal(whole, frac_diff_ffd(of, 0.4, 0.001))
    np.testing.assert_allclose(of, np.log(bars.close), rtol=1e-15)


def test_the_change_of_the_logarithm_of_the_price_is_its_return(bars):
    one, change, returned = compute(bars, "frac_diff_1_0.001(log_close)", "change_1(log_close)", "log_return_1")
    np.testing.assert_array_equal(one, change)
    np.testing.assert_allclose(change, returned, atol=1e-14)


def test_missing_values_spoil_the_windows_that_hold_them_and_no_other():
    x = np.arange(1.0, 13.0)
    clean = frac_diff_ffd(x, 0.5, 0.1)  # three weights
    x[6] = np.nan
    np.testing.assert_array_equal(frac_diff_ffd(x, 0.5, 0.1), np.where(np.isin(np.arange(12), [6, 7, 8]), np.nan, clean))
    late = frac_diff_ffd(np.concatenate([[np.nan, np.nan], np.arange(1.0, 13.0)]), 0.5, 0.1)
    np.testing.assert_array_equal(late[2:], clean)


def test_a_series_shorter_than_the_weights_gives_nothing():
    np.testing.assert_array_equal(frac_diff_ffd([1.0, 2.0], 0.4, 1e-5), [np.nan, np.nan])
    assert frac_diff_ffd([], 0.4, 1e-3).shape == (0,)


def test_bad_arguments_are_refused_with_place_and_range():
    with pytest.raises(InputError, match=r"ffd_weights: threshold: is 0; expected a number above 0 and not above 1\."):
        ffd_weights(0.4, 0)
    with pytest.raises(InputError, match="ffd_weights: d: is nan"):
        frac_diff_ffd([1.0], math.nan, 0.1)
    with pytest.raises(InputError, match=r"more than 1,000,000 weights at d = -1\.0"):
        ffd_weights(-1.0, 0.5)
    with pytest.raises(ShapeError, match="frac_diff_ffd: x: has shape"):
        frac_diff_ffd([[1.0]], 0.4, 0.1)


# ---- windows


@given(few_values, windows)
def test_windows_with_ties_equal_the_slow_versions(x, n):
    def zscore(w):
        return (w[-1] - w.mean()) / w.std() if w.max() > w.min() else 0.0

    near = 1e-5  # where values differ by 1e-9, NumPy's mean has lost that many digits of them
    np.testing.assert_allclose(transformed(f"zscore_{n}", x), per_window(zscore, n, x), rtol=near, atol=1e-9)
    np.testing.assert_allclose(transformed(f"sum_{n}", x), per_window(np.sum, n, x), rtol=1e-12, atol=1e-12)
    below = per_window(lambda w: (np.sum(w < w[-1]) + 0.5 * np.sum(w == w[-1])) / n, n, x)
    np.testing.assert_allclose(transformed(f"percentile_{n}", x), below, rtol=1e-12)


@given(values, st.integers(3, 24), st.floats(0.0, 1.0))
def test_clipping_equals_numpy_quantiles(x, n, where):
    share = round(1.0 / (n - 1) + where * (0.499 - 1.0 / (n - 1)), 4)
    if share * (n - 1) < 1.0 or share >= 0.5:
        return
    clipped = per_window(lambda w: np.clip(w[-1], *np.quantile(w, [share, 1.0 - share])), n, x)
    np.testing.assert_allclose(transformed(f"winsorise_{n}_{share}", x), clipped, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [2, 3, 20, 60, 64, 127, 128])
def test_long_windows_of_a_far_off_mean_keep_their_digits(n):
    """Values near 1e8 whose differences are near 1: a sum of squares would have lost half of its digits."""
    x = 1e8 + np.random.default_rng(0).normal(size=500)
    exact = per_window(lambda w: (w[-1] - w.mean()) / w.std(), n, x - 1e8)
    np.testing.assert_allclose(transformed(f"zscore_{n}", x), exact, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["zscore_21", "sum_21", "winsorise_21_0.1", "percentile_21", "frac_diff_0.4_0.01", "lag_21", "change_21"])
def test_what_left_the_window_leaves_no_trace(name):
    """A spike of 1e15 and, beyond the window, the very bits of a series that never had it."""
    x = np.random.default_rng(1).normal(size=300)
    spiked = x.copy()
    spiked[100] = 1e15
    warm = np.flatnonzero(np.isfinite(transformed(name, x)))[0]
    np.testing.assert_array_equal(transformed(name, spiked)[101 + warm :], transformed(name, x)[101 + warm :])
    np.testing.assert_array_equal(transformed(name, x[50:])[warm:], transformed(name, x)[50 + warm :])


def test_an_outlier_does_not_set_its_own_limit():
    x = np.random.default_rng(2).normal(size=400)
    far, farther = x.copy(), x.copy()
    far[200], farther[200] = 50.0, 1e9
    np.testing.assert_array_equal(transformed("winsorise_40_0.05", far), transformed("winsorise_40_0.05", farther))
    assert transformed("winsorise_40_0.05", far)[200] <= np.sort(x[161:200])[-1]


def test_clipping_is_a_mirror():
    x = np.random.default_rng(3).normal(size=400)
    np.testing.assert_array_equal(transformed("winsorise_41_0.07", -x), -transformed("winsorise_41_0.07", x))


def test_where_nothing_varies_each_has_its_neutral_value():
    x = np.full(90, 0.1 + 0.2)
    assert set(transformed("zscore_33", x)[32:]) == {0.0}
    assert set(transformed("percentile_33", x)[32:]) == {0.5}
    assert set(transformed("winsorise_33_0.1", x)[32:]) == {x[0]}
    assert set(transformed("change_3", x)[3:]) == {0.0}
    assert set(transformed("zscore_4", np.where(np.arange(90) % 2, 1e-170, 0.0))[4:]) == {0.0}  # squares round to 0


@given(
    few_values, st.integers(0, 20), st.sampled_from(["zscore_5", "sum_7", "ewma_4", "percentile_6", "winsorise_9_0.2", "lag_3", "change_2"])
)
def test_a_series_that_begins_late_is_counted_from_its_first_value(x, missing, name):
    late = transformed(name, np.concatenate([np.full(missing, np.nan), x]))
    assert np.isnan(late[:missing]).all()
    np.testing.assert_array_equal(late[missing:], transformed(name, x))


@pytest.mark.parametrize("spec", [*TRANSFORMS, *WAVELETS, *INTERACTIONS], ids=str)
def test_nothing_is_remembered_before_the_first_value(spec):
    numbers, rows = spec.kernel_params(spec.usual), range(7, 7 + spec.arity[0])
    state, out = spec.kernel.new_state(numbers), np.zeros((len(spec.kernel.outputs), 5))
    spec.kernel.compiled(np.array([*numbers, *rows], dtype=np.float64), state, np.full((9, 5), np.nan), out)
    assert np.isnan(out).all()
    np.testing.assert_array_equal(state, 0.0)


@pytest.mark.parametrize("spec", [*TRANSFORMS, *WAVELETS], ids=str)
def test_what_is_remembered_does_not_depend_on_how_the_series_was_cut(spec):
    numbers, rng = spec.kernel_params(spec.usual), np.random.default_rng(6)
    bars = np.full((8, 700), np.nan)
    bars[7] = rng.normal(size=700)

    def state_after(*cuts):
        state = spec.kernel.new_state(numbers)
        for piece in np.split(bars, cuts, axis=1):
            spec.kernel.compiled(np.array([*numbers, 7.0]), state, piece, np.empty((len(spec.kernel.outputs), piece.shape[1])))
        return state

    np.testing.assert_array_equal(state_after(1, 2, 130, 500, 501), state_after())


# ---- as features


def test_names_nest_and_the_whole_is_the_composition_of_its_parts(bars):
    name = "zscore_60(winsorise_50_0.1(frac_diff_0.4_0.001(log_close)))"
    whole, of = compute(bars, name, "log_close")
    difference = frac_diff_ffd(of, 0.4, 0.001)
    np.testing.assert_array_equal(whole, transformed("zscore_60", transformed("winsorise_50_0.1", difference)))
    assert parse_feature(name, MINUTE).name == name
    assert parse_feature(name, MINUTE).warmup_bars(MINUTE) == int(np.argmax(np.isfinite(whole))) == 59 + 49 + 54


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("zscore_60(frac_diff_0.4_0.001(log_close))", "free"),
        ("frac_diff_0.4_0.001(log_close)", "shift"),
        ("zscore_60(close)", "free"),
        ("ewma_20(close)", "price"),
        ("ratio(change_5(close),close)", "free"),
        ("abs(wavelet_detail_3(log_close))", "free"),
        ("wavelet_smooth_3(log_close)", "log"),
        ("crossing(close,ewma_20(close))", "free"),
        ("product(close,close)", "level"),
        ("percentile_100(product(close,volume))", "free"),
    ],
)
def test_the_price_level_goes_through_what_is_nested(make_bars, name, scale):
    """By a factor of eight: to the bit where no logarithm of the price is within."""
    bars = make_bars(1_000, seed=9, quiet=0.0)
    prices = {column: getattr(bars, column) * 8.0 for column in ("open", "high", "low", "close")}
    dear = Bars.from_columns(bars.instrument, bars.timeframe, bars.open_time, **prices, volume=bars.volume)
    (one,), (eight,) = compute(bars, name), compute(dear, name)
    assert parse_feature(name, MINUTE).scale == scale
    if "log_close" not in name:
        np.testing.assert_array_equal(eight, one * {"free": 1.0, "price": 8.0, "level": 64.0}[scale])
    elif scale == "shift":
        assert np.nanstd(eight - one) < 1e-12 < np.nanmean(np.abs(eight - one))
    else:
        np.testing.assert_allclose(eight, one + (math.log(8.0) if scale == "log" else 0.0), rtol=1e-6, atol=1e-9)


def test_on_a_longer_timeframe_the_window_counts_its_bars(make_bars):
    bars = make_bars(2_000, seed=6)
    outside, inside, of = compute(bars, "zscore_20(rsi_14)@5m", "zscore_20(rsi_14@5m)", "rsi_14@5m")
    closes = np.flatnonzero((bars.close_time // MINUTE.ms) % 5 == 0)
    np.testing.assert_array_equal(outside[closes], transformed("zscore_20", of[closes]))
    np.testing.assert_array_equal(inside, transformed("zscore_20", of))  # twenty minutes of what the minutes are shown


@pytest.mark.parametrize("gaps", [False, True])
def test_nested_on_several_timeframes_live_is_the_history(make_bars, gaps):
    names = ("zscore_20(rsi_14@5m)", "sum_9(abs(change_4(atr_14@15m)))", "ewma_5(frac_diff_0.4_0.01(wavelet_smooth_2(ema_distance_12)))@5m")
    plan, bars = FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in names)), make_bars(1_200, seed=8, gaps=gaps)
    stream = FeatureStream(plan)
    rows = np.array([stream.push(bars.bar(i)) for i in range(len(bars))])
    np.testing.assert_array_equal(rows, plan.compute(bars).values)
    assert np.isfinite(rows[-1]).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("winsorise_20_0.05(rsi_14)", "share must be at least 1/.window - 1.: one value at each end"),
        ("winsorise_20_0.5(rsi_14)", "share: is 0.5; expected less than 0.5"),
        ("frac_diff_0.4_0.00001(log_return_1)", "threshold: is 0.00001; expected greater than or equal to 0.0001"),
        ("frac_diff_0.1_0.2(log_return_1)", "threshold must not be above d"),
        ("zscore_60", "0 features as arguments; expected 1, as in 'zscore_60.rsi_14.'"),
        ("zscore_60(rsi_14,rsi_28)", "2 features as arguments"),
        ("zscore_60(rsl_14)", "Did you mean 'rsi_14'"),
        ("zscore_1(rsi_14)", "window: is 1; expected greater than or equal to 2"),
    ],
)
def test_a_transform_that_cannot_be_is_refused(name, message):
    with pytest.raises(RecipeError, match=message):
        parse_feature(name, MINUTE)


@pytest.mark.parametrize(
    "file", ["crypto/FILUSDT_um_1m_2024-02.parquet", "futures/ES_1m_2025-07_2025-10.parquet", "fx/XAUUSD_1m_2018.parquet"]
)
def test_on_real_bars_every_transform_of_every_kind_of_argument_is_finite(real_data, file):
    bars = Bars.read(real_data / file)
    bars = bars.slice(0, min(len(bars), 30_000))
    of = ("close", "log_close", "log_volume", "log_return_1", "obv")
    usual = [usual_feature(spec).name for spec in (*TRANSFORMS, *WAVELETS)]
    names = [f"{name[: name.index('(')]}({arg})" for name in usual for arg in of] + [usual_feature(spec).name for spec in INTERACTIONS]
    plan = FeaturePlan(bars.timeframe, tuple(parse_feature(name, bars.timeframe) for name in names))
    assert np.isfinite(plan.compute(bars).values[plan.warmup_bars :]).all()


# ---- what a transform does to what its argument does

SCALED = {
    "free": lambda x, k: x,
    "price": lambda x, k: x * k,
    "inverse": lambda x, k: x / k,
    "log": lambda x, k: x + math.log(k),
    "shift": lambda x, k: x + 0.7 * math.log(k) + 0.1 * (k - 1.0) * x[0],  # another number for another series
    "level": lambda x, k: x * (1.0 + math.log(k)) + 0.3 * x**2 * (k - 1.0),
}
COMBINATIONS = [
    pytest.param(spec, scales, id=f"{spec.name}({','.join(scales)})")
    for spec in (*TRANSFORMS, *WAVELETS, *INTERACTIONS)
    for scales in itertools.product(SCALED, repeat=spec.arity[0])
]


@pytest.mark.parametrize(("spec", "scales"), COMBINATIONS)
def test_the_declared_scale_is_what_a_factor_on_all_prices_does(spec, scales):
    rng = np.random.default_rng(4)
    series = [rng.normal(size=600) + 0.2 for _ in scales]
    row = spec.kernel.outputs.index(spec.output)

    def run(k):
        args = [SCALED[scale](x, k) for scale, x in zip(scales, series, strict=True)]
        return spec.kernel.run(spec.kernel_params(spec.usual), *args)[row][150:]

    declared, one = spec.scale_of(scales), run(1.0)
    does = [name for name in ("free", "price", "inverse", "log") if np.allclose(run(10.0), SCALED[name](one, 10.0), rtol=1e-9, atol=1e-9)]
    does += ["shift"] if not does and np.ptp(run(10.0) - one) < 1e-9 else []
    assert does == ([declared] if declared != "level" else [])
    if set(scales) <= {"free", "price", "inverse"} and declared != "level":  # no logarithm: a power of two moves no bit
        np.testing.assert_array_equal(run(2.0**-7), SCALED[declared](one, 2.0**-7))
