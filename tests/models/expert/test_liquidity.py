"""Liquidity is told by what was traded of late, and by nothing later."""

import numpy as np
import pytest

from barmill.errors import InputError, ShapeError
from barmill.models.expert.liquidity import cluster_of, fit_borders, trailing_traded_value


def test_the_trailing_median_is_that_of_each_window():
    rng = np.random.default_rng(0)
    close, volume = rng.uniform(90, 110, 60), rng.exponential(size=60)
    found = trailing_traded_value(close, volume, 7)
    slow = [np.nan] * 6 + [float(np.median((close * volume)[t - 6 : t + 1])) for t in range(6, 60)]
    np.testing.assert_array_equal(found, slow)


def test_what_comes_later_changes_nothing():
    rng = np.random.default_rng(0)
    close, volume = rng.uniform(90, 110, 60), rng.exponential(size=60)
    whole = trailing_traded_value(close, volume, 5)
    for cut in (5, 17, 59):
        np.testing.assert_array_equal(trailing_traded_value(close[:cut], volume[:cut], 5), whole[:cut])


def test_clusters_are_thirds_of_the_rows_that_fitted_them():
    borders = fit_borders(np.arange(10.0))
    np.testing.assert_array_equal(borders, [3.0, 6.0])
    np.testing.assert_array_equal(cluster_of([-5, 3.0, 3.5, 6.0, 6.5, 99], borders), [0, 0, 1, 1, 2, 2])


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ShapeError, match="close and volume of one shape"):
        trailing_traded_value([1.0], [1.0, 2.0], 1)
    with pytest.raises(InputError, match="window: 0"):
        trailing_traded_value([1.0], [1.0], 0)
