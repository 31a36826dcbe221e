"""A column of the bar, as given and as a logarithm. The first of `params` is the column's row; nothing is remembered."""

import math

from barmill.features.kernels.kernel import Float64Array, kernel


@kernel("as_given", ("value",), lambda _: 0)
def as_given(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: row. No state."""
    row = int(params[0])
    for t in range(bars.shape[1]):
        out[0, t] = bars[row, t]


@kernel("logarithm", ("logarithm",), lambda _: 0)
def logarithm(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: row, what is added first (0 for a price, 1 for a volume, which may be 0). No state."""
    row, added = int(params[0]), params[1]
    for t in range(bars.shape[1]):
        out[0, t] = math.log(bars[row, t] + added)


KERNELS = (as_given, logarithm)
