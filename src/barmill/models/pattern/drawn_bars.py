"""Whether the bars that images show are numbers: a picture would hide that one is not."""

import numpy as np

from barmill.views import PatternImage
from barmill.views.pattern_image import SIDE

SHOWN = ("open", "high", "low", "close", "distance from the mean", "height of the strength", "brightness of the strength")  # of each bar


def broken_bar(view: PatternImage) -> str:
    """The first bar that some image of `view` shows and that is not finite, in words; empty if there is none."""
    wrong = ~(np.isfinite(view.prices).all(axis=1) & np.isfinite(view.signals).all(axis=1))
    opened = np.zeros(len(view.prices) + 1, dtype=np.int64)
    np.add.at(opened, view.ends - SIDE + 1, 1)
    np.add.at(opened, view.ends + 1, -1)
    broken = np.flatnonzero(wrong & (np.cumsum(opened[:-1]) > 0))
    if not broken.size:
        return ""
    values = np.concatenate((view.prices[broken[0]], view.signals[broken[0]]))
    column = int(np.argmin(np.isfinite(values)))
    return f"{SHOWN[column]} of bar {broken[0]} is {values[column]}"


__all__ = ["broken_bar"]
