"""Rank correlations and clusters against SciPy, and on features whose likeness is known."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import spearmanr

from barmill.evaluation.feature_correlation import Correlations, correlations

Float64Array = npt.NDArray[np.float64]


def sample(n: int = 600) -> Float64Array:
    """Two groups of three, one of them with a member turned over; a feature of its own; a constant; a mostly missing one."""
    rng = np.random.default_rng(1)
    first, second, own, small = rng.standard_normal((4, n)), rng.standard_normal((4, n)), rng.standard_normal(n), 0.2
    a = [first[0] + small * part for part in first[1:]]
    b = [second[0] + small * second[1], -np.exp(second[0] + small * second[2]), second[0] + small * second[3]]
    missing = np.where(np.arange(n) < 0.6 * n, np.nan, first[0])
    return np.array([a[0], b[0], own, a[1], b[1], np.full(n, 3.0), a[2], b[2], missing])


@pytest.fixture(scope="module")
def found() -> Correlations:
    return correlations(sample())


def test_the_matrix_is_scipys(found: Correlations) -> None:
    compared = [0, 1, 2, 3, 4, 6, 7]
    theirs = spearmanr(sample()[compared], axis=1).statistic
    np.testing.assert_allclose(found.rho[np.ix_(compared, compared)], theirs, atol=1e-12)


def test_ties_share_their_rank() -> None:
    coarse = np.round(sample()[:4])
    np.testing.assert_allclose(correlations(coarse).rho, spearmanr(coarse, axis=1).statistic, atol=1e-12)


def test_clusters_are_the_groups_whatever_their_sign(found: Correlations) -> None:
    assert [set(members) for members in found.clusters] == [{0, 3, 6}, {1, 4, 7}]


def test_a_cluster_lies_together_in_the_order(found: Correlations) -> None:
    place = {int(feature): at for at, feature in enumerate(found.order)}
    assert sorted(place) == [0, 1, 2, 3, 4, 6, 7]
    for members in found.clusters:
        places = sorted(place[i] for i in members)
        assert places == list(range(places[0], places[0] + len(members)))


def test_a_constant_and_a_mostly_missing_feature_take_no_rows_from_the_others(found: Correlations) -> None:
    assert found.n_rows == 600
    assert np.isnan(found.rho[[5, 8]]).all()
    assert np.isnan(found.rho[:, [5, 8]]).all()


def test_rows_count_where_all_that_are_compared_have_values() -> None:
    holed = sample()[:4]
    holed[0, :100] = holed[2, 500:] = np.nan
    ours = correlations(holed)
    assert ours.n_rows == 400
    np.testing.assert_allclose(ours.rho, spearmanr(holed[:, 100:500], axis=1).statistic, atol=1e-12)


@pytest.mark.parametrize("given", [np.empty((3, 0)), sample(99), np.full((2, 500), np.nan)])
def test_too_few_rows_say_nothing(given: Float64Array) -> None:
    ours = correlations(given)
    assert (ours.order.size, ours.clusters) == (0, ())
    assert np.isnan(ours.rho).all()


def test_one_feature_is_no_cluster() -> None:
    ours = correlations(sample()[2:3])
    assert (ours.order.tolist(), ours.clusters) == ([0], ())
