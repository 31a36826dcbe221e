"""The pattern image: the last 64 bars as a picture of three channels, drawn when a batch is asked for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, InputError, ShapeError
from barmill.views._buffers import batch_like
from barmill.views._positions import Float32Array, Positions, checked_positions
from barmill.views.image_signals import EMA_SPAN, RSI_WINDOW, SIDE, ImageSignals

if TYPE_CHECKING:
    from barmill.market import Bars

Float64Array = npt.NDArray[np.float64]
Layout = Literal["channels_first", "channels_last"]

CHANNELS = 3
_SLOW_START = max(EMA_SPAN - 1, RSI_WINDOW + 1)  # the first bar with a mean, an RSI and the RSI before it
FIRST_END = _SLOW_START + SIDE - 1


@dataclass(frozen=True, slots=True, eq=False)
class PatternImage:
    """Samples as images of 64 rows and 64 bars, each bar one column, the oldest on the left; `PatternImage.of(bars)` makes it.

    Every value lies in 0 .. 1 and none changes when all prices are multiplied by a constant:

    1. Candles. The window's highest high is row 0, its lowest low row 63; prices go to the nearest of the 64 rows. From high
       to low 0.3, over it from open to close 1.0 where the bar rose, 0.6 where it fell, 0.8 where it closed as it opened;
       0 elsewhere. A window that never moved is one line of 0.8 on row 32.
    2. Distance from EMA(21). With d = ln(close / EMA), clipped to -0.1 .. 0.1, the whole column is
       1/2 + sign(d) ln(1 + |d| / 0.0001) / (2 ln 1001): 0.5 on the mean, 1 at a tenth above it.
    3. RSI(14) with its slope. The column is filled from the bottom to 1 + round(63 RSI / 100) rows; the filling is
       0.6 + 0.4 s / 10 with s the change of the RSI in that bar, clipped to -10 .. 10 points; 0 elsewhere.

    Parameters
    ----------
    prices : float64 array of shape (n_bars, 4), C-contiguous: open, high, low, close
    signals : float32 array of shape (n_bars, 3), C-contiguous: shade of channel 2, filled rows and shade of channel 3; NaN
        before the indicators have values
    ends : int64 array of shape (n,), the position of each sample's decision bar: the last column of its image

    Timing: image i is drawn from bars ends[i] - 63 .. ends[i] and what the indicators were at their closes, so it is known at
    the close of bar ends[i].
    Raises: ShapeError if shapes or types differ, or an image would begin before the indicators have values.
    """

    prices: Float64Array
    signals: Float32Array
    ends: Positions

    def __post_init__(self) -> None:
        n_bars = len(self.prices)
        for field, array, width, dtype in (("prices", self.prices, 4, np.float64), ("signals", self.signals, 3, np.float32)):
            if array.shape != (n_bars, width) or array.dtype != dtype or not array.flags.c_contiguous:
                found = f"an array of shape {array.shape} and type {array.dtype}"
                raise ShapeError(f"PatternImage.{field}", found, expected=f"{np.dtype(dtype)} of shape ({n_bars}, {width}), C-contiguous")
        ends = checked_positions(
            "PatternImage.ends",
            self.ends,
            FIRST_END,
            n_bars,
            f"The indicators have values from bar {_SLOW_START} on and an image holds {SIDE} bars; leave out the samples before it.",
        )
        object.__setattr__(self, "ends", ends)

    @classmethod
    def of(cls, bars: "Bars", ends: npt.ArrayLike | None = None) -> Self:
        """The images of `bars`.

        ends : int array of shape (n,), positions of the decision bars, 83 or later; None takes every bar from there on

        Raises: DataError for a price that is not above 0; ShapeError as above.
        """
        prices = np.column_stack([bars.open, bars.high, bars.low, bars.close])
        if (bars.low <= 0.0).any():
            row = int(np.argmax(bars.low <= 0.0))
            raise DataError(f"bar {row}", f"low {bars.low[row]}", expected="a price above 0")
        chosen = np.arange(FIRST_END, len(bars)) if ends is None else np.asarray(ends)
        return cls(prices, ImageSignals().advance(bars.close), chosen)

    def __len__(self) -> int:
        return len(self.ends)

    def gather(
        self,
        idx: npt.ArrayLike | slice,
        layout: Layout = "channels_first",
        jitter: float = 0.0,
        rng: np.random.Generator | int | None = None,
        out: Float32Array | None = None,
    ) -> Float32Array:
        """The images of the samples numbered `idx`.

        Parameters
        ----------
        idx : int positions among the samples, a mask or a slice
        layout : "channels_first" gives (b, 3, 64, 64) as torch takes it, "channels_last" (b, 64, 64, 3)
        jitter : standard deviation of Gaussian noise added to every value, 0.01 to 0.02 when training; the sum is clipped to 0 .. 1
        rng : NumPy generator or seed that the noise is drawn from; needed where there is noise
        out : a C-contiguous float32 buffer for as many samples or more, to be used again and again; None makes a new one

        Returns
        -------
        float32 array, C-contiguous, 48 KiB for each image: the first b samples of `out`

        Raises: ShapeError if `out` does not fit; InputError for noise without a generator.
        """
        from barmill.views import _drawing

        if layout not in ("channels_first", "channels_last"):
            raise InputError("PatternImage.gather: layout", f"is '{layout}'", expected="channels_first or channels_last")
        last = layout == "channels_last"
        ends = np.ascontiguousarray(self.ends[idx if isinstance(idx, slice) else np.asarray(idx)])
        shape = (SIDE, SIDE, CHANNELS) if last else (CHANNELS, SIDE, SIDE)
        images = batch_like("PatternImage.gather.out", out, (len(ends), *shape))
        _drawing.draw.compiled(self.prices, self.signals, ends, images.transpose(0, 3, 1, 2) if last else images)
        if jitter:
            _add_noise(images, jitter, rng)
        return images

    def take(self, idx: npt.ArrayLike | slice) -> "PatternImage":
        """The samples numbered `idx` (int positions among the samples, a mask or a slice), over the same bars."""
        return PatternImage(self.prices, self.signals, self.ends[idx if isinstance(idx, slice) else np.asarray(idx)])


def _add_noise(images: Float32Array, jitter: float, rng: Any) -> None:
    if not 0.0 < jitter < 1.0:
        raise InputError("PatternImage.gather: jitter", f"is {jitter}", expected="a standard deviation from 0 to 1, such as 0.01")
    if rng is None:
        raise InputError(
            "PatternImage.gather: rng", "is missing", expected="a NumPy generator or a seed", mend="Noise is only drawn from a known seed."
        )
    generator = rng if isinstance(rng, np.random.Generator) else np.random.default_rng(rng)
    images += generator.standard_normal(images.shape, dtype=np.float32) * np.float32(jitter)
    np.clip(images, 0.0, 1.0, out=images)
