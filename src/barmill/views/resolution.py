"""One timeframe of a view of several: its closed bars, and which of them each base bar knows."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.views._positions import Positions, checked_positions
from barmill.views.window_tensor import window_ready

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Resolution:
    """The bars of one timeframe, and which of them each base bar knows.

    Parameters
    ----------
    timeframe : str, as "5m"
    length : int, bars in a window, at least 1
    base : array of shape (n_closed, n_features), C-contiguous; rows that are not finite are in no window
    last : int64 array of shape (n_bars,), the row of `base` that has closed last at the close of each base bar; -1 if none has
    n_base : int, base bars that a bar of the timeframe lasts

    Attributes
    ----------
    ready : bool array of shape (n_bars,), whether `length` closed bars, all finite, are known at the close of the base bar

    Raises: ShapeError if shapes or types differ, or `last` points outside the base.
    """

    timeframe: str
    length: int
    base: npt.NDArray[Any]
    last: Positions
    n_base: int = 1
    ready: BoolArray = field(init=False)

    def __post_init__(self) -> None:
        place = f"Resolution '{self.timeframe}'"
        if self.length < 1:
            raise ShapeError(f"{place}.length", f"{self.length}", expected="at least 1 bar")
        if self.base.ndim != 2 or not self.base.flags.c_contiguous:
            raise ShapeError(f"{place}.base", f"an array of shape {self.base.shape}", expected="(n_closed, n_features), C-contiguous")
        last = checked_positions(f"{place}.last", self.last, -1, len(self.base), "It is a row of the closed bars, or -1 for none.")
        object.__setattr__(self, "last", last)
        whole = window_ready(np.logical_and.reduce(np.isfinite(self.base), axis=1), self.length)
        object.__setattr__(self, "ready", np.concatenate([whole, [False]])[last])  # -1 finds the False at the end

    def why_not_ready(self, row: int) -> str:
        """What the window of base bar `row` lacks."""
        n_closed = int(self.last[row]) + 1
        if n_closed < self.length:
            return f"{n_closed} of {self.length} closed bars of {self.timeframe}"
        return f"bars of {self.timeframe} whose values are not all finite yet"
