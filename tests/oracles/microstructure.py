"""Slow versions of the microstructure family: straight from the formulas, bar by bar, with SciPy for the normal distribution."""

import math
from fractions import Fraction

import numpy as np
from scipy import stats

from oracles.slow import before, per_window, returns


def changes(b):
    return np.diff(b.close, prepend=np.nan)


def roll(d):
    """Of a window of changes; NumPy's sample covariance, each member about its own mean."""
    return 2.0 * math.sqrt(max(0.0, -np.cov(d[1:], d[:-1], ddof=1)[0, 1]))


def corwin_schultz(high, low):
    """Of n + 1 bars."""
    squares = np.log(high / low) ** 2
    beta = np.mean(squares[1:] + squares[:-1])
    gamma = math.log(max(high[-2:]) / min(low[-2:])) ** 2
    k = 3.0 - 2.0 * math.sqrt(2.0)
    alpha = max(0.0, (math.sqrt(2.0 * beta) - math.sqrt(beta)) / k - math.sqrt(gamma / k))
    return 2.0 * (math.exp(alpha) - 1.0) / (1.0 + math.exp(alpha))


def abdi_ranaldo(high, low, close):
    """Of n + 1 bars."""
    c, middle = np.log(close), (np.log(high) + np.log(low)) / 2.0
    return 2.0 * math.sqrt(max(0.0, np.mean((c[:-1] - middle[:-1]) * (c[:-1] - middle[1:]))))


def ticks(b):
    """The tick rule, 0 before the first change."""
    out = np.zeros(len(b.close))
    for t in range(1, len(out)):
        change = b.close[t] - b.close[t - 1]
        out[t] = math.copysign(1.0, change) if change else out[t - 1]
    return out


def given_back(b):
    return 2.0 * before(ticks(b)) * -returns(b)


def zero_return_spread(r):
    z = np.mean(r == 0.0)
    return 2.0 * np.std(r, ddof=1) * stats.norm.ppf((1.0 + z) / 2.0) if max(r) > min(r) else 0.0


def close_location(b, p):
    width = b.high - b.low
    return np.where(width > 0.0, (2.0 * b.close - b.high - b.low) / np.where(width > 0.0, width, 1.0), 0.0)


def bulk_signed(b, n):
    """Volume bought less sold by bulk classification, sigma about 0 over n changes; NaN before there are n."""
    sigma = per_window(lambda d: math.sqrt(np.mean(d * d)), n, changes(b))
    z = np.divide(changes(b), sigma, out=np.where(np.isnan(sigma), np.nan, 0.0), where=sigma > 0.0)
    return b.volume * (2.0 * stats.norm.cdf(z) - 1.0)


def taker_signed(b):
    return 2.0 * b.column("taker_buy_base") - b.volume


def share(signed, volume):
    return signed.sum() / volume.sum() if volume.sum() > 0.0 else 0.0


def intensity(b, counts, n):
    """Of the bars t - n + 1 .. t, whose time runs from the close of the bar before."""
    out = np.full(len(counts), np.nan)
    for t in range(n, len(out)):
        span = counts[t - n + 1 : t + 1].sum() / (b.close_time[t] - b.close_time[t - n])
        out[t] = counts[t] / (b.close_time[t] - b.close_time[t - 1]) / span if span > 0.0 else 1.0
    return out


def trade_size(b, p):
    def of(volume, trades):
        return volume[-1] / trades[-1] / (volume.sum() / trades.sum()) if trades[-1] > 0.0 and volume.sum() > 0.0 else 1.0

    return per_window(of, p.window, b.volume, b.column("trades"))


def amihud(b, p, relative):
    def of(r, turnover):
        traded = turnover > 0.0
        if not traded.any():
            return 0.0
        return np.mean(np.abs(r[traded]) / turnover[traded]) * (np.mean(turnover[traded]) if relative else 1.0)

    return per_window(of, p.window, np.expm1(returns(b)), b.close * b.volume)


def kyle(b, p, signed, relative):
    def of(x, y, volume, close):
        slope = np.polyfit(x, y, 1)[0] if max(x) > min(x) else 0.0
        return slope * (np.mean(volume) / close[-1] if relative else 1.0)

    # the first rows of x and y are undefined: polyfit would refuse them
    defined = ~np.isnan(signed) & ~np.isnan(changes(b))
    first = int(np.argmax(defined))
    out = np.full(len(signed), np.nan)
    out[first:] = per_window(of, p.window, *(column[first:] for column in (signed, changes(b), b.volume, b.close)))
    return out


def price_impact(b, p):
    def of(r, volume):
        if volume.sum() == 0.0:
            return 0.0
        x = np.sqrt(volume / volume.mean())[:, None]
        return np.linalg.lstsq(x, np.abs(r), rcond=None)[0][0]

    return per_window(of, p.window, returns(b), b.volume)


def pour(volume, signed, size, n_buckets):
    """|bought - sold| of each bucket and the bar that completed it, in exact fractions; the parts of a bar have its share."""
    filled, balance, out = Fraction(0), Fraction(0), []
    for t, (v, s) in enumerate(zip(map(Fraction, volume), map(Fraction, signed), strict=True)):
        left = v
        while left and len(out) < n_buckets:
            part = min(left, size - filled)
            balance += s * part / v
            filled += part
            left -= part
            if filled == size:
                out.append((t, abs(balance)))
                filled, balance = Fraction(0), Fraction(0)
    return out


def vpin(b, p, signed):
    """At a bar with whose close a stretch of bucket_bars minutes ends: of the window, in exact fractions; then held."""
    n = p.bucket_bars * p.n_buckets
    first = int(np.argmax(~np.isnan(signed))) + n - 1
    out, value = np.full(len(signed), np.nan), np.nan
    for t in range(first, len(out)):
        step = p.bucket_bars * int(b.close_time[t] - b.open_time[t])
        if t == first or b.close_time[t] // step > b.close_time[t - 1] // step:
            volume, balance = b.volume[t - n + 1 : t + 1].tolist(), signed[t - n + 1 : t + 1].tolist()
            total = sum(map(Fraction, volume))
            buckets = pour(volume, balance, total / p.n_buckets, p.n_buckets) if total else []
            value = float(sum(imbalance for _, imbalance in buckets) / total) if total else 0.0
        out[t] = value
    return out


ORACLES = {
    "roll_spread": lambda b, p: per_window(roll, p.window, changes(b)) / b.close,
    "roll_spread_price": lambda b, p: per_window(roll, p.window, changes(b)),
    "corwin_schultz_spread": lambda b, p: per_window(corwin_schultz, p.window + 1, b.high, b.low),
    "effective_spread": lambda b, p: per_window(abdi_ranaldo, p.window + 1, b.high, b.low, b.close),
    "realised_spread": lambda b, p: per_window(np.mean, p.window, given_back(b)),
    "zero_return_share": lambda b, p: per_window(lambda r: np.mean(r == 0.0), p.window, returns(b)),
    "zero_return_spread": lambda b, p: per_window(zero_return_spread, p.window, returns(b)),
    "tick_direction": lambda b, p: ticks(b),
    "tick_imbalance": lambda b, p: per_window(np.mean, p.window, ticks(b)),
    "close_location": close_location,
    "bulk_imbalance": lambda b, p: per_window(share, p.window, bulk_signed(b, p.window), b.volume),
    "taker_imbalance": lambda b, p: per_window(share, p.window, taker_signed(b), b.volume),
    "trade_intensity": lambda b, p: intensity(b, b.column("trades"), p.window),
    "volume_intensity": lambda b, p: intensity(b, b.volume, p.window),
    "trade_size": trade_size,
    "vpin": lambda b, p: vpin(b, p, bulk_signed(b, p.n_buckets)),
    "taker_vpin": lambda b, p: vpin(b, p, taker_signed(b)),
    "amihud": lambda b, p: amihud(b, p, relative=True),
    "amihud_money": lambda b, p: amihud(b, p, relative=False),
    "kyle_lambda": lambda b, p: kyle(b, p, bulk_signed(b, p.window), relative=True),
    "kyle_lambda_price": lambda b, p: kyle(b, p, bulk_signed(b, p.window), relative=False),
    "taker_kyle_lambda": lambda b, p: kyle(b, p, taker_signed(b), relative=True),
    "taker_kyle_lambda_price": lambda b, p: kyle(b, p, taker_signed(b), relative=False),
    "price_impact": price_impact,
}
