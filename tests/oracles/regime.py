"""Regimes from windows one by one; ranks by SciPy, the variance ratio as its paper writes it, the filter in logarithms."""

import math

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm, percentileofscore

from oracles.slow import before, per_window, returns


def percentile(b, p):
    """Mid-rank of the last realised volatility among those of the window."""
    volatility = per_window(lambda r: math.sqrt(np.mean(r**2)), p.window, returns(b))
    return per_window(lambda v: percentileofscore(v, v[-1], kind="mean", nan_policy="propagate") / 100, p.history, volatility)


def volatility_regime(b, p):
    rank = percentile(b, p)
    return np.where(rank < 0.25, -1.0, np.where(rank > 0.75, 1.0, 0.0))


def strength(b, p):
    return per_window(lambda r: np.sum(r) / np.sqrt(np.sum(r**2)), p.window, returns(b))


def trend_regime(b, p):
    t = strength(b, p)
    return np.where(t > 1, 1.0, np.where(t < -1, -1.0, 0.0))


def efficiency_ratio(b, p):
    way = per_window(np.sum, p.window, np.abs(b.close - before(b.close)))
    return np.abs(b.close - before(b.close, p.window)) / way


def lo_mackinlay(x, q):
    """The ratio less 1, and its statistic that holds though variances change, from n + 1 log prices."""
    n = len(x) - 1
    mean = (x[n] - x[0]) / n
    one = sum((x[k] - x[k - 1] - mean) ** 2 for k in range(1, n + 1)) / (n - 1)
    longer = sum((x[k] - x[k - q] - q * mean) ** 2 for k in range(q, n + 1)) / (q * (n - q + 1) * (1 - q / n))
    squares = (np.diff(x) - mean) ** 2
    delta = [n * np.sum(squares[j:] * squares[: n - j]) / np.sum(squares) ** 2 for j in range(1, q)]
    theta = sum((2 * (q - j) / q) ** 2 * delta[j - 1] for j in range(1, q))
    return longer / one - 1, math.sqrt(n) * (longer / one - 1) / math.sqrt(theta)


def variance_ratio(b, p):
    return per_window(lambda x: 1 + lo_mackinlay(x, p.span)[0], p.window + 1, np.log(b.close))


def structure_regime(b, p):
    z = per_window(lambda x: lo_mackinlay(x, p.span)[1], p.window + 1, np.log(b.close))
    return np.where(z > 1, 1.0, np.where(z < -1, -1.0, 0.0))


def filtered(n_states, args, fitted):
    """Probability of each state (n_bars, n_states), in logarithms; NaN until all arguments have a value."""
    numbers, d = list(fitted), len(args)

    def take(*shape):
        taken = [numbers.pop(0) for _ in range(math.prod(shape))]
        return np.array(taken).reshape(shape)

    start, trans = take(n_states), take(n_states, n_states)
    means, variances, centre, scale = take(n_states, d), take(n_states, d), take(d), take(d)
    out = np.full((len(args[0]), n_states), np.nan)
    last = None
    for t, row in enumerate(np.column_stack(args)):
        if not np.isfinite(row).all():
            continue
        density = norm.logpdf((row - centre) / scale, means, np.sqrt(variances)).sum(axis=1)
        coming = np.log(start) if last is None else logsumexp(last[:, None] + np.log(trans), axis=0)
        last = coming + density - logsumexp(coming + density)
        out[t] = np.exp(last)
    return out


ORACLES = {
    "volatility_percentile": percentile,
    "volatility_regime": volatility_regime,
    "trend_strength": strength,
    "trend_regime": trend_regime,
    "efficiency_ratio": efficiency_ratio,
    "variance_ratio": variance_ratio,
    "structure_regime": structure_regime,
    "composite_regime": lambda b, p, first, second: 3 * np.sign(first) + np.sign(second),
    "hmm_probability": lambda b, p, *args, fitted: filtered(p.states, args, fitted)[:, p.state],
    "hmm_expected_state": lambda b, p, *args, fitted: filtered(p.states, args, fitted) @ np.arange(p.states),
    "hmm_regime_probability": lambda b, p, *args, fitted: filtered(p.states, args, fitted)[:, p.state],
    "markov_switching_probability": lambda b, p, *args, fitted: filtered(p.states, args, fitted)[:, p.state],
    "markov_switching_expected_state": lambda b, p, *args, fitted: filtered(p.states, args, fitted) @ np.arange(p.states),
}
