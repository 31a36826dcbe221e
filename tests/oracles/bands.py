"""The day so far by pandas' groups; levels by arithmetic on whole arrays."""

import numpy as np
import pandas as pd

DAY_MS = 86_400_000


def by_day(b):
    """The bars as a frame with the UTC day of each: the session of a market that never closes."""
    names = ("open", "high", "low", "close", "volume")
    frame = pd.DataFrame({name: getattr(b, name) for name in names}).assign(day=b.open_time // DAY_MS)
    return frame.assign(typical=(frame.high + frame.low + frame.close) / 3)


def so_far(b):
    """Open, high and low of the day up to each bar."""
    frame = by_day(b)
    days = frame.groupby("day")
    return frame, days.open.transform("first"), days.high.cummax(), days.low.cummin()


def range_position(b, p):
    frame, _, high, low = so_far(b)
    return ((frame.close - low) / (high - low)).fillna(0.5).to_numpy()


def day_return(b, p):
    frame, opened, _, _ = so_far(b)
    return (frame.close / opened - 1).to_numpy()


def day_range(b, p):
    _, opened, high, low = so_far(b)
    return ((high - low) / opened).to_numpy()


def vwap_of_day(b):
    """Mean price paid in the day so far, and the deviation about it."""
    frame = by_day(b)
    mean, deviation = np.empty(len(frame)), np.empty(len(frame))
    for _, day in frame.groupby("day"):
        for stop in range(1, len(day) + 1):
            price, volume = day.typical.to_numpy()[:stop], day.volume.to_numpy()[:stop]
            row = day.index[stop - 1]
            mean[row] = np.average(price, weights=volume)
            deviation[row] = np.sqrt(np.average((price - mean[row]) ** 2, weights=volume))
    return mean, deviation


def vwap_position(b, p):
    mean, deviation = vwap_of_day(b)
    return np.divide(b.close - mean, deviation, out=np.zeros(len(mean)), where=deviation > 0)


def pivot_zone(b, p, high, low, close):
    pivot = (high + low + close) / 3
    above = [pivot, 2 * pivot - low, pivot + high - low]
    below = [pivot, 2 * pivot - high, pivot - high + low]
    reached = sum((b.close >= level).astype(float) for level in above)
    fallen = (b.close < pivot) * sum((b.close <= level).astype(float) for level in below)
    return np.where(np.isnan(pivot), np.nan, reached - fallen)


ORACLES = {
    "day_range_position": range_position,
    "day_return": day_return,
    "day_range": day_range,
    "day_vwap_distance": lambda b, p: b.close / vwap_of_day(b)[0] - 1,
    "day_vwap_position": vwap_position,
    "band_position": lambda b, p, upper, lower: (b.close - lower) / (upper - lower),
    "pivot_distance": lambda b, p, high, low, close: b.close / ((high + low + close) / 3) - 1,
    "pivot_zone": pivot_zone,
}
