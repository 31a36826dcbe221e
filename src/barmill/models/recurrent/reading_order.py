"""In which order a recurrent network reads the bars of several timeframes."""

from itertools import accumulate

import numpy as np
import numpy.typing as npt


def coarse_to_fine(lengths: tuple[int, ...], window: int) -> npt.NDArray[np.int64]:
    """Positions of a window in the order in which it is read: the longest bars first, the decision bar last.

    The window holds the finest timeframe first. Read as it lies, a network would forget the newest bars first.

    lengths : bars of each timeframe, finest first; () for one timeframe, which is read as it lies
    window : bars in all
    """
    ends = list(accumulate(lengths or (window,)))
    parts = [np.arange(end - length, end) for length, end in zip(lengths or (window,), ends, strict=True)]
    return np.concatenate(parts[::-1])
