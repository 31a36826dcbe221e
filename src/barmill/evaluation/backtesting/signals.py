"""Signals: what is wanted at each close, and how sure of it the forecaster is."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.errors import ShapeError
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]
Int8Array = npt.NDArray[np.int8]

LEAVE = np.int8(2)  # close the position and open nothing


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """One row per bar, known at its close.

    side : int8 (n_bars,), +1 long, -1 short, 0 nothing is said, 2 leave
    confidence : float64 (n_bars,), probability that the trade wins, NaN where it is not known; None if it never is
    """

    side: Int8Array
    confidence: Float64Array | None = None

    def __len__(self) -> int:
        return self.side.size

    @classmethod
    def of(cls, side: npt.ArrayLike, confidence: npt.ArrayLike | None = None, *, leave: npt.ArrayLike | None = None) -> Self:
        """Signals from +1, -1 and 0 (nothing is said), and, if given, the bars at which a position is to be left.

        Raises: ShapeError for other values, NaN, or lengths that differ.
        """
        given = vector(side, "signals")
        wrong = ~np.isin(given, (-1.0, 0.0, 1.0))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ShapeError(f"signals row {row}", f"is {given[row]:g}", expected="+1, -1 or 0", mend="Shares of equity are sizing share.")
        sides = given.astype(np.int8)
        if leave is not None:
            leaving = np.asarray(leave, dtype=bool)
            if leaving.shape != sides.shape:
                raise ShapeError("leave", f"has shape {leaving.shape}", expected=f"{sides.shape}")
            sides = np.where((sides == 0) & leaving, LEAVE, sides)
        return cls(sides, None if confidence is None else _confidence(confidence, sides.size))

    @classmethod
    def of_positions(cls, position: npt.ArrayLike, confidence: npt.ArrayLike | None = None) -> Self:
        """Signals that follow a path of positions +1, -1 and 0, as `positions` gives it: 0 leaves."""
        given = np.asarray(position)
        return cls.of(given, confidence, leave=given == 0)

    @classmethod
    def of_forecast(cls, p_up: npt.ArrayLike, long_above: float, short_below: float, p_down: npt.ArrayLike | None = None) -> Self:
        """Long where p_up is above one threshold, short where it is below the other: the rule by which models are judged.

        The confidence is the probability of the side taken: p_up of a long; of a short p_down, or 1 - p_up in two classes.

        Parameters
        ----------
        p_up, p_down : float64 (n_bars,), NaN where there is no forecast, which is no signal
        """
        up = vector(p_up, "p_up", nan_allowed=True)
        down = 1.0 - up if p_down is None else vector(p_down, "p_down", up.size, nan_allowed=True)
        if not short_below <= long_above:
            raise ShapeError("thresholds", f"are {short_below} and {long_above}", expected="the lower one first")
        side = (up > long_above).astype(np.int8) - (up < short_below).astype(np.int8)  # a comparison with NaN is false
        return cls(side.astype(np.int8), _confidence(np.where(side > 0, up, np.where(side < 0, down, np.nan)), up.size))


def by_bar(forecast: pl.DataFrame, open_time: npt.NDArray[np.int64], name: str) -> Float64Array:
    """A column of a forecast over the bars that open at `open_time`: float64 (n_bars,), NaN where there is no forecast.

    Raises: ShapeError for a forecast of a bar that is not there.
    """
    times = forecast["open_time"].to_numpy()
    rows = np.searchsorted(open_time, times)
    known = rows < open_time.size
    known[known] = open_time[rows[known]] == times[known]
    if not known.all():
        raise ShapeError("forecast", f"a row of {int(times[np.argmin(known)])} ms", expected="the open time of one of the bars")
    column = np.full(open_time.size, np.nan)
    column[rows] = forecast[name].to_numpy()
    return column


def _confidence(values: npt.ArrayLike, length: int) -> Float64Array:
    sure = vector(values, "confidence", length, nan_allowed=True)
    outside = (sure < 0) | (sure > 1)
    if outside.any():
        row = int(np.argmax(outside))
        raise ShapeError(f"confidence row {row}", f"is {sure[row]}", expected="a probability in [0, 1] or NaN")
    return sure


__all__ = ["LEAVE", "Signals", "by_bar"]
