"""Features live: one more closed bar at a time, the same scan as the history."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, SchemaError
from barmill.features.kernels.kernel import COLUMNS, Float64Array
from barmill.features.plan import FeaturePlan, scan_table
from barmill.features.scan import Scan
from barmill.features.table import FeatureTable
from barmill.market import Bar, Bars

_SCHEMA, _CLOCK = "schema", "clock"


class FeatureStream:
    """A plan's features as bars arrive. Holds a state of fixed size; not to be shared between threads.

    Parameters
    ----------
    plan : FeaturePlan
    """

    def __init__(self, plan: FeaturePlan) -> None:
        self.plan = plan
        self._scan = Scan(plan.features)
        self._clock = np.array([0, -(2**62)], dtype=np.int64)  # bars seen, open time of the last
        self._bar = np.empty((len(COLUMNS), 1))
        self._row = np.empty((1, len(plan.features)))

    @property
    def bars_seen(self) -> int:
        """How many bars have gone in, over all restarts."""
        return int(self._clock[0])

    def push(self, bar: Bar) -> Float64Array:
        """One more closed base bar.

        Returns
        -------
        float64 array of shape (n_features,), known at the bar's close: bit for bit the row that `compute` gives; NaN in warm-up.

        Raises: DataError for a bar that comes late or cannot be right; the state is then as before.
        """
        self._check_order(bar.open_time)
        _check_bar(bar)
        column = self._bar[:, 0]
        column[0], column[1] = bar.open_time, bar.open_time + self.plan.base.ms
        column[2:] = bar[1:6]
        for _ in self._scan.advance(self._bar, self._row):
            pass
        self._clock += 1, bar.open_time - self._clock[1]
        return self._row[0].copy()

    def extend(self, bars: Bars) -> FeatureTable:
        """Many more bars at once; bit for bit the rows that `compute` gives. Raises as `push` and `compute`."""
        if len(bars):
            self._check_order(int(bars.open_time[0]))
        table = scan_table(self.plan, self._scan, bars)
        if len(bars):
            self._clock += len(bars), bars.open_time[-1] - self._clock[1]
        return table

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """A copy of everything the stream remembers, as named arrays that safetensors can hold."""
        schema = np.frombuffer(bytes.fromhex(self.plan.schema_hash), dtype=np.uint8).copy()
        return {_SCHEMA: schema, _CLOCK: self._clock.copy(), **self._scan.state()}

    @classmethod
    def restore(cls, plan: FeaturePlan, state: Mapping[str, npt.NDArray[np.generic]]) -> "FeatureStream":
        """A stream that goes on where `state()` was taken. Raises SchemaError if it was taken with another plan."""
        stream = cls(plan)
        arrays = dict(state)
        schema, clock = arrays.pop(_SCHEMA, None), arrays.pop(_CLOCK, None)
        found = "no schema" if schema is None else f"schema {schema.astype(np.uint8).tobytes().hex()[:8]}.."
        if found != f"schema {plan.schema_hash[:8]}.." or clock is None or clock.shape != (2,):
            raise SchemaError(
                "feature state", found, expected=f"schema {plan.schema_hash[:8]}..", mend="Restore the state of the same plan."
            )
        stream._clock[:] = clock
        stream._scan.restore(arrays)
        return stream

    def _check_order(self, open_time: int) -> None:
        if self._clock[0] and open_time <= self._clock[1]:
            found = f"is not after the last bar, {int(self._clock[1])}"
            raise DataError(f"bar {open_time}", found, mend="Send each closed bar once, in time order.")


def _check_bar(bar: Bar) -> None:
    _, open_, high, low, close, volume = bar
    if not (low <= open_ <= high and low <= close <= high and 0.0 <= volume < math.inf and math.isfinite(high - low)):
        found = f"open {open_}, high {high}, low {low}, close {close}, volume {volume}"
        raise DataError(f"bar {bar.open_time}", found, expected="finite numbers, low <= open, close <= high and volume not negative")


__all__ = ["FeatureStream"]
