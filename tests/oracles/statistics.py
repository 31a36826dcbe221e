"""Moments of windows one by one."""

import numpy as np

from oracles.slow import of_returns


def standardised_moment(order):
    return lambda r: np.mean((r - r.mean()) ** order) / np.mean((r - r.mean()) ** 2) ** (order / 2)


ORACLES = {
    "return_mean": of_returns(np.mean),
    "return_std": of_returns(lambda r: np.std(r, ddof=1)),
    "return_skewness": of_returns(standardised_moment(3)),
    "return_kurtosis": of_returns(standardised_moment(4)),
}
