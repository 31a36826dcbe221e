"""Features live: one more closed bar at a time, the same scan as the history."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, SchemaError
from barmill.features.computing import compute_table, new_reader, new_scan
from barmill.features.kernels.kernel import Float64Array
from barmill.features.plan import FeaturePlan
from barmill.features.table import FeatureTable
from barmill.market import Bar, Bars

_SCHEMA, _CLOCK, _BEGUN = "schema", "clock", "begun"


class FeatureStream:
    """A plan's features as bars arrive. Holds a state of fixed size; not to be shared between threads.

    Parameters
    ----------
    plan : FeaturePlan
    """

    def __init__(self, plan: FeaturePlan) -> None:
        self.plan = plan
        self._scan = new_scan(plan)
        self._reader = new_reader(plan)
        self._clock = np.array([0, -(2**62)], dtype=np.int64)  # bars seen, open time of the last
        self._row = np.empty((1, len(plan.features)))
        self._line = self._row[0]

    @property
    def bars_seen(self) -> int:
        """How many bars have gone in, over all restarts."""
        return int(self._clock[0])

    @property
    def last_open_time(self) -> int | None:
        """Open time of the last bar, UTC ms; None before the first."""
        return int(self._clock[1]) if self._clock[0] else None

    def push(self, bar: Bar) -> Float64Array:
        """One more closed base bar; `bar.extra` holds the plan's further columns.

        Returns
        -------
        float64 array of shape (n_features,), known at the bar's close: bit for bit the row that `compute` gives; NaN in warm-up.

        Raises: DataError for a bar that comes late, cannot be right or lacks a column; the state is then as before.
        """
        open_time, open_, high, low, close, volume, extra = bar
        further = tuple(map(extra.get, self.plan.sources))
        return self.advance(open_time, open_, high, low, close, volume, further).copy()

    def advance(
        self, open_time: int, open_: float, high: float, low: float, close: float, volume: float, further: Sequence[float | None] = ()
    ) -> Float64Array:
        """The same bar as plain numbers, for callers that count microseconds.

        further : the plan's `sources`, in their order; None for one that did not come

        Returns
        -------
        As `push`, but always the same array, which the next bar overwrites: no array is made for a bar.
        """
        self._check_order(open_time)
        self._reader.read_numbers(open_time, open_, high, low, close, volume, further, self._scan.inputs)
        self._scan.advance_one(self._row)
        self._clock[0] += 1
        self._clock[1] = open_time
        return self._line

    def extend(self, bars: Bars) -> FeatureTable:
        """Many more bars at once; bit for bit the rows that `compute` gives. Raises as `push` and `compute`."""
        if len(bars):
            self._check_order(int(bars.open_time[0]))
        table = compute_table(self.plan, self._scan, self._reader, bars)
        self._scan.give_back_room()
        if len(bars):
            self._clock += len(bars), bars.open_time[-1] - self._clock[1]
        return table

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """A copy of everything the stream remembers, as named arrays that safetensors can hold."""
        schema = np.frombuffer(bytes.fromhex(self.plan.schema_hash), dtype=np.uint8).copy()
        return {_SCHEMA: schema, _CLOCK: self._clock.copy(), _BEGUN: self._reader.begun.copy(), **self._scan.state()}

    @classmethod
    def restore(cls, plan: FeaturePlan, state: Mapping[str, npt.NDArray[np.generic]]) -> "FeatureStream":
        """A stream that goes on where `state()` was taken. Raises SchemaError if it was taken with another plan."""
        stream = cls(plan)
        arrays = dict(state)
        schema, clock, begun = (arrays.pop(name, None) for name in (_SCHEMA, _CLOCK, _BEGUN))
        found = "no schema" if schema is None else f"schema {schema.astype(np.uint8).tobytes().hex()[:8]}.."
        if (
            found != f"schema {plan.schema_hash[:8]}.."
            or clock is None
            or begun is None
            or (clock.shape, begun.shape) != (stream._clock.shape, stream._reader.begun.shape)
        ):
            raise SchemaError(
                "feature state", found, expected=f"schema {plan.schema_hash[:8]}..", mend="Restore the state of the same plan."
            )
        stream._clock[:] = clock
        stream._reader.begun[:] = begun
        stream._scan.restore(arrays)
        return stream

    def _check_order(self, open_time: int) -> None:
        if self._clock[0] and open_time <= self._clock[1]:
            found = f"is not after the last bar, {int(self._clock[1])}"
            raise DataError(f"bar {open_time}", found, mend="Send each closed bar once, in time order.")


__all__ = ["FeatureStream"]
