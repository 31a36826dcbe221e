"""Taker flow: the cumulative volume delta, and what the price made of it.

The delta of a bar is the volume that lifted offers less the volume that hit bids: 2·bought - volume. It is summed from the
window's start, so nothing depends on where the history began.

The moments of that running sum are put together from blocks of 1, 2, 4, ... bars, each with the sum that starts at its own first
bar: a block of 2h is that of the last h, lifted by the deltas of the h before, and that of those. The window is the blocks
that make up n; their order is fixed by n alone, so the same window gives the same bits.

Source: Easley, López de Prado & O'Hara (2012), Review of Financial Studies 25(5); Kaufman (1995), Smarter Trading (efficiency).
"""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, VOLUME, Float64Array, kernel
from barmill.features.kernels.rings import push, sum_of


@numba.njit(error_model="numpy")
def _running_sum(kept: Float64Array, n: int, seen: int, delta: float, volume: float) -> tuple[float, float, float, float, float]:
    """Take in a bar; of the running sum over the last n: its last value, its own sum, its squares about the mean, its products
    with the bars' numbers about both means; and the volume.

    seen : bars before this one
    kept : for lengths 1, 2, 4, ... one after another, the last 1, 2, 4, ... blocks of that length, these five numbers each
    """
    block_last, block_sum, block_squares, block_products, block_volume = delta, delta, 0.0, 0.0, volume
    last, total, squares, products, traded = 0.0, 0.0, 0.0, 0.0, 0.0
    covered, length = 0, 1
    while length <= n:
        place = 5 * (length - 1 + (seen & (length - 1)))
        before_last, before_sum, before_squares = kept[place], kept[place + 1], kept[place + 2]
        before_products, before_volume = kept[place + 3], kept[place + 4]
        kept[place], kept[place + 1], kept[place + 2] = block_last, block_sum, block_squares
        kept[place + 3], kept[place + 4] = block_products, block_volume
        if n & length:
            part = 5 * (length - 1 + ((seen - covered) & (length - 1)))
            if covered:
                apart = total / covered + kept[part] - kept[part + 1] / length
                weight = covered * length / (covered + length)
                squares += apart * apart * weight
                products += apart * (0.5 * covered * length)
            total += kept[part + 1] + covered * kept[part]
            last += kept[part]
            squares += kept[part + 2]
            products += kept[part + 3]
            traded += kept[part + 4]
            covered += length
        apart = (block_sum - before_sum) / length + before_last
        block_sum += before_sum + length * before_last
        block_last += before_last
        block_squares += before_squares + apart * apart * (0.5 * length)
        block_products += before_products + apart * (0.5 * length * length)
        block_volume += before_volume
        length *= 2
    return last, total, squares, products, traded


@kernel("taker_delta", ("taker_delta",), lambda _: 0)
def taker_delta(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: row of the volume bought by takers. No state. output: the bar's delta as a share of its volume."""
    row = int(params[0])
    for t in range(bars.shape[1]):
        bought, volume = bars[row, t], bars[VOLUME, t]
        value = np.nan
        if math.isfinite(bought):
            value = (2.0 * bought - volume) / volume if volume > 0.0 else 0.0
        out[0, t] = value


@kernel("cvd", ("slope", "zscore"), lambda params: 1 + 5 * (2 ** int(params[0]).bit_length() - 1))
def cvd(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n; row of the volume bought by takers. state: bars seen, blocks."""
    n, row = int(params[0]), int(params[1])
    seen, kept = int(state[0]), state[1:]
    spread = (n * n - 1.0) / 12.0  # variance of the numbers 1 .. n
    for t in range(bars.shape[1]):
        bought, volume = bars[row, t], bars[VOLUME, t]
        slope, zscore = np.nan, np.nan
        if math.isfinite(bought):
            last, total, squares, products, traded = _running_sum(kept, n, seen, 2.0 * bought - volume, volume)
            seen += 1
            if seen >= n:
                slope = products / spread / traded if traded > 0.0 else 0.0
                zscore = (last - total / n) / math.sqrt(squares / n) if squares > 0.0 else 0.0
        out[0, t], out[1, t] = slope, zscore
    state[0] = seen


@kernel("flow_divergence", ("divergence",), lambda params: 3 + 7 * int(params[0]))
def flow_divergence(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n; row of the volume bought by takers.

    state: bars seen, place, last close, rings of deltas, volumes and absolute changes, the last n closes.
    output: (sum of deltas)/(sum of volumes) - (close - close n bars ago)/(sum of absolute changes).
    """
    n, row = int(params[0]), int(params[1])
    seen, place, last = state[0], int(state[1]), state[2]
    deltas, volumes = state[3 : 3 + 2 * n], state[3 + 2 * n : 3 + 4 * n]
    moves, closes = state[3 + 4 * n : 3 + 6 * n], state[3 + 6 * n :]
    for t in range(bars.shape[1]):
        bought, volume, close = bars[row, t], bars[VOLUME, t], bars[CLOSE, t]
        value = np.nan
        if math.isfinite(bought):
            before = closes[place]
            closes[place] = close
            push(deltas, n, place, 2.0 * bought - volume)
            push(moves, n, place, abs(close - last))
            place = push(volumes, n, place, volume)
            if seen >= n:
                traded, moved = sum_of(volumes[place : place + n]), sum_of(moves[place : place + n])
                value = sum_of(deltas[place : place + n]) / traded if traded > 0.0 else 0.0
                if moved > 0.0:
                    value -= (close - before) / moved
            last = close
            seen += 1.0
        out[0, t] = value
    state[0], state[1], state[2] = seen, float(place), last


KERNELS = (taker_delta, cvd, flow_divergence)
