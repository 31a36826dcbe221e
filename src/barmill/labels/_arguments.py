"""The checks that every labelling function makes of its arguments, once, where data enters."""

import math

import numpy as np
import numpy.typing as npt

from barmill.errors import LabelError, ShapeError

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


def checked_series(place: str, **series: npt.ArrayLike) -> list[Float64Array]:
    """Each series as contiguous float64 of one common shape (n_bars,), all finite; ShapeError or LabelError otherwise."""
    arrays = [np.ascontiguousarray(values, dtype=np.float64) for values in series.values()]
    n_bars = arrays[0].size
    for name, array in zip(series, arrays, strict=True):
        if array.ndim != 1 or array.size != n_bars:
            raise ShapeError(f"{place}.{name}", f"an array of shape {array.shape}", expected=f"({n_bars},), one value for each bar")
        finite = np.isfinite(array)
        if not finite.all():
            at = int(np.argmin(finite))
            raise LabelError(f"{place}.{name}[{at}]", f"{array[at]}", expected="a finite number", mend="Repair or drop the bar first.")
    return arrays


def checked_events(place: str, events: npt.ArrayLike, n_bars: int) -> Int64Array:
    """Events as contiguous int64 of shape (n_events,), positions of bars; ShapeError or LabelError otherwise."""
    array = np.asarray(events)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ShapeError(
            f"{place}.events", f"an array of shape {array.shape} and type {array.dtype}", expected="integers of shape (n_events,)"
        )
    array = np.ascontiguousarray(array, dtype=np.int64)
    outside = (array < 0) | (array >= n_bars)
    if outside.any():
        at = int(np.argmax(outside))
        raise LabelError(f"{place}.events[{at}]", f"{int(array[at])}", expected=f"a bar's position, from 0 to {n_bars - 1}")
    return array


def per_event(place: str, name: str, values: npt.ArrayLike, events: Int64Array, n_bars: int) -> Float64Array:
    """`values` as float64 of shape (n_events,): one number for all, one for each event, or one for each bar, read at the event."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        return np.full(events.size, float(array))
    as_events = array.shape == events.shape
    as_bars = array.shape == (n_bars,)
    if as_events and as_bars and not np.array_equal(events, np.arange(n_bars)):
        raise ShapeError(
            f"{place}.{name}",
            f"{array.size} values for {events.size} events over {n_bars} bars, so they could belong to either",
            mend="Give the events in order and each once, or call for fewer events at a time.",
        )
    if as_events:
        return np.ascontiguousarray(array)
    if as_bars:
        return array[events]
    raise ShapeError(
        f"{place}.{name}", f"an array of shape {array.shape}", expected=f"one number, {events.size} (each event) or {n_bars} (each bar)"
    )


def checked_horizon(place: str, horizon: int) -> int:
    if horizon < 1:
        raise LabelError(f"{place}.horizon", f"{horizon}", expected="at least 1 bar")
    return int(horizon)


def checked_positive(place: str, name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise LabelError(f"{place}.{name}", f"{value}", expected="a positive number")
    return float(value)


def unsettled(n_events: int, n_arrays: int) -> list[Float64Array]:
    """Outputs in which nothing is settled yet."""
    return [np.full(n_events, np.nan) for _ in range(n_arrays)]
