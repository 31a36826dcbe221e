"""The profile of a table against plain NumPy, and the flags on features with planted faults."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kurtosis, skew

from barmill.errors import ShapeError
from barmill.evaluation import TableProfile, feature_flags, kolmogorov_smirnov, profile_features, psi, worst_first
from barmill.evaluation.feature_profile import LEVELS
from barmill.evaluation.row_samples import even_rows, spread_rows, stretches

Float64Array = npt.NDArray[np.float64]

N, CUT = 9_000, 6_000
NAMES = ("noise", "slow", "walk", "constant", "wakes", "shifted", "swings", "twin", "rare", "holes", "late", "empty")
EXPECTED = {
    "noise": [],
    "slow": [],
    "walk": ["unit_root"],
    "constant": ["constant"],
    "wakes": ["constant_in_train"],
    "shifted": ["drifted"],
    "swings": ["unsteady"],
    "twin": ["duplicate"],
    "rare": ["mostly_one_value"],
    "holes": ["missing"],
    "late": ["missing"],
    "empty": ["empty"],
}


def planted() -> Float64Array:
    """A column for each name, each with one fault at most."""
    rng = np.random.default_rng(3)
    noise, more = rng.standard_normal((2, N))
    slow = np.convolve(rng.standard_normal(N + 9), np.full(10, 0.1), "valid")
    walk = np.cumsum(rng.standard_normal(N)) + 50 * np.sin(np.arange(N) / 300)
    row = np.arange(N)
    swings = rng.standard_normal(N) * np.where(row < CUT // 2, 1, 5)  # wide from the later half of train on
    columns = [
        noise,
        slow,
        walk,
        np.full(N, 7.0),
        np.where(row < CUT, 0.0, rng.standard_normal(N)),
        rng.standard_normal(N) * np.where(row >= CUT, 4, 1),
        swings,
        -(noise**3),
        np.where(rng.random(N) < 0.02, more, 0.0),
        np.where(rng.random(N) < 0.1, np.nan, more),
        np.where(row < 700, np.nan, rng.standard_normal(N)),
        np.full(N, np.nan),
    ]
    return np.column_stack(columns)


@pytest.fixture(scope="module")
def table() -> TableProfile:
    return profile_features(planted(), NAMES, np.arange(CUT), np.arange(CUT, N))


def test_every_planted_fault_is_flagged_and_nothing_else(table: TableProfile) -> None:
    found = {name: [flag.kind.code for flag in flags] for name, flags in feature_flags(table).items()}
    walk = found.pop("walk")
    assert "unit_root" in walk
    assert set(walk) <= {"unit_root", "drifted", "unsteady"}  # a walk drifts as well
    assert "constant_in_train" in found.pop("wakes")
    assert found == {name: codes for name, codes in EXPECTED.items() if name in found}


def test_a_duplicate_names_the_earlier_feature_and_the_sign(table: TableProfile) -> None:
    (flag,) = feature_flags(table)["twin"]
    assert (flag.other, flag.evidence) == ("noise", "rank correlation -1.000 with noise")


def test_the_worst_come_first_and_the_clean_last(table: TableProfile) -> None:
    order = [table.features[i].name for i in worst_first(table, feature_flags(table))]
    assert order[:3] == ["empty", "constant", "wakes"]
    assert set(order[-2:]) == {"noise", "slow"}


def test_figures_of_a_short_table_are_those_of_all_rows(table: TableProfile) -> None:
    values = planted()
    for i in (0, 1, 5, 9):
        feature, own = table.features[i], values[:, i][np.isfinite(values[:, i])]
        np.testing.assert_array_equal(feature.quantiles, np.quantile(own, LEVELS))
        assert (feature.minimum, feature.maximum) == (own.min(), own.max())
        moments = own.mean(), own.std(), skew(own), kurtosis(own, fisher=False)
        assert (feature.mean, feature.std, feature.skew, feature.kurtosis) == pytest.approx(moments, rel=1e-10)
        train, test = values[:CUT, i], values[CUT:, i]
        train, test = train[np.isfinite(train)], test[np.isfinite(test)]
        assert (feature.psi, feature.ks) == (psi(train, test), kolmogorov_smirnov(train, test))
        assert feature.psi_within == psi(train[: train.size // 2], train[train.size // 2 :])


def test_autocorrelations_are_those_of_the_pairs(table: TableProfile) -> None:
    values = planted()
    for i in (1, 9):
        x = values[:, i] - np.nanmean(values[:, i])
        for lag, rho in zip(table.lags, table.features[i].autocorrelation, strict=True):
            both = np.isfinite(x[:-lag]) & np.isfinite(x[lag:])
            a, b = x[:-lag][both], x[lag:][both]
            assert rho == pytest.approx((a @ b) / math.sqrt((a @ a) * (b @ b)), abs=1e-12)
    assert table.lags == (1, 2, 5, 10, 30, 60, 120, 240, 480, 1440)


def test_what_is_missing_is_counted_on_every_row(table: TableProfile) -> None:
    absent = ~np.isfinite(planted())
    np.testing.assert_array_equal([feature.missing for feature in table.features], absent.mean(axis=0))
    by_time = table.missing * np.diff(table.time_bins)
    np.testing.assert_allclose(by_time.sum(axis=1), absent.sum(axis=0))
    assert [feature.first_row for feature in table.features][-3:] == [int(np.argmin(absent[:, -3])), 700, None]


def test_repeated_and_commonest_values() -> None:
    column = np.repeat(np.arange(50.0), 4)[:, None]
    column[::4] = 0.0
    (feature,) = profile_features(column, ["steps"], np.arange(100), np.arange(100, 200)).features
    assert feature.commonest == pytest.approx(53 / 200)
    assert feature.repeated == pytest.approx((2 * 49 + 3 + 1) / 199)


def test_the_same_table_gives_the_same_profile_from_memory_and_from_a_file(table: TableProfile, tmp_path: Path) -> None:
    np.save(tmp_path / "values.npy", planted())
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    again = profile_features(mapped, NAMES, np.arange(CUT), np.arange(CUT, N))
    assert repr(again) == repr(table)


def test_a_long_table_is_sampled_and_says_nearly_the_same() -> None:
    rng = np.random.default_rng(5)
    n = 400_000
    slow = np.convolve(rng.standard_normal(n + 59), np.full(60, 1 / 60), "valid")
    daily = np.cos(np.arange(n) * 2 * np.pi / 1440)
    values = np.column_stack([slow, daily])
    values[123_456, 0] = 40.0  # one row, which no sample need see
    half = n // 2
    first, second = profile_features(values, ["slow", "daily"], np.arange(half), np.arange(half, n)).features
    assert first.maximum == 40.0
    assert first.autocorrelation[[0, 4]] == pytest.approx([59 / 60, 0.5], abs=0.02)
    np.testing.assert_allclose(first.quantiles, np.quantile(slow, LEVELS), atol=0.01)
    np.testing.assert_allclose(second.quantiles, np.quantile(daily, LEVELS), atol=0.01)
    assert second.autocorrelation[-1] == pytest.approx(1.0)
    assert max(first.psi, second.psi) < 0.01


@pytest.mark.parametrize("scale", [1e-200, 1e150])
def test_extreme_scales_are_survived(scale: float) -> None:
    values = scale * planted()[:, :1]
    (feature,) = profile_features(values, ["x"], np.arange(CUT), np.arange(CUT, N)).features
    assert feature.kurtosis == pytest.approx(3, abs=0.3)
    assert feature.std == pytest.approx(scale, rel=0.05)


@pytest.mark.parametrize("n", [1, 2, 30])
def test_tiny_tables_have_a_profile(n: int) -> None:
    values = np.column_stack([np.arange(float(n)), np.full(n, np.nan)])
    table = profile_features(values, ["x", "y"], np.arange(n // 2), np.arange(n // 2, n))
    assert math.isnan(table.features[0].psi)
    assert len(feature_flags(table)) == 2


@pytest.mark.parametrize(
    ("names", "train", "said"),
    [(["x"], [0, 1], "shape"), (["x", "y"], [1, 0], "ascending"), (["x", "y"], [0, 5], "ascending"), (["x", "y"], [0, 0], "ascending")],
)
def test_names_and_blocks_that_do_not_fit_are_refused(names: list[str], train: list[int], said: str) -> None:
    with pytest.raises(ShapeError, match=said):
        profile_features(np.zeros((5, 2)), names, train, [4])


@given(st.integers(0, 5_000), st.integers(1, 400))
def test_sampled_rows_ascend_and_are_spread_evenly(n: int, most: int) -> None:
    for rows in (spread_rows(n, most), even_rows(n, most)):
        assert rows.size <= most
        assert ((rows >= 0) & (rows < n)).all()
        assert (np.diff(rows) > 0).all()
        assert rows.size == n or np.diff(rows).max(initial=0) <= 2 * n / most + 1


@given(st.integers(1, 5_000), st.integers(2, 40), st.integers(1, 60))
def test_stretches_lie_in_the_table_and_reach_both_ends(n: int, count: int, length: int) -> None:
    found = stretches(n, count, length)
    assert (found[0][0], found[-1][1]) == (0, n)
    assert all(0 <= start < end <= n for start, end in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))


def test_spread_rows_see_every_hour_of_a_day_alike() -> None:
    minute = spread_rows(1440 * 500, 5_000) % 1440
    counts = np.bincount(minute // 60, minlength=24)
    assert (counts.min(), counts.max()) == (pytest.approx(208, abs=12), pytest.approx(208, abs=12))
