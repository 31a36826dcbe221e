"""On-balance volume against TA-Lib and by hand."""

import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from barmill.errors import InputError
from barmill.features import FeaturePlan, obv
from barmill.features.kernels import volumes, windows


def test_obv_equals_talib_from_the_first_bar(bars):
    np.testing.assert_allclose(obv(bars.close, bars.volume), talib.OBV(bars.close, bars.volume), rtol=1e-12, atol=1e-9)


def test_obv_of_five_bars_on_paper():
    np.testing.assert_array_equal(obv([5.0, 6.0, 6.0, 4.0, 5.0], [10.0, 1.0, 2.0, 4.0, 8.0]), [10.0, 11.0, 11.0, 7.0, 15.0])


def test_a_negative_volume_is_refused_with_its_row():
    with pytest.raises(InputError, match=r"obv: row 1: volume is -1\.0; expected 0 or more\."):
        obv([1.0, 2.0], [1.0, -1.0])


def values_of(names: tuple[str, ...], bars) -> np.ndarray:
    return FeaturePlan.build(timeframes=(), add=names, needs=()).compute(bars).values.T


@pytest.mark.parametrize("n", [2, 14, 60])
def test_mfi_equals_talib(make_bars, n):
    bars = make_bars(3_000, seed=1, tick=1e-9, quiet=0.0)  # on coarser ticks typical prices tie, and TA-Lib lets the rounding decide
    theirs = talib.MFI(bars.high, bars.low, bars.close, bars.volume, n)
    np.testing.assert_allclose(values_of((f"mfi_{n}",), bars)[0], theirs, rtol=1e-9, atol=1e-9, equal_nan=True)


def with_volume(bars, volume):
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close")}
    return type(bars).from_columns(bars.instrument, bars.timeframe, bars.open_time, **columns, volume=volume)


volumes_of_bars = arrays(np.float64, st.integers(1, 40), elements=st.sampled_from([0.0, 0.0, 1e-3, 1.0, 7.5, 1e9]))


@given(volumes_of_bars, st.integers(1, 12))
def test_volume_beside_other_volumes_is_finite_and_bounded_whatever_was_traded(volume, n):
    change = volumes.volume_change.run((n, 0.0), volume=volume)[0]
    assert (np.abs(change[n:]) <= 1.0).all()
    ratio, mean = windows.volume_ratio.run((n, 1.0), volume=volume)
    log_ratio = volumes.log_volume_ratio.run((n, 0.0), volume=volume)[0]
    assert np.isnan(log_ratio[: n - 1]).all()
    np.testing.assert_allclose(log_ratio[n - 1 :], np.log((1.0 + ratio[n - 1 :]) / 2.0), rtol=1e-12, atol=1e-15)
    assert (mean[n - 1 :] >= 0.0).all()


@given(volumes_of_bars.filter(lambda v: len(v) > 3))
def test_volume_deviations_equal_numpys(volume):
    n = len(volume)
    std, zscore = volumes.volume_deviation.run((n, 0.0), volume=volume)
    varies = volume.max() > volume.min()
    assert std[-1] == pytest.approx(np.std(volume, ddof=1) if varies else 0.0, rel=1e-9)
    assert zscore[-1] == pytest.approx((volume[-1] - volume.mean()) / volume.std() if varies else 0.0, rel=1e-9, abs=1e-12)


def test_vwap_lies_among_the_prices_paid_and_is_the_close_where_nothing_was_traded(bars):
    vwap, distance, high, low = values_of(("vwap_20", "vwap_distance_20", "highest_20", "lowest_20"), bars)
    assert ((vwap[19:] >= low[19:] * (1 - 1e-12)) & (vwap[19:] <= high[19:] * (1 + 1e-12))).all()
    np.testing.assert_allclose(bars.close[19:] / vwap[19:] - 1, distance[19:], atol=1e-12)
    still = with_volume(bars, np.zeros(len(bars)))
    np.testing.assert_array_equal(values_of(("vwap_20",), still)[0, 19:], bars.close[19:])
