import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from barmill.errors import ShapeError
from barmill.evaluation import brier_decomposition

ROWS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=60)
BINNINGS = ("equal_width", "equal_mass")


@given(ROWS, st.integers(1, 12), st.sampled_from(BINNINGS))
def test_the_five_parts_add_up_to_the_brier_score(rows, n_bins, binning):
    p, y = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    parts = brier_decomposition(p, y, n_bins, binning)
    within = parts.within_variance - parts.within_covariance
    assert parts.reliability - parts.resolution + parts.uncertainty + within == pytest.approx(parts.brier, abs=1e-13)
    assert parts.reliability - parts.generalised_resolution + parts.uncertainty == pytest.approx(parts.brier, abs=1e-13)
    assert parts.brier == pytest.approx(brier_score_loss(y, p, pos_label=1), abs=1e-13)
    assert min(parts.reliability, parts.resolution, parts.uncertainty, parts.within_variance) >= 0


def test_six_rows_by_hand():
    # bins {0.2, 0.2, 0.5} of mean 0.3, share 1/3, and {0.6, 0.9, 0.9} of mean 0.8, share 2/3
    parts = brier_decomposition([0.2, 0.2, 0.5, 0.6, 0.9, 0.9], [0, 0, 1, 1, 0, 1], 2)
    assert parts.reliability == pytest.approx(((0.3 - 1 / 3) ** 2 + (0.8 - 2 / 3) ** 2) / 2)
    assert parts.resolution == pytest.approx((1 / 6) ** 2)
    assert parts.uncertainty == pytest.approx(0.25)
    assert parts.within_variance == pytest.approx((4 * 0.01 + 2 * 0.04) / 6)
    assert parts.within_covariance == pytest.approx(2 * (0.1 / 3 + 0.1 / 3 + 0.2 * 2 / 3 - 0.2 / 3 - 0.1 * 2 / 3 + 0.1 / 3) / 6)


def test_forecasts_alike_in_each_bin_leave_murphys_three_parts():
    rng = np.random.default_rng(0)
    p = rng.choice([0.1, 0.4, 0.8], 500)
    parts = brier_decomposition(p, rng.uniform(size=500) < p, 10)
    assert parts.within_variance == pytest.approx(0, abs=1e-30)
    assert parts.within_covariance == pytest.approx(0, abs=1e-15)


def test_the_base_rate_for_every_row_has_no_reliability_to_mend_and_no_resolution():
    parts = brier_decomposition(np.full(8, 0.25), [1, 0, 0, 0] * 2, 10)
    assert (parts.reliability, parts.resolution) == (0, 0)
    assert parts.brier == pytest.approx(parts.uncertainty) == pytest.approx(3 / 16)


def test_bad_arguments_are_refused():
    with pytest.raises(ShapeError, match="p: has no rows"):
        brier_decomposition([], [])
    with pytest.raises(ShapeError, match="n_bins: is 0"):
        brier_decomposition([0.5], [1], 0)
