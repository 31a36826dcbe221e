"""Simple means of the close. Their exponential cousins are in `exponential.py`.

Rings and sums are in `rings.py`.
"""

import numpy as np

from barmill.features.kernels.kernel import CLOSE, Float64Array, kernel
from barmill.features.kernels.rings import mean_of, push, varies


@kernel("sma", ("sma", "distance"), lambda params: 2 + 2 * int(params[0]))
def sma(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, ring of closes. outputs: SMA, close/SMA - 1."""
    n = int(params[0])
    seen, place = state[0], int(state[1])
    ring = state[2:]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        place = push(ring, n, place, close)
        seen += 1.0
        mean = np.nan
        if seen >= n:
            window = ring[place : place + n]
            mean = mean_of(window) if varies(window) else close
        out[0, t] = mean
        out[1, t] = close / mean - 1.0
    state[0], state[1] = seen, float(place)


KERNELS = (sma,)
