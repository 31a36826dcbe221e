"""The best bid and offer, and which of two sides is the larger.

Source: Gatheral & Oomen (2010), Finance and Stochastics 14(2); Cont, Kukanov & Stoikov (2014), J. Financial Econometrics 12(1).
"""

import math

import numpy as np

from barmill.features.kernels.kernel import CLOSE, Float64Array, kernel
from barmill.features.kernels.rings import push, sum_of

BPS = 1e4


@kernel("quote", ("spread_bps", "close_bps"), lambda _: 0)
def quote(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: rows of bid and offer. No state. outputs: spread, and the close's distance from the middle."""
    bid_row, ask_row = int(params[0]), int(params[1])
    for t in range(bars.shape[1]):
        bid, ask = bars[bid_row, t], bars[ask_row, t]
        out[0, t], out[1, t] = np.nan, np.nan
        if math.isfinite(bid) and math.isfinite(ask):
            middle = 0.5 * (bid + ask)
            out[0, t] = (ask - bid) / middle * BPS if middle > 0.0 else 0.0
            out[1, t] = (bars[CLOSE, t] / middle - 1.0) * BPS if middle > 0.0 else 0.0


@kernel("microprice", ("microprice_bps",), lambda _: 0)
def microprice(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: rows of bid, offer and the sizes there. No state. output: the price weighted by the other side's size, from the middle."""
    bid_row, ask_row, bid_size_row, ask_size_row = int(params[0]), int(params[1]), int(params[2]), int(params[3])
    for t in range(bars.shape[1]):
        bid, ask, bid_size, ask_size = bars[bid_row, t], bars[ask_row, t], bars[bid_size_row, t], bars[ask_size_row, t]
        value = np.nan
        if math.isfinite(bid) and math.isfinite(ask) and math.isfinite(bid_size) and math.isfinite(ask_size):
            middle, size = 0.5 * (bid + ask), bid_size + ask_size
            value = 0.0
            if middle > 0.0 and size > 0.0:
                value = 0.5 * (ask - bid) / middle * ((bid_size - ask_size) / size) * BPS
        out[0, t] = value


@kernel("balance", ("balance",), lambda params: 2 + 4 * int(params[0]))
def balance(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, the sign that the second row carries; rows of the two sides. state: bars seen, place, rings of a - b and a + b.

    output: sum of a - b over sum of a + b, over n bars.
    """
    n, sign, first_row, second_row = int(params[0]), params[1], int(params[2]), int(params[3])
    seen, place = state[0], int(state[1])
    differences, totals = state[2 : 2 + 2 * n], state[2 + 2 * n :]
    for t in range(bars.shape[1]):
        first, second = bars[first_row, t], sign * bars[second_row, t]
        value = np.nan
        if math.isfinite(first) and math.isfinite(second):
            push(differences, n, place, first - second)
            place = push(totals, n, place, first + second)
            seen += 1.0
            if seen >= n:
                total = sum_of(totals[place : place + n])
                value = sum_of(differences[place : place + n]) / total if total > 0.0 else 0.0
        out[0, t] = value
    state[0], state[1] = seen, float(place)


KERNELS = (quote, microprice, balance)
