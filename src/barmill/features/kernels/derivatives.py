"""The close beside the price in one further column, and the clock of funding."""

import math

import numpy as np

from barmill.features.kernels.kernel import CLOSE, CLOSE_TIME, HIGH, LOW, Float64Array, kernel

HOUR_MS = 3_600_000.0
BPS = 1e4


@kernel("beside", ("bps",), lambda _: 0)
def beside(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: row of a price. No state. output: the close's distance from it."""
    row = int(params[0])
    for t in range(bars.shape[1]):
        price = bars[row, t]
        value = np.nan
        if math.isfinite(price):
            value = (bars[CLOSE, t] / price - 1.0) * BPS if price > 0.0 else 0.0
        out[0, t] = value


@kernel("within", ("position",), lambda _: 0)
def within(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: row of a price. No state. output: the close's distance from it as a share of the bar's range."""
    row = int(params[0])
    for t in range(bars.shape[1]):
        price, reach = bars[row, t], bars[HIGH, t] - bars[LOW, t]
        value = np.nan
        if math.isfinite(price):
            value = (bars[CLOSE, t] - price) / reach if reach > 0.0 else 0.0
        out[0, t] = value


@kernel("time_to_settlement", ("share",), lambda _: 0)
def time_to_settlement(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: hours between settlements, which fall on whole multiples of them, UTC. No state."""
    interval = params[0] * HOUR_MS
    for t in range(bars.shape[1]):
        out[0, t] = 1.0 - (bars[CLOSE_TIME, t] % interval) / interval


KERNELS = (beside, within, time_to_settlement)
