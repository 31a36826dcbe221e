import numpy as np
import pytest

from barmill.errors import ShapeError
from barmill.evaluation import reliability_band, reliability_curve


def test_the_curve_has_an_entry_for_each_bin_that_is_not_empty():
    curve = reliability_curve([0.05, 0.05, 0.95], [0, 1, 1], 10)
    np.testing.assert_allclose(curve.mean_p, [0.05, 0.95])
    np.testing.assert_array_equal(curve.share, [0.5, 1.0])
    np.testing.assert_array_equal(curve.count, [2, 1])
    assert ((curve.low <= curve.share) & (curve.share <= curve.high)).all()


def test_the_band_is_wilsons():
    from scipy.stats import binomtest

    curve = reliability_curve(np.full(40, 0.3), [1] * 13 + [0] * 27, 5)
    oracle = binomtest(13, 40).proportion_ci(method="wilson")
    assert (curve.low[0], curve.high[0]) == pytest.approx((oracle.low, oracle.high), rel=1e-9)


def test_overlapping_outcomes_widen_the_band():
    p, y = np.full(400, 0.3), [1] * 130 + [0] * 270
    wide, tenth = reliability_curve(p, y, 5, overlap=10), reliability_curve(p[:40], y[::10], 5)
    assert (wide.low[0], wide.high[0]) == pytest.approx((tenth.low[0], tenth.high[0]))


def overlapping(n, length, seed):
    """Forecasts that hold for `length` rows each, calibrated, and the one outcome that those rows share."""
    rng = np.random.default_rng(seed)
    p = np.repeat(rng.uniform(0.35, 0.65, n // length), length)
    return p, np.repeat(rng.uniform(size=n // length) < p[::length], length).astype(int)


def test_the_bootstrap_band_of_independent_rows_is_near_wilsons():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=5000)
    y = rng.uniform(size=5000) < p
    band, wilson = reliability_band(p, y, 1, seed=1, n_bins=5, n_boot=2000), reliability_curve(p, y, 5)
    np.testing.assert_array_equal(band.share, wilson.share)
    np.testing.assert_allclose(band.low, wilson.low, atol=0.006)
    np.testing.assert_allclose(band.high, wilson.high, atol=0.006)


def test_of_outcomes_that_rows_share_the_block_band_holds_the_truth_and_that_of_independent_rows_does_not():
    held = {"blocks": 0.0, "independent": 0.0}
    for seed in range(60):
        p, y = overlapping(3000, 20, seed)
        for name, band in (
            ("blocks", reliability_band(p, y, 40, seed, n_bins=2, n_boot=200)),
            ("independent", reliability_curve(p, y, 2)),
        ):
            held[name] += np.mean((band.low <= band.mean_p) & (band.mean_p <= band.high)) / 60
    assert held["blocks"] > 0.85
    assert held["independent"] < 0.5


def test_a_seed_gives_the_same_band_and_another_seed_another():
    p, y = overlapping(600, 10, 0)
    first, again, other = (reliability_band(p, y, 10, seed, n_bins=4) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.low, again.low)
    assert (first.low != other.low).any()


def test_a_bin_whose_rows_came_out_alike_has_wilsons_band_of_a_row_for_each_block():
    p, y = np.repeat([0.2, 0.8], 40), np.repeat([0, 1], 40)
    band, wilson = reliability_band(p, y, 4, seed=0, n_bins=2), reliability_curve(p, y, 2, overlap=4)
    np.testing.assert_allclose([band.low, band.high], [wilson.low, wilson.high])
    assert band.high[0] > 0.1


def test_with_fewer_than_two_blocks_nothing_is_known():
    band = reliability_band([0.2, 0.8, 0.8], [0, 1, 0], 2, seed=0, n_bins=2)
    assert np.isnan([band.low, band.high]).all()
    np.testing.assert_array_equal(band.share, [0, 0.5])


def test_bad_arguments_are_refused():
    with pytest.raises(ShapeError, match="reliability_band: level 1"):
        reliability_band([0.5], [1], 1, seed=0, level=1)
    with pytest.raises(ShapeError, match="19 resamples"):
        reliability_band([0.5], [1], 1, seed=0, n_boot=19)
    with pytest.raises(ShapeError, match="block: is 0"):
        reliability_band([0.5], [1], 0, seed=0)
