"""The window tensor: the last `window` rows of features for each sample, gathered and never materialised."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.views._positions import Float32Array, Positions, checked_base, checked_positions
from barmill.views.feature_matrix import selected_columns


@dataclass(frozen=True, slots=True, eq=False)
class WindowTensor:
    """Samples as windows over one base array: 60 x 25 windows over a million bars hold 95 MiB, not 5.8 GiB.

    Parameters
    ----------
    base : float32 array of shape (n_bars, n_features), scaled features of every bar
    ends : int64 array of shape (n,), the position of each sample's decision bar: the last row of its window
    window : int, bars, at least 1

    Timing: window i holds rows ends[i] - window + 1 .. ends[i], so it is known at the close of bar ends[i].
    Raises: ShapeError if the shapes or types differ, or a window would begin before the first bar.
    """

    base: Float32Array
    ends: Positions
    window: int

    def __post_init__(self) -> None:
        checked_base("WindowTensor", self.base)
        if self.window < 1:
            raise ShapeError("WindowTensor.window", f"{self.window}", expected="at least 1 bar")
        ends = checked_positions(
            "WindowTensor.ends",
            self.ends,
            self.window - 1,
            len(self.base),
            f"A window of {self.window} bars first ends at position {self.window - 1}; leave out the samples before it.",
        )
        object.__setattr__(self, "ends", ends)

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def n_features(self) -> int:
        return int(self.base.shape[1])

    @property
    def view(self) -> Float32Array:
        """Every window of the base as float32 of shape (n_bars - window + 1, window, n_features), without a copy.

        Row i is the window that begins at bar i: sample k is `view[ends[k] - window + 1]`. `torch.from_numpy(view)`
        shares it too. Windows overlap in memory, so it is for reading: it is left writable only where the base is,
        because torch warns about arrays that are not.
        """
        n_windows = max(0, len(self.base) - self.window + 1)
        row, column = self.base.strides
        return np.lib.stride_tricks.as_strided(
            self.base, shape=(n_windows, self.window, self.n_features), strides=(row, row, column), writeable=self.base.flags.writeable
        )

    @property
    def starts(self) -> Positions:
        """int64 array of shape (n,), the first bar of each window: the numbers of the samples in `view`."""
        return self.ends - (self.window - 1)

    def gather(self, idx: npt.ArrayLike | slice) -> Float32Array:
        """The windows of the samples numbered `idx`, as a float32 batch of shape (b, window, n_features), C-contiguous."""
        starts = self.ends[idx if isinstance(idx, slice) else np.asarray(idx)] - (self.window - 1)
        # Indexing, not np.take: take would first copy the whole strided view, that is, materialise every window.
        return np.ascontiguousarray(self.view[starts])

    def take(self, idx: npt.ArrayLike | slice) -> "WindowTensor":
        """The samples numbered `idx` (int positions among the samples, a mask or a slice), over the same base."""
        return WindowTensor(self.base, self.ends[idx if isinstance(idx, slice) else np.asarray(idx)], self.window)

    def columns(self, idx: npt.ArrayLike) -> "WindowTensor":
        """The same samples with the features numbered `idx` alone, in that order; copies those columns of the base."""
        return WindowTensor(selected_columns("WindowTensor.columns", self.base, idx), self.ends, self.window)


def window_ready(ready: npt.NDArray[np.bool_], window: int) -> npt.NDArray[np.bool_]:
    """True where a window ending at the bar holds ready rows alone: bool of shape (n_bars,), False for the first `window - 1`."""
    if window < 1:
        raise ShapeError("window_ready.window", f"{window}", expected="at least 1 bar")
    position = np.arange(len(ready))
    last_unready = np.maximum.accumulate(np.where(ready, -1, position))
    return (position - last_unready >= window) & (position >= window - 1)
