"""What the slow versions have in common: windows taken one by one, and the returns of the closes."""

import numpy as np


def per_window(function, n, *columns):
    """`function` of the last n values of each column; NaN before."""
    out = np.full(len(columns[0]), np.nan)
    for t in range(n - 1, len(out)):
        out[t] = function(*(column[t - n + 1 : t + 1] for column in columns))
    return out


def returns(b):
    """ln(C/C₋₁), NaN on the first bar."""
    return np.diff(np.log(b.close), prepend=np.nan)


def of_returns(function):
    """The oracle that gives `function` of the last `window` returns."""
    return lambda b, p: per_window(function, p.window, returns(b))


def before(x, n=1):
    """The value of n bars before; NaN where there is none."""
    return np.concatenate([np.full(n, np.nan), x[:-n]])
