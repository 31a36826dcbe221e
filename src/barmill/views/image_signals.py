"""What the pattern image shows of each bar beside its prices: distance from the mean and relative strength, while bars come in."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from barmill.views._positions import Float32Array
from barmill.views.closed_bars import logarithms_of

if TYPE_CHECKING:
    from barmill.features.kernels.kernel import Kernel

Float64Array = npt.NDArray[np.float64]

EMA_SPAN = 21
RSI_WINDOW = 14
STILL_RSI = 50.0  # where nothing moved
EMA_KNEE = 1e-4  # distances beyond a basis point are drawn ever closer together, so that quiet minutes and wild days fit one scale
EMA_REACH = 0.1  # a close this far from its mean, in logs, is as far as the picture tells
SLOPE_REACH = 10.0  # points of RSI in one bar
SIDE = 64  # bars across, rows down


class ImageSignals:
    """The shades and rows of `PatternImage.signals`, bar by bar or many at once: how the closes are cut changes no bit.

    The indicators are those of the features `ema_21` and `rsi_14`, run by their kernels. A state of fixed size; not to be shared
    between threads.
    """

    def __init__(self) -> None:
        from barmill.features.kernels import exponential, wilder

        self._mean = _Running(exponential.ema, (EMA_SPAN,))
        self._strength = _Running(wilder.rsi, (RSI_WINDOW, STILL_RSI))
        self._last = np.array([np.nan])  # RSI of the bar before

    def advance(self, close: Float64Array) -> Float32Array:
        """float32 array of shape (n_bars, 3), C-contiguous: shade of channel 2, filled rows and shade of channel 3 of the next bars.

        close : float64 array of shape (n_bars,), above 0. NaN comes out before the indicators have values
        """
        distance = np.clip(_log(close / self._mean.advance(close)), -EMA_REACH, EMA_REACH)
        shade = 0.5 + np.sign(distance) * _log(1.0 + np.abs(distance) / EMA_KNEE) / (2.0 * np.log1p(EMA_REACH / EMA_KNEE))
        strength = self._strength.advance(close)
        known = np.concatenate((self._last, strength))
        self._last = known[-1:].copy()
        # The same tie as in `_drawing`: an RSI that lies between two rows goes up, whatever its last bit says.
        rows = 1.0 + np.floor((SIDE - 1) * strength / 100.0 + 0.5 + 1e-9)
        brightness = 0.6 + 0.4 * np.clip(np.diff(known) / SLOPE_REACH, -1.0, 1.0)
        return np.ascontiguousarray(np.column_stack([shade, rows, brightness]), dtype=np.float32)

    def arrays(self) -> dict[str, Float64Array]:
        """All that it remembers, by name: its own arrays, which whoever restores a state fills."""
        return {"mean": self._mean.state, "strength": self._strength.state, "last": self._last}


class _Running:
    """A kernel of closes with its state."""

    def __init__(self, kernel: "Kernel", params: tuple[float, ...]) -> None:
        self._kernel, self._params, self.state = kernel, np.array(params, dtype=np.float64), kernel.new_state(params)

    def advance(self, close: Float64Array) -> Float64Array:
        """The kernel's first output for the next closes, float64 (n_bars,)."""
        from barmill.features.kernels.kernel import BAR_ROWS, CLOSE

        bars = np.full((len(BAR_ROWS), len(close)), np.nan)
        bars[CLOSE] = close
        out = np.empty((len(self._kernel.outputs), len(close)))
        self._kernel.compiled(self._params, self.state, bars, out)
        return out[0]


def _log(values: Float64Array) -> Float64Array:
    return logarithms_of(values[:, None])[:, 0]


__all__ = ["EMA_SPAN", "RSI_WINDOW", "SIDE", "ImageSignals"]
