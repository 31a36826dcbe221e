"""Liquidity is told in thirds of the rows that teach."""

import numpy as np

from barmill.models.expert.liquidity import cluster_of, fit_borders


def test_clusters_are_thirds_of_the_rows_that_fitted_them():
    borders = fit_borders(np.arange(10.0))
    np.testing.assert_array_equal(borders, [3.0, 6.0])
    np.testing.assert_array_equal(cluster_of([-5, 3.0, 3.5, 6.0, 6.5, 99], borders), [0, 0, 1, 1, 2, 2])
