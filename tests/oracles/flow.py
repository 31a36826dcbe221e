"""Flow window by window: the cumulative delta of the whole history, SciPy's regressions."""

import numpy as np
from scipy import stats

from oracles.book import balance
from oracles.cross_pair import correlation_of, log_change, log_return
from oracles.slow import per_window


def delta(b):
    return 2 * b.column("taker_buy_base") - b.volume


def cvd_slope(b, p):
    bars = np.arange(p.window)
    return per_window(lambda total, volume: stats.linregress(bars, total).slope / volume.mean(), p.window, np.cumsum(delta(b)), b.volume)


def cvd_zscore(b, p):
    return per_window(lambda total: stats.zscore(total)[-1], p.window, np.cumsum(delta(b)))


def cvd_divergence(b, p):
    change = np.diff(b.close, prepend=np.nan)
    return per_window(lambda d, v, c: d.sum() / v.sum() - c.sum() / np.abs(c).sum(), p.window, delta(b), b.volume, change)


def quadrant(b, p):
    out = np.full(len(b), np.nan)
    price, interest = b.close, b.column("open_interest")
    places = {(1, 1): 1.0, (-1, 1): 2.0, (-1, -1): 3.0, (1, -1): 4.0}
    for t in range(p.lag, len(b)):
        signs = np.sign(price[t] - price[t - p.lag]), np.sign(interest[t] - interest[t - p.lag])
        out[t] = places.get(signs, 0.0)
    return out


ORACLES = {
    "taker_delta": lambda b, p: delta(b) / b.volume,
    "cvd_slope": cvd_slope,
    "cvd_zscore": cvd_zscore,
    "cvd_divergence": cvd_divergence,
    "flow_correlation": lambda b, p: correlation_of(log_return(b.close), delta(b), p.window),
    "liquidation_imbalance": balance("short_liquidations", "long_liquidations"),
    "open_interest_change": lambda b, p: log_change(b.column("open_interest"), p.lag),
    "open_interest_quadrant": quadrant,
    "open_interest_correlation": lambda b, p: correlation_of(log_return(b.close), log_return(b.column("open_interest")), p.window),
}
