"""Where a bar stands in its session, in the office hours of a city, in the month, and after the bar before it.

The times are columns of the calendar, scheduled and so known beforehand; a bar is judged at its close.
"""

import numpy as np

from barmill.features.kernels.kernel import CLOSE_TIME, OPEN_TIME, Float64Array, kernel

MINUTE_MS = 60_000.0
DAY_MS = 86_400_000.0
THURSDAY = 3  # 1970-01-01, counted from Monday
LONGER_MS = 7_200_000.0  # a clock that is put forward or back makes a closed stretch an hour longer, and no holiday


@kernel("since_open", ("minutes",), lambda _: 0)
def since_open(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: rows of the session's open and of whether the market is open. No state."""
    opens, inside = int(params[0]), int(params[1])
    for t in range(bars.shape[1]):
        out[0, t] = (bars[CLOSE_TIME, t] - bars[opens, t]) / MINUTE_MS * bars[inside, t]


@kernel("to_close", ("minutes",), lambda _: 0)
def to_close(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: rows of the session's close and of whether the market is open. No state."""
    closes, inside = int(params[0]), int(params[1])
    for t in range(bars.shape[1]):
        out[0, t] = max((bars[closes, t] - bars[CLOSE_TIME, t]) / MINUTE_MS, 0.0) * bars[inside, t]


@kernel("progress", ("share",), lambda _: 0)
def progress(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: rows of the session's open, of its close and of whether the market is open. No state."""
    opens, closes, inside = int(params[0]), int(params[1]), int(params[2])
    for t in range(bars.shape[1]):
        length = bars[closes, t] - bars[opens, t]
        gone = (bars[CLOSE_TIME, t] - bars[opens, t]) / length if length > 0.0 else 1.0
        out[0, t] = min(max(gone, 0.0), 1.0) * bars[inside, t]


@kernel("near_open", ("is_near",), lambda _: 0)
def near_open(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: minutes; rows of the session's open and of whether the market is open. No state."""
    opens, inside = int(params[1]), int(params[2])
    for t in range(bars.shape[1]):
        out[0, t] = bars[inside, t] if bars[CLOSE_TIME, t] - bars[opens, t] <= params[0] * MINUTE_MS else 0.0


@kernel("near_close", ("is_near",), lambda _: 0)
def near_close(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: minutes; rows of the session's close and of whether the market is open. No state."""
    closes, inside = int(params[1]), int(params[2])
    for t in range(bars.shape[1]):
        out[0, t] = bars[inside, t] if bars[closes, t] - bars[OPEN_TIME, t] <= params[0] * MINUTE_MS else 0.0


@kernel("closed_ahead", ("minutes",), lambda _: 0)
def closed_ahead(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: rows of the session's close and of the next open. No state."""
    closes, opens = int(params[0]), int(params[1])
    for t in range(bars.shape[1]):
        out[0, t] = (bars[opens, t] - bars[closes, t]) / MINUTE_MS


@kernel("later_than_usual", ("is_later",), lambda _: 0)
def later_than_usual(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: rows of the next open and of when it would usually be. No state."""
    opens, usual = int(params[0]), int(params[1])
    for t in range(bars.shape[1]):
        out[0, t] = 1.0 if bars[opens, t] - bars[usual, t] > LONGER_MS else 0.0


@kernel("days", ("of_week", "to_month_end"), lambda _: 0)
def days(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: row of the session's day, and of the month's last one (the same again where nothing asks for it). No state."""
    day, last = int(params[0]), int(params[params.size - 1])
    for t in range(bars.shape[1]):
        out[0, t] = (int(bars[day, t] / DAY_MS) + THURSDAY) % 7
        out[1, t] = (bars[last, t] - bars[day, t]) / DAY_MS


@kernel("office", ("is_open",), lambda _: 0)
def office(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: for each city, rows of where its office day begins and ends. No state. output: whether all are open."""
    for t in range(bars.shape[1]):
        now, together = bars[CLOSE_TIME, t], 1.0
        for i in range(0, params.size, 2):
            if not bars[int(params[i]), t] <= now < bars[int(params[i + 1]), t]:
                together = 0.0
        out[0, t] = together


@kernel("pause", ("minutes", "is_after"), lambda _: 2)
def pause(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """No params. state: whether there was a bar, and when the last one closed."""
    for t in range(bars.shape[1]):
        out[0, t] = out[1, t] = np.nan
        if state[0] > 0.0:
            gap = bars[OPEN_TIME, t] - state[1]
            out[0, t], out[1, t] = gap / MINUTE_MS, 1.0 if gap > 0.0 else 0.0
        state[0], state[1] = 1.0, bars[CLOSE_TIME, t]


KERNELS = (since_open, to_close, progress, near_open, near_close, closed_ahead, later_than_usual, days, office, pause)
