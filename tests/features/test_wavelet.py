"""Wavelets: worked by hand, against PyWavelets, and what a transform of the whole sample knows too early."""

import numpy as np
import pytest
import pywt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from barmill.errors import InputError, RecipeError, ShapeError
from barmill.features import FeaturePlan, modwt_haar, parse_feature
from barmill.market import Timeframe

MINUTE = Timeframe.parse("1m")
NAN = np.nan

values = arrays(np.float64, st.integers(1, 80), elements=st.floats(-1e3, 1e3))


def test_four_values_worked_by_hand():
    details, smooths = modwt_haar([1.0, 3.0, 5.0, 11.0], 2)
    np.testing.assert_array_equal(details, [[NAN, 1.0, 1.0, 3.0], [NAN, NAN, NAN, 3.0]])
    np.testing.assert_array_equal(smooths, [[NAN, 2.0, 4.0, 8.0], [NAN, NAN, NAN, 5.0]])


@given(values, st.integers(1, 7))
def test_it_follows_its_definition_to_the_bit(x, levels):
    found = modwt_haar(x, levels)
    below = x
    for j in range(1, levels + 1):
        before = np.concatenate([np.full(min(2 ** (j - 1), len(x)), NAN), below[: -(2 ** (j - 1))]])
        np.testing.assert_array_equal(found.W[j - 1], (below - before) / 2.0)
        np.testing.assert_array_equal(found.V[j - 1], (below + before) / 2.0)
        below = found.V[j - 1]


@given(values, st.integers(1, 5))
def test_details_and_the_last_smooth_sum_to_the_values(x, levels):
    found, ready = modwt_haar(x, levels), slice(2**levels - 1, None)
    np.testing.assert_allclose((found.W.sum(axis=0) + found.V[-1])[ready], x[ready], rtol=1e-12, atol=1e-9)


def test_it_equals_pywavelets_on_the_series_reversed_away_from_its_edge():
    """The stationary transform of PyWavelets looks ahead and wraps around the end; on the reversed series, ahead is behind."""
    x, levels = np.random.default_rng(0).normal(size=512), 5
    found = modwt_haar(x, levels)
    for j, (approximation, detail) in enumerate(reversed(pywt.swt(x[::-1], "haar", level=levels)), start=1):
        ready, factor = slice(2**j - 1, None), np.sqrt(2.0) ** j
        np.testing.assert_allclose(found.V[j - 1][ready], approximation[::-1][ready] / factor, atol=1e-12)
        np.testing.assert_allclose(found.W[j - 1][ready], detail[::-1][ready] / factor, atol=1e-12)


def test_a_smooth_is_a_plain_mean_and_lags_by_half_its_length():
    ramp = np.arange(100.0)
    for level in range(1, 7):
        smooth = modwt_haar(ramp, level).V[-1]
        np.testing.assert_array_equal(smooth[2**level - 1 :], ramp[2**level - 1 :] - (2**level - 1) / 2)


# ---- what is known when


def of_the_whole_sample(x, level=3):
    """As it is often done: a stationary transform of all there is, padded at its end, one level of it kept."""
    padded = np.pad(x, (0, -len(x) % 2**level), mode="symmetric")
    return pywt.swt(padded, "haar", level=level)[0][1][: len(x)]


def denoised(x, level=3):
    """Another usual one: the finest details of the whole sample set to zero."""
    parts = pywt.wavedec(x, "db4", mode="symmetric", level=level)
    parts[-1] = np.zeros_like(parts[-1])
    return pywt.waverec(parts, "db4", mode="symmetric")[: len(x)]


def mean_removed(x, level=3):
    """One-sided itself, but of a series that was centred with the mean of the whole sample."""
    return modwt_haar(x - x.mean(), level).V[-1]


def rows_that_move(function, x, cut):
    """How many rows before `cut` are others when the bars after it are not there yet."""
    whole, early = function(x)[:cut], function(x[:cut])
    return int(np.sum(~((whole == early) | (np.isnan(whole) & np.isnan(early)))))


@pytest.mark.parametrize("cut", [100, 203, 256])
def test_a_transform_of_the_whole_sample_is_told_from_ours(cut):
    x = np.cumsum(np.random.default_rng(1).normal(size=300))
    for leaking in (of_the_whole_sample, denoised, mean_removed):
        assert rows_that_move(leaking, x, cut) > 0, leaking.__name__
    for level in range(1, 7):
        assert rows_that_move(lambda x, level=level: modwt_haar(x, level).W[-1], x, cut) == 0
        assert rows_that_move(lambda x, level=level: modwt_haar(x, level).V[-1], x, cut) == 0


@given(values, values, st.integers(0, 80), st.integers(1, 6))
def test_what_comes_later_changes_no_bit(x, later, cut, levels):
    whole, other = modwt_haar(x, levels), modwt_haar(np.concatenate([x[:cut], later]), levels)
    kept = min(cut, len(x))
    np.testing.assert_array_equal(whole.W[:, :kept], other.W[:, :kept])
    np.testing.assert_array_equal(whole.V[:, :kept], other.V[:, :kept])


@given(values, st.integers(0, 80), st.integers(1, 6))
def test_what_came_before_the_window_changes_no_bit(x, start, level):
    whole, later = modwt_haar(x, level).V[-1], modwt_haar(x[start:], level).V[-1]
    np.testing.assert_array_equal(later[2**level - 1 :], whole[start + 2**level - 1 :])


# ---- the features


def test_the_features_are_the_public_function(bars):
    names = [f"wavelet_{part}_{level}(log_return_1)" for level in (1, 2, 3, 6) for part in ("detail", "smooth")]
    table = FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in (*names, "log_return_1"))).compute(bars)
    found = modwt_haar(table.column("log_return_1"), 6)
    for level in (1, 2, 3, 6):
        np.testing.assert_array_equal(table.column(f"wavelet_detail_{level}(log_return_1)"), found.W[level - 1])
        np.testing.assert_array_equal(table.column(f"wavelet_smooth_{level}(log_return_1)"), found.V[level - 1])
        assert parse_feature(f"wavelet_detail_{level}(log_return_1)", MINUTE).warmup_bars(MINUTE) == 2**level


def test_detail_and_smooth_of_a_level_share_one_run():
    detail, smooth = (parse_feature(f"wavelet_{part}_4(rsi_14)@5m", MINUTE) for part in ("detail", "smooth"))
    assert detail.run_name == smooth.run_name


def test_missing_values_spoil_the_windows_that_hold_them_and_no_other():
    x = np.arange(1.0, 21.0)
    clean = modwt_haar(x, 2).V[1]
    x[9] = NAN
    np.testing.assert_array_equal(modwt_haar(x, 2).V[1], np.where(np.isin(np.arange(20), [9, 10, 11, 12]), NAN, clean))
    np.testing.assert_array_equal(modwt_haar(np.concatenate([[NAN], np.arange(1.0, 21.0)]), 2).V[1][1:], clean)


def test_levels_beyond_the_history_are_not_there_yet():
    found = modwt_haar(np.ones(9), 30)
    assert found.W.shape == found.V.shape == (30, 9)
    assert np.isfinite(found.V[2]).sum() == 2
    assert np.isnan(found.V[3:]).all()
    assert modwt_haar([], 3).W.shape == (3, 0)


def test_bad_arguments_are_refused_with_place_and_range():
    with pytest.raises(InputError, match=r"modwt_haar: levels: is 31; expected a whole number, 1 to 30\."):
        modwt_haar([1.0], 31)
    with pytest.raises(InputError, match=r"modwt_haar: levels: is 0"):
        modwt_haar([1.0], 0)
    with pytest.raises(InputError, match=r"modwt_haar: levels: is 2\.0"):
        modwt_haar([1.0], 2.0)
    with pytest.raises(ShapeError, match=r"modwt_haar: x: has shape \(1, 2\)"):
        modwt_haar([[1.0, 2.0]], 1)
    with pytest.raises(RecipeError, match="level: is 13; expected less than or equal to 12"):
        parse_feature("wavelet_detail_13(rsi_14)", MINUTE)
