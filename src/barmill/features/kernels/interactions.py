"""Two series in one: `params` end with the rows of both. Nothing is remembered; NaN in either is NaN in the result."""

import math

import numpy as np

from barmill.features.kernels.kernel import Float64Array, kernel

LARGEST = 3.4e38  # the largest float32, in which models read features


@kernel("product", ("product",), lambda _: 0)
def product(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: row, row. No state."""
    a, b = int(params[0]), int(params[1])
    for t in range(bars.shape[1]):
        out[0, t] = bars[a, t] * bars[b, t]


@kernel("difference", ("difference", "sign"), lambda _: 0)
def difference(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: row, row. No state. outputs: a - b, and its sign."""
    a, b = int(params[0]), int(params[1])
    for t in range(bars.shape[1]):
        value = bars[a, t] - bars[b, t]
        out[0, t] = value
        out[1, t] = np.sign(value)


@kernel("ratio", ("ratio",), lambda _: 0)
def ratio(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: value where it is undefined, row, row. No state."""
    undefined, a, b = params[0], int(params[1]), int(params[2])
    for t in range(bars.shape[1]):
        value = bars[a, t] / bars[b, t]
        missing = math.isnan(bars[a, t]) or math.isnan(bars[b, t])
        out[0, t] = value if missing or abs(value) <= LARGEST else undefined


KERNELS = (product, difference, ratio)
