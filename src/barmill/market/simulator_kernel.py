"""The simulator's recursion, one bar after another, compiled. All chance is drawn before and handed in."""

import numba
import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

# The logarithm of volatility is the sum of two autoregressions: memory and stationary standard deviation of each.
_SLOW_MEMORY, _SLOW_SPREAD = 0.9995, 0.40
_FAST_MEMORY, _FAST_SPREAD = 0.97, 0.30
_OVERSHOOT = 0.40  # a Brownian bar's high overshoots max(open, close) by 0.4 sigma on average (Feller 1951, mean range)


@numba.njit(cache=True)
def advance(
    shocks: Float64Array,
    tails: Float64Array,
    overshoots: Float64Array,
    jumps: Float64Array,
    gaps: Float64Array,
    season: Float64Array,
    parameters: Float64Array,
) -> Float64Array:
    """Prices, volatility and states of every bar.

    Parameters
    ----------
    shocks : (2, n) standard normal, of slow and fast volatility
    tails : (n,) returns' innovations, unit variance
    overshoots : (2, n) standard exponential, of high and low
    jumps, gaps : (n,) jumps within a bar and gaps before it, in units of volatility
    season : (n,) volatility of the hour, about 1
    parameters : first price, tick, sigma of a bar, smoothing of the mean, memory of the flow, reversion, flow

    Returns
    -------
    (7, n): open, high, low, close, sigma, d, f (see `simulator`); row t of d and f is known at the close of bar t.
    """
    first, tick, base, a, p, reversion, flow = parameters
    n = tails.size
    made = np.empty((7, n))
    slow = fast = d = f = 0.0
    slow_step = _SLOW_SPREAD * np.sqrt(1.0 - _SLOW_MEMORY**2)
    fast_step = _FAST_SPREAD * np.sqrt(1.0 - _FAST_MEMORY**2)
    lean = _SLOW_SPREAD**2 + _FAST_SPREAD**2
    last = np.log(max(round(first / tick), 1.0) * tick)
    mean = last
    for t in range(n):
        slow = _SLOW_MEMORY * slow + slow_step * shocks[0, t]
        fast = _FAST_MEMORY * fast + fast_step * shocks[1, t]
        sigma = base * season[t] * np.exp(slow + fast - lean)
        expected = -reversion * d + flow * f
        opened = max(round(np.exp(last + sigma * gaps[t]) / tick), 1.0)
        start = np.log(opened * tick)
        move = expected + sigma * (tails[t] + jumps[t])
        closed = max(round(np.exp(start + move) / tick), 1.0)
        up = np.exp(start + max(move, 0.0) + _OVERSHOOT * sigma * overshoots[0, t])
        down = np.exp(start + min(move, 0.0) - _OVERSHOOT * sigma * overshoots[1, t])
        high = max(round(up / tick), max(opened, closed))
        low = max(min(round(down / tick), min(opened, closed)), 1.0)
        x = np.log(closed * tick)
        mean += a * (x - mean)
        d = x - mean
        f = p * f + (1.0 - p) * (2.0 * x - np.log(high * tick) - np.log(low * tick))
        last = x
        made[0, t], made[1, t], made[2, t], made[3, t] = opened * tick, high * tick, low * tick, closed * tick
        made[4, t], made[5, t], made[6, t] = sigma, d, f
    return made
