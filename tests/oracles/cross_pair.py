"""Two series side by side, by pandas and SciPy, a window at a time."""

import numpy as np
import pandas as pd
from scipy import stats

from oracles.slow import per_window


def log_change(x, lag):
    return np.log(x) - pd.Series(np.log(x)).shift(lag).to_numpy()


def log_return(x):
    return log_change(x, 1)


def correlation_of(first, second, window):
    return pd.Series(first).rolling(window).corr(pd.Series(second)).to_numpy()


def residuals(own, other):
    line = stats.linregress(other, own)
    return own - (line.intercept + line.slope * other)


def beside(column, prefix):
    def returns(b):
        return log_return(b.close), log_return(b.column(column))

    def per_regression(function):
        return lambda b, p: per_window(function, p.window, *returns(b))

    def lead(b, p):
        own, other = returns(b)
        return correlation_of(own, pd.Series(other).shift(p.lag), p.window)

    return {
        f"{prefix}_return": lambda b, p: log_change(b.column(column), p.lag),
        f"{prefix}_relative_return": lambda b, p: log_change(b.close / b.column(column), p.lag),
        f"{prefix}_beta": per_regression(lambda own, other: stats.linregress(other, own).slope),
        f"{prefix}_correlation": lambda b, p: correlation_of(*returns(b), p.window),
        f"{prefix}_residual": per_regression(lambda own, other: residuals(own, other)[-1]),
        f"{prefix}_residual_zscore": per_regression(lambda own, other: residuals(own, other)[-1] / residuals(own, other).std()),
        f"{prefix}_lead": lead,
    }


ORACLES = beside("reference_close", "reference") | beside("second_reference_close", "second_reference")
