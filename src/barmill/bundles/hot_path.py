"""A bar in, its forecast out, as plain numbers and in memory that is there: for an engine that counts microseconds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from barmill.bundles.direction import Float64Array
from barmill.bundles.stream import BundleStream
from barmill.errors import DataError

if TYPE_CHECKING:
    from barmill.bundles.bundle import Bundle
    from barmill.bundles.forecast import Forecast
    from barmill.market import Bars


class HotPath:
    """A bundle that is fed one closed bar after another, each as numbers, and answers in an array that stays the same.

    What it says is what `BundleStream` says, to the bit: it is the same code, without a dict of the outputs. No array is made for a bar,
    only the numbers that Python itself must make, and what a compiled kernel of a rolling window works in and gives back at once, a few
    values for each bar of its window. A network works in memory that is bound to ONNX Runtime once, which keeps an arena of its own. Where
    something does make arrays, `allocates` says what. Features that read the calendar make some when a session ends.

    Holds a state of fixed size; not to be shared between threads.

    Parameters
    ----------
    bundle : Bundle
    stream : a stream of the bundle to go on with, such as a restored one; None begins before the first bar. Both are one from then on
    saved : the adaptive band of an earlier stream, as of `BundleStream`

    Examples
    --------
    >>> path = HotPath(bundle)  # doctest: +SKIP
    >>> _ = path.extend(history)  # doctest: +SKIP
    >>> path.push(open_time, open, high, low, close, volume)  # doctest: +SKIP
    """

    def __init__(self, bundle: "Bundle", *, stream: BundleStream | None = None, saved: Mapping[str, Any] | None = None) -> None:
        self.bundle = bundle
        self.stream = BundleStream(bundle, saved) if stream is None else stream
        self._n_further = len(bundle.plan.sources)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the numbers of a forecast are, in their order."""
        return self.bundle.outputs

    @property
    def further(self) -> tuple[str, ...]:
        """Columns that `push` takes after the volume, in their order."""
        return self.bundle.plan.sources

    @property
    def allocates(self) -> str:
        """What makes arrays anew in each forecast, in words; empty where nothing does."""
        return self.stream.allocates

    @property
    def last_open_time(self) -> int | None:
        """Open time of the last bar, None before the first."""
        return self.stream.last_open_time

    @property
    def known_at(self) -> int | None:
        """When the last bar closed, UTC ms, and so when its forecast is known; None before the first."""
        last = self.stream.last_open_time
        return None if last is None else last + self.bundle.timeframe.ms

    def push(
        self, open_time: int, open: float, high: float, low: float, close: float, volume: float, *further: float
    ) -> Float64Array | None:
        """One more closed bar.

        Parameters
        ----------
        open_time : int, UTC ms
        open, high, low, close, volume, further : floats, the last of them the columns that `further` names

        Returns
        -------
        float64 array of shape (n_outputs,), known at this bar's close: always the same array, so keep its numbers and not itself.
        None while features or window warm up.

        Raises: DataError for a bar that is out of order, off the timeframe's grid, lacks a column or is no bar at all: the state is then as
        before. ForecastError rather than give a value out of bounds.
        """
        if len(further) != self._n_further:
            expected = f"{self._n_further}: {', '.join(self.further)}" if self._n_further else "none"
            raise DataError(f"bar {open_time}", f"{len(further)} further columns", expected=expected)
        return self.stream.push_numbers(open_time, open, high, low, close, volume, further)

    def extend(self, bars: "Bars") -> "Forecast":
        """Many more bars at once, such as the history before the first live bar. As `BundleStream.extend`, in new memory."""
        return self.stream.extend(bars)


__all__ = ["HotPath"]
