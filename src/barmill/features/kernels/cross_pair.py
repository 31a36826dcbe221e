"""Two series side by side: how far each went, and how the one moves with the other.

Moments of the last n pairs are put together from blocks of 1, 2, 4, ... pairs: a block of 2h is that of the last h and that of
the h before, which was kept. The window is those blocks that make up n. So a bar costs log n steps whose order is fixed by n
alone: the same window gives the same bits, and nothing drifts. Blocks that reach before the first pair hold zeros; none of
them is part of a full window.

Source: Sharpe (1963), Management Science 9(2); Lo & MacKinlay (1990), Review of Financial Studies 3(2) (lead and lag); Chan,
Golub & LeVeque (1983), The American Statistician 37(3) (merging the moments of two samples).
"""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, VOLUME, Float64Array, kernel

LOG_RETURN, TAKER_DELTA = 0, 1  # what a row is turned into before it is compared with the return of the close
EXPLAINED = 1e-12  # share of the variance left over below which the residual is rounding alone


@numba.njit(error_model="numpy")
def _moments(kept: Float64Array, n: int, seen: int, x: float, y: float) -> tuple[float, float, float, float, float]:
    """Take in a pair; sums of the last n x and y, of their squares about the means, and of the products.

    seen : pairs before this one
    kept : for lengths 1, 2, 4, ... one after another, the last 1, 2, 4, ... blocks of that length, five numbers each
    """
    block_x, block_y, block_xx, block_yy, block_xy = x, y, 0.0, 0.0, 0.0
    sum_x, sum_y, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0
    covered, length = 0, 1
    while length <= n:
        place = 5 * (length - 1 + (seen & (length - 1)))
        before_x, before_y, before_xx = kept[place], kept[place + 1], kept[place + 2]
        before_yy, before_xy = kept[place + 3], kept[place + 4]
        kept[place], kept[place + 1], kept[place + 2], kept[place + 3], kept[place + 4] = block_x, block_y, block_xx, block_yy, block_xy
        if n & length:
            part = 5 * (length - 1 + ((seen - covered) & (length - 1)))
            if covered:
                weight = covered * length / (covered + length)
                apart_x, apart_y = sum_x / covered - kept[part] / length, sum_y / covered - kept[part + 1] / length
                xx += apart_x * apart_x * weight
                yy += apart_y * apart_y * weight
                xy += apart_x * apart_y * weight
            sum_x += kept[part]
            sum_y += kept[part + 1]
            xx += kept[part + 2]
            yy += kept[part + 3]
            xy += kept[part + 4]
            covered += length
        apart_x, apart_y, weight = block_x - before_x, block_y - before_y, 0.5 / length
        block_x, block_y = block_x + before_x, block_y + before_y
        block_xx += before_xx + apart_x * apart_x * weight
        block_yy += before_yy + apart_y * apart_y * weight
        block_xy += before_xy + apart_x * apart_y * weight
        length *= 2
    return sum_x, sum_y, xx, yy, xy


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
    return 7 + int(params[1]) + 5 * (2 ** int(params[0]).bit_length() - 1)


@kernel("pair", ("beta", "correlation", "residual", "residual_zscore"), _pair_state)
def pair(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, bars by which the other is ahead, what its row is turned into; the row.

    state: bars seen; last close and last value of the row; the last pair, and for how many pairs each of the two has not
    changed; the `lag` values of the other whose turn is yet to come; blocks.
    outputs: slope, correlation, last residual of the regression on the other, and it in units of the residuals' deviation.
    """
    n, lag, kind, row = int(params[0]), int(params[1]), int(params[2]), int(params[3])
    seen, last, last_value, last_x, last_y, same_x, same_y = int(state[0]), state[1], state[2], state[3], state[4], state[5], state[6]
    waiting, kept = state[7 : 7 + lag], state[7 + lag :]
    for t in range(bars.shape[1]):
        close, value = bars[CLOSE, t], bars[row, t]
        beta, correlation, residual, zscore = np.nan, np.nan, np.nan, np.nan
        if math.isfinite(value):
            if seen > 0:
                x = math.log(close / last)
                y = _log_ratio(value, last_value) if kind == LOG_RETURN else 2.0 * value - bars[VOLUME, t]
                if lag > 0:
                    turn = seen % lag
                    y, waiting[turn] = waiting[turn], y
                same_x = same_x + 1.0 if x == last_x else 1.0
                same_y = same_y + 1.0 if y == last_y else 1.0
                last_x, last_y = x, y
                sum_x, sum_y, xx, yy, xy = _moments(kept, n, seen - 1, x, y)
                if seen >= n + lag:
                    beta, correlation, residual, zscore = 0.0, 0.0, 0.0, 0.0
                    if same_x < n and xx > 0.0:  # of equal numbers a rounded deviation may be left
                        residual = x - sum_x / n
                        left = xx
                        if same_y < n and yy > 0.0:
                            beta = xy / yy
                            correlation = min(1.0, max(-1.0, xy / (math.sqrt(yy) * math.sqrt(xx))))
                            residual -= beta * (y - sum_y / n)
                            left = xx * (1.0 - correlation * correlation)
                        if left > EXPLAINED * xx:
                            zscore = residual / math.sqrt(left / n)
            last, last_value = close, value
            seen += 1
        out[0, t], out[1, t], out[2, t], out[3, t] = beta, correlation, residual, zscore
    state[0], state[1], state[2], state[3], state[4], state[5], state[6] = seen, last, last_value, last_x, last_y, same_x, same_y


KERNELS = (changes, pair)
