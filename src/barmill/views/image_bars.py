"""The bars that pattern images are drawn from, of a whole history or while they come in."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from barmill.views._positions import Float32Array
from barmill.views.closed_bars import PRICES
from barmill.views.image_signals import EMA_SPAN, RSI_WINDOW, SIDE, ImageSignals
from barmill.views.pattern_image import FIRST_END, PatternImage

if TYPE_CHECKING:
    from barmill.market import Bar, Bars

Float64Array = npt.NDArray[np.float64]

NEEDED_BARS = FIRST_END + 1


@dataclass(frozen=True, slots=True, eq=False)
class ImageBars:
    """Bars with what an image shows of each, of which samples are taken; `ImageBars.of(bars)` makes it.

    prices, signals : as of `PatternImage`
    before : rows of the two that stand before the first bar that can be asked for; they are drawn, and asked for by nobody
    """

    prices: Float64Array
    signals: Float32Array
    before: int = 0

    @classmethod
    def of(cls, bars: "Bars") -> "ImageBars":
        """What each of `bars` shows. Raises DataError for a price that is not above 0."""
        drawn = PatternImage.of(bars, ())
        return cls(drawn.prices, drawn.signals)

    @classmethod
    def of_prices(cls, prices: Float64Array) -> "ImageBars":
        """The same from float64 (n_bars, 4), C-contiguous: open, high, low, close, above 0; history begins with the first row."""
        return cls(prices, ImageSignals().advance(np.ascontiguousarray(prices[:, 3])))

    def __len__(self) -> int:
        return len(self.prices) - self.before

    @property
    def ready(self) -> npt.NDArray[np.bool_]:
        """bool array of shape (n_bars,), the bars at which an image is whole: its first bar has both indicators."""
        n_rows = len(self.signals)
        ready = np.zeros(n_rows, dtype=np.bool_)
        ready[SIDE - 1 :] = np.isfinite(self.signals[: max(n_rows - SIDE + 1, 0)]).all(axis=1)
        return ready[self.before :]

    def samples(self, rows: npt.ArrayLike) -> PatternImage:
        """The images that end with the bars `rows`, int (n,), which are `ready`. Raises ShapeError for one that is not whole."""
        return PatternImage(self.prices, self.signals, np.asarray(rows, dtype=np.int64) + self.before)

    def known_at(self, row: int) -> "ImageBars":
        """What the bar `row`, which is ready, knows: that bar alone, with those before it that its image shows."""
        end = self.before + row
        seen = slice(end - FIRST_END, end + 1)
        return ImageBars(np.ascontiguousarray(self.prices[seen]), np.ascontiguousarray(self.signals[seen]), FIRST_END)


class ImageBarStream:
    """What each bar shows as bars close: row for row, and to the bit, what `ImageBars.of` says of the whole history.

    Holds the last 83 bars and the state of both indicators; not to be shared between threads.
    """

    def __init__(self) -> None:
        self._signals = ImageSignals()
        self._tail = ImageBars(np.full((FIRST_END, 4), np.nan), np.full((FIRST_END, 3), np.nan, dtype=np.float32))

    def push(self, bar: "Bar") -> ImageBars:
        """One more closed bar: that bar alone, with those before it."""
        return self._advance(np.array([bar[1:5]], dtype=np.float64))

    def extend(self, bars: "Bars") -> ImageBars:
        """Many more bars at once."""
        return self._advance(np.column_stack([bars.open, bars.high, bars.low, bars.close]))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """A copy of everything it remembers, as named arrays."""
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on where `state()` was taken. Raises SchemaError, and is as before, for the state of something else."""
        from barmill.features.taking_over import take_over

        take_over("image bars", self._arrays(), state, "image")

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"prices": self._tail.prices, "signals": self._tail.signals, **self._signals.arrays()}

    def _advance(self, prices: Float64Array) -> ImageBars:
        signals = self._signals.advance(np.ascontiguousarray(prices[:, 3]))
        joined = ImageBars(np.concatenate((self._tail.prices, prices)), np.concatenate((self._tail.signals, signals)), FIRST_END)
        self._tail = ImageBars(joined.prices[-FIRST_END:].copy(), joined.signals[-FIRST_END:].copy())
        return joined


def settled_bars(tolerance: float) -> int:
    """Bars of history after which an image no longer depends on where the history began, but for `tolerance` of its start."""
    mean = EMA_SPAN - 1 + math.ceil(math.log(tolerance) / math.log(1 - 2 / (EMA_SPAN + 1)))
    strength = RSI_WINDOW + 1 + math.ceil(math.log(tolerance) / math.log(1 - 1 / RSI_WINDOW))
    return max(mean, strength) + SIDE


__all__ = ["NEEDED_BARS", "PRICES", "ImageBarStream", "ImageBars", "settled_bars"]
