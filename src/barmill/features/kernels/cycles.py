"""Where a bar's close stands in the day and in the week, as points on a circle."""

import math

from barmill.features.kernels.kernel import CLOSE_TIME, Float64Array, kernel

DAY_MS = 86_400_000.0
MONDAY_MS = 4.0 * DAY_MS  # 1970-01-05 was the first Monday


@kernel("cycles", ("day_sin", "day_cos", "week_sin", "week_cos"), lambda _: 0)
def cycles(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """No params and no state: the clock of the close, in UTC; the week starts on Monday."""
    for t in range(bars.shape[1]):
        day = 2.0 * math.pi * ((bars[CLOSE_TIME, t] % DAY_MS) / DAY_MS)
        week = 2.0 * math.pi * (((bars[CLOSE_TIME, t] - MONDAY_MS) % (7.0 * DAY_MS)) / (7.0 * DAY_MS))
        out[0, t], out[1, t] = math.sin(day), math.cos(day)
        out[2, t], out[3, t] = math.sin(week), math.cos(week)


KERNELS = (cycles,)
