import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import ShapeError
from barmill.evaluation import (
    debiased_calibration_error,
    expected_calibration_error,
    reliability_curve,
    top_label_calibration_error,
)
from barmill.evaluation.probability_bins import binned

ROWS = st.lists(st.tuples(st.integers(0, 20).map(lambda k: k / 20), st.integers(0, 1)), min_size=1, max_size=60)


def slow_errors(p, y, n_bins):
    """The definition, with exact fractions for the edges: p here is a whole number of twentieths."""
    gaps, counts = [], []
    for k in range(1, n_bins + 1):
        twentieths = [round(value * 20) for value in p]
        inside = [i for i, m in enumerate(twentieths) if m * n_bins <= k * 20 and (m * n_bins > (k - 1) * 20 or (k == 1 and m == 0))]
        if inside:
            gaps.append(abs(np.mean([p[i] for i in inside]) - np.mean([y[i] for i in inside])))
            counts.append(len(inside))
    weights = np.array(counts) / len(p)
    return float(weights @ gaps), max(gaps), float(np.sqrt(weights @ np.square(gaps)))


@given(ROWS, st.sampled_from([1, 2, 4, 5, 10, 20]))
def test_errors_are_the_definition_on_every_edge(rows, n_bins):
    p, y = [row[0] for row in rows], [row[1] for row in rows]
    assert expected_calibration_error(p, y, n_bins) == pytest.approx(slow_errors(p, y, n_bins), abs=1e-12)


@pytest.mark.parametrize("n_bins", range(1, 61))
def test_a_forecast_on_an_edge_belongs_to_the_bin_below(n_bins):
    edges = [k / n_bins for k in range(1, n_bins + 1)]
    assert reliability_curve(edges, [1] * n_bins, n_bins).count.tolist() == [1] * n_bins  # 0.55 * 20 is above 11


def test_four_rows_by_hand():
    # bins of a half: {0.0, 0.5} with share 0.5 and mean 0.25; {0.6, 1.0} with share 1 and mean 0.8
    ece, mce, rmsce = expected_calibration_error([0.0, 0.5, 0.6, 1.0], [0, 1, 1, 1], 2)
    assert ece == pytest.approx((0.25 + 0.2) / 2)
    assert mce == pytest.approx(0.25)
    assert rmsce == pytest.approx(np.sqrt((0.0625 + 0.04) / 2))


def test_the_top_label_error_is_another_quantity():
    p = np.array([0.3, 0.3, 0.3])
    y = np.array([0, 0, 1])
    assert expected_calibration_error(p, y, 10).ece == pytest.approx(1 / 3 - 0.3)
    assert top_label_calibration_error(np.column_stack((1 - p, p)), y, 10).ece == pytest.approx(0.7 - 2 / 3)
    mixed = np.array([0.3, 0.7])
    assert expected_calibration_error(mixed, [0, 0], 10).ece == pytest.approx(0.5)
    assert top_label_calibration_error(np.column_stack((1 - mixed, mixed)), [0, 0], 10).ece == pytest.approx(0.2)


def test_three_classes_count_the_likeliest():
    P = [[0.2, 0.3, 0.5], [0.5, 0.4, 0.1]]
    assert top_label_calibration_error(P, [2, 1], 1).ece == pytest.approx(0.0)


def test_bins_of_equal_mass_hold_as_many_rows_each_as_ties_allow():
    rng = np.random.default_rng(0)
    assert binned(rng.uniform(size=100), np.ones(100), 10, "equal_mass").count.tolist() == [10] * 10
    assert binned(rng.uniform(size=10), np.ones(10), 4, "equal_mass").count.tolist() == [3, 2, 3, 2]  # up to the ranks 3, 5, 8, 10
    tied = binned([0.1] * 6 + [0.2, 0.3, 0.4, 0.5], np.ones(10), 5, "equal_mass")
    assert tied.count.tolist() == [6, 2, 2]
    np.testing.assert_allclose(tied.mean_p, [0.1, 0.25, 0.45])
    assert binned([0.5], [1], 7, "equal_mass").count.tolist() == [1]


@given(ROWS, st.integers(1, 12))
def test_bins_of_equal_mass_cut_the_sorted_rows_and_never_a_tie(rows, n_bins):
    p, y = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    bins = binned(p, y, n_bins, "equal_mass")
    ranks = np.ceil(np.arange(1, n_bins + 1) * len(p) / n_bins).astype(int)
    edges = np.unique(np.sort(p)[ranks - 1])
    oracle = np.array([int((edges < value).sum()) for value in p])
    np.testing.assert_array_equal(bins.place, oracle)
    assert bins.count.sum() == len(p)
    assert (bins.count > 0).all()
    assert (np.diff(bins.mean_p) > 0).all()


def test_forecasts_that_crowd_show_their_error_in_bins_of_equal_mass():
    rng = np.random.default_rng(0)
    p = np.concatenate([rng.uniform(0.501, 0.51, 500), rng.uniform(0.51, 0.519, 500)])
    y = np.concatenate([np.zeros(500), np.ones(500)])
    assert expected_calibration_error(p, y, 10).ece < 0.02
    assert expected_calibration_error(p, y, 10, "equal_mass").ece > 0.4
    P = np.column_stack((1 - p, p))
    assert top_label_calibration_error(P, y, 10, "equal_mass") == expected_calibration_error(p, y, 10, "equal_mass")


def test_of_calibrated_forecasts_the_debiased_error_is_zero_on_average_where_the_plain_one_is_not():
    rng = np.random.default_rng(0)
    plain, debiased = [], []
    for _ in range(400):
        p = rng.beta(8, 8, 300)
        y = rng.uniform(size=300) < p
        plain.append(expected_calibration_error(p, y, 15, "equal_mass").rmsce ** 2)
        debiased.append(debiased_calibration_error(p, y, 15).squared)
    chance = np.std(debiased) / np.sqrt(len(debiased))
    assert abs(np.mean(debiased)) < 3 * chance
    assert np.mean(plain) > 50 * chance
    assert np.mean(plain) == pytest.approx(15 * (4 / 17) / 300, rel=0.1)  # bins times E p(1 - p) = 4/17 over the rows


def test_of_a_planted_error_the_debiased_one_is_its_square_on_average():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(400):
        p = rng.choice([0.3, 0.5, 0.7], 300)
        found.append(debiased_calibration_error(p, rng.uniform(size=300) < p + 0.1, 3).squared)
    assert np.mean(found) == pytest.approx(0.01, abs=3 * np.std(found) / 20)


def test_outcomes_that_rows_share_are_no_evidence_twice():
    rng = np.random.default_rng(2)
    naive, aware = [], []
    for _ in range(300):
        p = np.repeat(rng.uniform(0.3, 0.7, 60), 10)
        y = np.repeat(rng.uniform(size=60) < p[::10], 10)
        naive.append(debiased_calibration_error(p, y, 5).squared)
        aware.append(debiased_calibration_error(p, y, 5, overlap=10).squared)
    chance = np.std(aware) / np.sqrt(len(aware))
    assert abs(np.mean(aware)) < 3 * chance
    assert np.mean(naive) > 10 * chance


def test_four_rows_by_hand_without_bias():
    # one bin: mean p 0.5, share 0.75; 1/16 less 3/16 over 3
    found = debiased_calibration_error([0.5, 0.5, 0.5, 0.5], [1, 1, 1, 0], 4)
    assert found.squared == pytest.approx(0.0, abs=1e-15)
    assert debiased_calibration_error([0.5, 0.5, 0.5], [1, 1, 1], 1) == pytest.approx((0.25, 0.5))
    assert debiased_calibration_error([0.5, 0.5, 0.5, 0.5], [1, 0, 1, 0], 1).rmsce == 0.0
    assert np.isnan(debiased_calibration_error([0.1, 0.9], [0, 1], 2)).all()
    assert np.isnan(debiased_calibration_error([0.5, 0.5], [0, 1], 1, overlap=2)).all()


def test_invalid_arguments_raise():
    with pytest.raises(ShapeError, match="n_bins: is 0"):
        expected_calibration_error([0.5], [1], 0)
    with pytest.raises(ShapeError, match="no rows"):
        expected_calibration_error([], [], 5)
    with pytest.raises(ShapeError, match="overlap"):
        reliability_curve([0.5], [1], 5, overlap=0.5)
    with pytest.raises(ShapeError, match=r"overlap: is 0\.5"):
        debiased_calibration_error([0.5], [1], 5, overlap=0.5)
    with pytest.raises(ShapeError, match="binning: is 'by_rank'; expected equal_width or equal_mass"):
        expected_calibration_error([0.5], [1], 5, "by_rank")
