"""Quantities of spreads, order flow and price impact that are sums over the last n bars (`lanes.py`).

The first value of a history is 0 where a change is meant, and is never in a full window.
"""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, CLOSE_TIME, HIGH, LOW, VOLUME, Float64Array, kernel
from barmill.features.kernels.lanes import keep, move_on, recall, tile_of, window_sums

ONE_AND_ROOT = 1.0 + math.sqrt(2.0)  # as 3 - 2√2 = (√2 - 1)², Corwin and Schultz's α is (1 + √2)(√β - √γ)
HALF = math.sqrt(0.5)

BULK, TAKERS = 0, 1  # what tells bought from sold
PER_TIME, PER_TRADE = 0, 1


@numba.njit(error_model="numpy")
def _sums(lanes: Float64Array, n: int, size: int, work: Float64Array, sums: Float64Array) -> None:
    """sums[k, i] = lanes[k, i] + ... + lanes[k, i + n - 1] for i below `size`; `work` is as long as a lane."""
    for k in range(lanes.shape[0]):
        window_sums(lanes[k], n, size, work, sums[k])


@numba.njit(error_model="numpy")
def _begin(values: Float64Array, seen: float) -> int:
    """The first bar that counts: a row may begin with NaN."""
    t = 0
    while seen == 0.0 and t < values.size and math.isnan(values[t]):
        t += 1
    return t


@kernel("corwin_schultz_spread", ("corwin_schultz_spread",), lambda params: 3 + int(params[0]))
def corwin_schultz_spread(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, last high, last low, last squared log range, lane of the sums of two neighbours' squares."""
    n, n_bars = int(params[0]), bars.shape[1]
    seen, last_high, last_low, last_square = state[0], state[1], state[2], state[3]
    tile = tile_of(n, n_bars)
    lanes, work, sums, ranges = recall(state[4:], 1, n, tile), np.empty(n - 1 + tile), np.empty((1, tile)), np.empty(tile)
    for start in range(0, n_bars, tile):
        size = min(tile, n_bars - start)
        for i in range(size):
            high, low = bars[HIGH, start + i], bars[LOW, start + i]
            square = math.log(high / low) ** 2
            lanes[0, n - 1 + i] = square + last_square
            ranges[i] = math.log(max(high, last_high) / min(low, last_low))  # √γ
            last_high, last_low, last_square = high, low, square
        _sums(lanes, n, size, work, sums)
        for i in range(size):
            alpha = ONE_AND_ROOT * (math.sqrt(sums[0, i] / n) - ranges[i])
            value = 2.0 * math.tanh(0.5 * alpha) if alpha > 0.0 else 0.0  # 2(e^α - 1)/(1 + e^α)
            out[0, start + i] = value if seen + i >= n else np.nan
        move_on(lanes, n, size)
        seen += size
    keep(state[4:], lanes, n)
    state[0], state[1], state[2], state[3] = seen, last_high, last_low, last_square


@kernel("effective_spread", ("effective_spread",), lambda params: 2 + int(params[0]))
def effective_spread(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, last close, its log distance from the middle of its bar, lane of products."""
    n, n_bars = int(params[0]), bars.shape[1]
    seen, last, own = state[0], state[1], state[2]
    tile = tile_of(n, n_bars)
    lanes, work, sums = recall(state[3:], 1, n, tile), np.empty(n - 1 + tile), np.empty((1, tile))
    for start in range(0, n_bars, tile):
        size = min(tile, n_bars - start)
        for i in range(size):
            high, low, close = bars[HIGH, start + i], bars[LOW, start + i], bars[CLOSE, start + i]
            lanes[0, n - 1 + i] = own * 0.5 * math.log((last / high) * (last / low)) if seen + i > 0 else 0.0
            last, own = close, 0.5 * math.log((close / high) * (close / low))
        _sums(lanes, n, size, work, sums)
        for i in range(size):
            out[0, start + i] = 2.0 * math.sqrt(max(0.0, sums[0, i] / n)) if seen + i >= n else np.nan
        move_on(lanes, n, size)
        seen += size
    keep(state[3:], lanes, n)
    state[0], state[1], state[2] = seen, last, own


@kernel("realised_spread", ("realised_spread",), lambda params: 2 + int(params[0]))
def realised_spread(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, last close, sign of the last change (0 before the first), lane of what was given back."""
    n, n_bars = int(params[0]), bars.shape[1]
    seen, last, sign = state[0], state[1], state[2]
    tile = tile_of(n, n_bars)
    lanes, work, sums = recall(state[3:], 1, n, tile), np.empty(n - 1 + tile), np.empty((1, tile))
    for start in range(0, n_bars, tile):
        size = min(tile, n_bars - start)
        for i in range(size):
            close = bars[CLOSE, start + i]
            lanes[0, n - 1 + i] = -2.0 * sign * math.log(close / last) if seen + i > 0 else 0.0
            if seen + i > 0 and close != last:
                sign = 1.0 if close > last else -1.0
            last = close
        _sums(lanes, n, size, work, sums)
        for i in range(size):
            out[0, start + i] = sums[0, i] / n if seen + i > n else np.nan
        move_on(lanes, n, size)
        seen += size
    keep(state[3:], lanes, n)
    state[0], state[1], state[2] = seen, last, sign


@kernel("imbalance", ("imbalance",), lambda params: 3 * int(params[0]) - 1)
def imbalance(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing was traded, BULK or TAKERS, row of what takers bought where they tell.

    state: bars seen, last close, lanes of squared changes, of bought less sold, of volumes. Bought less sold is in bulk
    classification, as a share of the volume, 2Φ(z) - 1 = erf(z/√2).
    """
    n, undefined, bulk, n_bars = int(params[0]), params[1], params[2] == BULK, bars.shape[1]
    bought = bars[VOLUME if bulk else int(params[3])]
    warm = 2 * n - 1 if bulk else n - 1  # in bulk the oldest bar of the window has n changes behind it
    seen, last = state[0], state[1]
    tile, begin = tile_of(n, n_bars), _begin(bought, seen)
    out[0, :begin] = np.nan
    lanes, work, sums = recall(state[2:], 3, n, tile), np.empty(n - 1 + tile), np.empty((2, tile))
    for start in range(begin, n_bars, tile):
        size = min(tile, n_bars - start)
        for i in range(size):
            volume = bars[VOLUME, start + i]
            change = bars[CLOSE, start + i] - last if bulk and seen + i > 0 else 0.0
            lanes[0, n - 1 + i], lanes[2, n - 1 + i] = change * change, volume
            lanes[1, n - 1 + i] = change if bulk else 2.0 * bought[start + i] - volume
            last = bars[CLOSE, start + i]
        if bulk:
            _sums(lanes[:1], n, size, work, sums)
            for i in range(size):
                sigma = math.sqrt(sums[0, i] / n)
                lanes[1, n - 1 + i] = lanes[2, n - 1 + i] * math.erf(lanes[1, n - 1 + i] / sigma * HALF) if sigma > 0.0 else 0.0
        _sums(lanes[1:], n, size, work, sums)
        for i in range(size):
            value = sums[0, i] / sums[1, i] if sums[1, i] > 0.0 else undefined
            out[0, start + i] = value if seen + i >= warm else np.nan
        move_on(lanes, n, size)
        seen += size
    keep(state[2:], lanes, n)
    state[0], state[1] = seen, last


@kernel("rate", ("rate",), lambda params: 2 * int(params[0]))
def rate(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing was traded, PER_TIME or PER_TRADE, row of what is counted per time or of the trades.

    state: bars seen, last close time, lanes of what is counted, of what it is counted per. The output is a multiple of that of the
    window as a whole. A bar's time runs from the close of the bar before it, so that a gap is time without trades.
    """
    n, undefined, per_time, given, n_bars = int(params[0]), params[1], params[2] == PER_TIME, bars[int(params[3])], bars.shape[1]
    warm = n if per_time else n - 1
    seen, last = state[0], state[1]
    tile, begin = tile_of(n, n_bars), _begin(given, seen)
    out[0, :begin] = np.nan
    lanes, work, sums = recall(state[2:], 2, n, tile), np.empty(n - 1 + tile), np.empty((2, tile))
    for start in range(begin, n_bars, tile):
        size = min(tile, n_bars - start)
        for i in range(size):
            now = bars[CLOSE_TIME, start + i]
            lanes[0, n - 1 + i] = given[start + i] if per_time else bars[VOLUME, start + i]
            lanes[1, n - 1 + i] = now - last if per_time else given[start + i]
            last = now
        _sums(lanes, n, size, work, sums)
        for i in range(size):
            value = undefined
            if sums[0, i] > 0.0 and lanes[1, n - 1 + i] > 0.0:
                value = (lanes[0, n - 1 + i] / lanes[1, n - 1 + i]) / (sums[0, i] / sums[1, i])
            out[0, start + i] = value if seen + i >= warm else np.nan
        move_on(lanes, n, size)
        seen += size
    keep(state[2:], lanes, n)
    state[0], state[1] = seen, last


@kernel("amihud", ("money", "relative"), lambda params: 3 * int(params[0]) - 1)
def amihud(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing was traded. state: bars seen, last close, lanes of ratios, of turnover, of bars with volume.

    outputs: |return| per unit of money traded, |return| per mean turnover of a bar; both over the bars with volume.
    """
    n, undefined, n_bars = int(params[0]), params[1], bars.shape[1]
    seen, last = state[0], state[1]
    tile = tile_of(n, n_bars)
    lanes, work, sums = recall(state[2:], 3, n, tile), np.empty(n - 1 + tile), np.empty((3, tile))
    for start in range(0, n_bars, tile):
        size = min(tile, n_bars - start)
        for i in range(size):
            close = bars[CLOSE, start + i]
            turnover = close * bars[VOLUME, start + i]
            lanes[0, n - 1 + i] = abs(close / last - 1.0) / turnover if turnover > 0.0 and seen + i > 0 else 0.0
            lanes[1, n - 1 + i] = turnover
            lanes[2, n - 1 + i] = 1.0 if turnover > 0.0 else 0.0
            last = close
        _sums(lanes, n, size, work, sums)
        for i in range(size):
            money, relative = undefined, undefined
            traded = sums[2, i]
            if traded > 0.0:
                money = sums[0, i] / traded
                relative = money * (sums[1, i] / traded)
            out[0, start + i], out[1, start + i] = (money, relative) if seen + i >= n else (np.nan, np.nan)
        move_on(lanes, n, size)
        seen += size
    keep(state[2:], lanes, n)
    state[0], state[1] = seen, last


@kernel("price_impact", ("price_impact",), lambda params: 2 * int(params[0]))
def price_impact(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing was traded.

    state: bars seen, last close, lanes of |return| times the root of the volume, of volumes.
    """
    n, undefined, n_bars = int(params[0]), params[1], bars.shape[1]
    seen, last = state[0], state[1]
    tile = tile_of(n, n_bars)
    lanes, work, sums = recall(state[2:], 2, n, tile), np.empty(n - 1 + tile), np.empty((2, tile))
    for start in range(0, n_bars, tile):
        size = min(tile, n_bars - start)
        for i in range(size):
            close, volume = bars[CLOSE, start + i], bars[VOLUME, start + i]
            lanes[0, n - 1 + i] = abs(math.log(close / last)) * math.sqrt(volume) if seen + i > 0 else 0.0
            lanes[1, n - 1 + i] = volume
            last = close
        _sums(lanes, n, size, work, sums)
        for i in range(size):
            value = sums[0, i] / (n * math.sqrt(sums[1, i] / n)) if sums[1, i] > 0.0 else undefined
            out[0, start + i] = value if seen + i >= n else np.nan
        move_on(lanes, n, size)
        seen += size
    keep(state[2:], lanes, n)
    state[0], state[1] = seen, last


KERNELS = (
    corwin_schultz_spread,
    effective_spread,
    realised_spread,
    imbalance,
    rate,
    amihud,
    price_impact,
)
