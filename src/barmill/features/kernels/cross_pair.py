"""Two series side by side: how far each went, and how the one moves with the other.

Source: Sharpe (1963), Management Science 9(2); Lo & MacKinlay (1990), Review of Financial Studies 3(2) (lead and lag).
"""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, VOLUME, Float64Array, kernel

LOG_RETURN, TAKER_DELTA = 0, 1  # what a row is turned into before it is compared with the return of the close
EXPLAINED = 1e-12  # share of the variance left over below which the residual is rounding alone


@numba.njit(error_model="numpy")
def _push(ring: Float64Array, n: int, place: int, value: float) -> int:
    """Put `value` over the oldest; returns the place of the next one, which is where the window now starts."""
    ring[place] = value
    ring[place + n] = value
    return place + 1 if place + 1 < n else 0


@numba.njit(error_model="numpy")
def _sum(window: Float64Array) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = window.size - window.size % 4
    for i in range(0, whole, 4):
        a += window[i]
        b += window[i + 1]
        c += window[i + 2]
        d += window[i + 3]
    total = (a + b) + (c + d)
    for i in range(whole, window.size):
        total += window[i]
    return total


@numba.njit(error_model="numpy")
def _sum_of_products(first: Float64Array, first_centre: float, second: Float64Array, second_centre: float) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = first.size - first.size % 4
    for i in range(0, whole, 4):
        a += (first[i] - first_centre) * (second[i] - second_centre)
        b += (first[i + 1] - first_centre) * (second[i + 1] - second_centre)
        c += (first[i + 2] - first_centre) * (second[i + 2] - second_centre)
        d += (first[i + 3] - first_centre) * (second[i + 3] - second_centre)
    total = (a + b) + (c + d)
    for i in range(whole, first.size):
        total += (first[i] - first_centre) * (second[i] - second_centre)
    return total


@numba.njit(error_model="numpy")
def _varies(window: Float64Array) -> bool:
    """Whether not all values are equal; a rounded standard deviation cannot tell."""
    for i in range(1, window.size):  # noqa: SIM110  compiled code
        if window[i] != window[0]:
            return True
    return False


@numba.njit(error_model="numpy")
def _log_ratio(value: float, before: float) -> float:
    return math.log(value / before) if value > 0.0 and before > 0.0 else 0.0


@kernel("changes", ("other", "relative", "quadrant"), lambda params: 2 + 2 * int(params[0]))
def changes(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n; row of the other series. state: bars seen, place, the last n closes and values of the other.

    outputs, over n bars: the other's log change, the close's less it, and the quadrant of the two changes: 1 both up, 2 price
    down and other up, 3 both down, 4 price up and other down, 0 where either stood still.
    """
    n, row = int(params[0]), int(params[1])
    seen, place = state[0], int(state[1])
    closes, others = state[2 : 2 + n], state[2 + n :]
    for t in range(bars.shape[1]):
        close, other = bars[CLOSE, t], bars[row, t]
        change, relative, quadrant = np.nan, np.nan, np.nan
        if math.isfinite(other):
            close_before, other_before = closes[place], others[place]
            closes[place], others[place] = close, other
            place = place + 1 if place + 1 < n else 0
            if seen >= n:
                change = _log_ratio(other, other_before)
                relative = math.log(close / close_before) - change
                if close == close_before or other == other_before:
                    quadrant = 0.0
                elif other > other_before:
                    quadrant = 1.0 if close > close_before else 2.0
                else:
                    quadrant = 3.0 if close < close_before else 4.0
            seen += 1.0
        out[0, t], out[1, t], out[2, t] = change, relative, quadrant
    state[0], state[1] = seen, float(place)


def _pair_state(params: tuple[float, ...]) -> int:
    return 4 + 4 * int(params[0]) + int(params[1])


@kernel("pair", ("beta", "correlation", "residual", "residual_zscore"), _pair_state)
def pair(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, bars by which the other is ahead, what its row is turned into; the row.

    state: bars seen, place, last close, last value of the row, rings of the close's log returns and of the other, the `lag`
    values of the other whose turn is yet to come.
    outputs: slope, correlation, last residual of the regression on the other, and it in units of the residuals' deviation.
    """
    n, lag, kind, row = int(params[0]), int(params[1]), int(params[2]), int(params[3])
    seen, place, last, last_other = state[0], int(state[1]), state[2], state[3]
    own, other, waiting = state[4 : 4 + 2 * n], state[4 + 2 * n : 4 + 4 * n], state[4 + 4 * n :]
    for t in range(bars.shape[1]):
        close, value = bars[CLOSE, t], bars[row, t]
        beta, correlation, residual, zscore = np.nan, np.nan, np.nan, np.nan
        if math.isfinite(value):
            if seen > 0.0:
                x = _log_ratio(value, last_other) if kind == LOG_RETURN else 2.0 * value - bars[VOLUME, t]
                if lag > 0:
                    turn = int(seen) % lag
                    x, waiting[turn] = waiting[turn], x
                _push(other, n, place, x)
                place = _push(own, n, place, math.log(close / last))
            if seen >= n + lag:
                ours, theirs = own[place : place + n], other[place : place + n]
                beta, correlation, residual, zscore = 0.0, 0.0, 0.0, 0.0
                moving, varying = _varies(ours), _varies(theirs)
                if moving:
                    mean, mean_other = _sum(ours) / n, _sum(theirs) / n
                    total = _sum_of_products(ours, mean, ours, mean)
                    residual = ours[n - 1] - mean
                    left = total
                    if varying:
                        spread = _sum_of_products(theirs, mean_other, theirs, mean_other)
                        shared = _sum_of_products(ours, mean, theirs, mean_other)
                        if spread > 0.0 and total > 0.0:
                            beta = shared / spread
                            correlation = min(1.0, max(-1.0, shared / (math.sqrt(spread) * math.sqrt(total))))
                            residual -= beta * (theirs[n - 1] - mean_other)
                            left = total * (1.0 - correlation * correlation)
                    if left > EXPLAINED * total:
                        zscore = residual / math.sqrt(left / n)
            last, last_other = close, value
            seen += 1.0
        out[0, t], out[1, t], out[2, t], out[3, t] = beta, correlation, residual, zscore
    state[0], state[1], state[2], state[3] = seen, float(place), last, last_other


KERNELS = (changes, pair)
