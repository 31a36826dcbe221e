"""The average true range as bars arrive: bit for bit that of the whole history."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from barmill.errors import InputError
from barmill.features import history
from barmill.features.kernels import wilder
from barmill.features.kernels.kernel import BAR_ROWS, CLOSE, HIGH, LOW, Float64Array


class AtrStream:
    """`atr` of n bars, fed any number of closed bars at a time. Not to be shared between threads.

    n : int, bars, at least 1
    state : what another one gave as its `state`, to go on from there; None begins anew
    """

    def __init__(self, n: int, state: Sequence[float] | None = None) -> None:
        history.whole("atr", n=n)
        self._params = np.array([n], dtype=np.float64)
        self._state = wilder.atr.new_state((n,))
        if state is not None:
            given = np.asarray(state, dtype=np.float64)
            if given.shape != self._state.shape or not np.isfinite(given).all():
                raise InputError("atr: state", f"is {list(state)}", expected=f"{self._state.size} finite numbers")
            self._state[:] = given

    @property
    def state(self) -> tuple[float, ...]:
        """All that it remembers; exact."""
        return tuple(self._state.tolist())

    def extend(self, high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike) -> Float64Array:
        """The rows of the next bars, float64 of shape (n_bars,), in price units; NaN in warm-up. Row t is known at the close of bar t."""
        given = history.columns("atr", high=high, low=low, close=close)
        n_bars = len(given["close"])
        bars = np.full((len(BAR_ROWS), n_bars), np.nan)
        bars[HIGH], bars[LOW], bars[CLOSE] = given["high"], given["low"], given["close"]
        out = np.empty((len(wilder.atr.outputs), n_bars))
        wilder.atr.compiled(self._params, self._state, bars, out)
        return out[0]


__all__ = ["AtrStream"]
