"""The closed bars of several timeframes while base bars come in: the view of a whole history, bar by bar.

The bars are put together by the compiled aggregator with which features of longer timeframes are computed live, and the
logarithms are taken by the routine that takes those of a whole history; how the base bars are cut changes no bit.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from barmill.errors import InstrumentError
from barmill.views.closed_bars import Anchor, log_base, logarithms_of
from barmill.views.multi_resolution import BAR_COLUMNS, NO_ENDS, MultiResolution
from barmill.views.resolution import Resolution

if TYPE_CHECKING:
    from barmill.market import Bar, Bars, Timeframe

Float64Array = npt.NDArray[np.float64]

_BLOCK = 65_536  # bars aggregated at a time; what is held beside the closed bars does not grow with the history
_ROOM = 8  # after a gap one base bar can close two longer ones


class ClosedBarStream:
    """What each base bar knows of longer bars, as the base bars close. A state of fixed size; not to be shared between threads.

    Parameters
    ----------
    base : Timeframe of the bars that come in
    lengths : bars in the window of each timeframe, such as {"1m": 60, "5m": 12}
    anchor, calendar : whether longer bars are counted from the Unix epoch or from the open of each session of the market's calendar

    Raises: InstrumentError for a timeframe that is no multiple of `base`.
    """

    def __init__(self, base: "Timeframe", lengths: Mapping[str, int], anchor: Anchor = "epoch", calendar: str = "24/7") -> None:
        from barmill.features.kernels.kernel import BAR_ROWS
        from barmill.features.kernels.timeframes import FORMING
        from barmill.features.rows import RowReader
        from barmill.market import Timeframe

        parsed = {Timeframe.parse(name): length for name, length in lengths.items()}
        for timeframe in parsed:
            if timeframe < base or timeframe.minutes % base.minutes:
                raise InstrumentError(f"timeframe {timeframe}", f"the bars are of {base}", expected=f"a multiple of {base}")
        self._timeframes = sorted(parsed)
        self._lengths = [parsed[timeframe] for timeframe in self._timeframes]
        self._n_base = [timeframe.minutes // base.minutes for timeframe in self._timeframes]
        sessions = ("session_open", "session_close") if anchor == "session" else ()
        self._reader = RowReader(base, sessions, calendar)
        self._n_columns = len(BAR_ROWS)
        self._sessions = (self._n_columns, self._n_columns + 1) if sessions else (-1, -1)
        self._steps = np.array([float(timeframe.ms) for timeframe in self._timeframes])
        self._firsts = self._reader.n_rows + self._n_columns * np.arange(len(parsed), dtype=np.int64)
        self._forming = np.zeros((len(parsed), FORMING + self._n_columns))
        self._tail_names = [f"closed@{timeframe} of {anchor}" for timeframe in self._timeframes]
        self._tails = [np.full((length, len(BAR_COLUMNS)), np.nan) for length in self._lengths]

    def push(self, bar: "Bar") -> MultiResolution:
        """One more closed base bar: the view of that bar alone, without samples. Raises DataError for a bar that cannot be right."""
        rows = np.empty((self._reader.n_rows, 1))
        self._reader.read_bar(bar, rows[:, 0])
        return self._view([self._advance(rows)], np.array([bar.close]))

    def extend(self, bars: "Bars") -> MultiResolution:
        """Many more bars at once: the view of them, without samples, row for row what `push` gives. Raises as `push`."""
        blocks: list[tuple[list[Float64Array], npt.NDArray[np.int64]]] = []
        for start in range(0, len(bars), _BLOCK):
            stop = min(start + _BLOCK, len(bars))
            rows = np.empty((self._reader.n_rows, stop - start))
            self._reader.read(bars, start, stop, rows)
            blocks.append(self._advance(rows))
        return self._view(blocks, bars.close)

    def state(self) -> dict[str, Float64Array]:
        """A copy of everything it remembers: of each timeframe, the bar that is forming and the closed ones of its window, oldest first."""
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on where `state()` was taken, of a stream of the same bars that remembered as much or more.

        Raises: SchemaError, as it was before, where a timeframe is missing or its windows were shorter.
        """
        from barmill.features.taking_over import take_over

        arrays = self._arrays()
        known = {name: array for name, array in state.items() if name in arrays}
        for name, tail in zip(self._tail_names, self._tails, strict=True):
            if name in known and known[name].ndim == tail.ndim and len(known[name]) > len(tail):
                known[name] = known[name][-len(tail) :]
        take_over("closed bars", arrays, known, "timeframe of this view")

    def _arrays(self) -> dict[str, Float64Array]:
        forming = {name.replace("closed", "forming", 1): row for name, row in zip(self._tail_names, self._forming, strict=True)}
        return forming | dict(zip(self._tail_names, self._tails, strict=True))

    def _advance(self, rows: Float64Array) -> tuple[list[Float64Array], npt.NDArray[np.int64]]:
        """The bars of each timeframe that the base bars `rows` close, and how many at each of them."""
        from barmill.features.kernels import timeframes
        from barmill.features.kernels.kernel import OPEN, VOLUME

        n_layers, n_bars = len(self._timeframes), rows.shape[1]
        sheet = np.empty((self._reader.n_rows + n_layers * self._n_columns, n_bars + _ROOM))
        sheet[: len(rows), :n_bars] = rows
        closed = np.zeros((n_layers, n_bars), dtype=np.int64)
        counts = np.zeros(n_layers, dtype=np.int64)
        layers, sums = np.arange(n_layers, dtype=np.int64), np.empty(0, dtype=np.int64)
        timeframes.aggregate.compiled(
            layers, self._steps, self._firsts, sums, *self._sessions, self._forming, sheet, n_bars, closed, counts
        )
        made = [sheet[first + OPEN : first + VOLUME + 1, :count].T for first, count in zip(self._firsts, counts, strict=True)]
        return made, closed

    def _view(self, blocks: list[tuple[list[Float64Array], npt.NDArray[np.int64]]], closes: Float64Array) -> MultiResolution:
        """The view over the base bars of `blocks`; what they closed stands behind the bars that were known before."""
        resolutions: list[Resolution] = []
        for layer, (timeframe, length, n_base) in enumerate(zip(self._timeframes, self._lengths, self._n_base, strict=True)):
            made = [log_base(str(timeframe), BAR_COLUMNS, bars[layer]) for bars, _ in blocks]
            base = np.concatenate((self._tails[layer], *made))
            before = length + np.cumsum([0, *(len(one) for one in made)])
            last = [counts[layer] + first - 1 for (_, counts), first in zip(blocks, before, strict=False)]
            resolutions.append(Resolution(str(timeframe), length, base, np.concatenate(last) if last else NO_ENDS, n_base))
            self._tails[layer] = base[-length:].copy()
        return MultiResolution(tuple(resolutions), BAR_COLUMNS, NO_ENDS, logarithms_of(closes[:, None])[:, 0])


__all__ = ["ClosedBarStream"]
