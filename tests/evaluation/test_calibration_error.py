import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import ShapeError
from barmill.evaluation import expected_calibration_error, reliability_curve, top_label_calibration_error

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


def test_invalid_arguments_raise():
    with pytest.raises(ShapeError, match="n_bins: is 0"):
        expected_calibration_error([0.5], [1], 0)
    with pytest.raises(ShapeError, match="no rows"):
        expected_calibration_error([], [], 5)
    with pytest.raises(ShapeError, match="overlap"):
        reliability_curve([0.5], [1], 5, overlap=0.5)
