"""The Haar wavelet as a pyramid that looks back: each level takes the one below, now and 2^(level - 1) bars ago.

Source: Percival & Walden (2000), Wavelet Methods for Time Series Analysis, ch. 5.
"""

import math

import numpy as np

from barmill.features.kernels.kernel import Float64Array, kernel


@kernel("haar", ("detail", "smooth"), lambda params: 2 ** int(params[0]))
def haar(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: level, row. state: values seen, then for each level the last 1, 2, 4, ... values of the one below.

    A value depends on the last 2^level of the series, by additions in an order that is fixed: no history before them can
    change a bit. What the rings hold before they are full is overwritten before it is shown.
    """
    levels, row = int(params[0]), int(params[1])
    first = 2**levels
    seen = int(state[0])
    rings = state[1:]
    for t in range(bars.shape[1]):
        smooth, detail = bars[row, t], np.nan
        if seen == 0 and math.isnan(smooth):
            out[0, t], out[1, t] = np.nan, np.nan
            continue
        half = 1
        for _ in range(levels):
            place = half - 1 + (seen & (half - 1))  # rings of 1, 2, 4, ... values stand one after another
            before = rings[place]
            rings[place] = smooth
            detail = 0.5 * (smooth - before)
            smooth = 0.5 * (smooth + before)
            half *= 2
        seen += 1
        out[0, t] = detail if seen >= first else np.nan
        out[1, t] = smooth if seen >= first else np.nan
    state[0] = float(seen)


KERNELS = (haar,)
