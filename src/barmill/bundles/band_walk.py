"""An adaptive band on its way through time: what bars made known moves it, and each decision is remembered until then."""

import math
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from barmill.bundles.forecast_band import ForecastBand
from barmill.errors import BundleError, InputError
from barmill.labels import Outcomes, OutcomeStream, decides_at
from barmill.uncertainty.conformal.adaptive import AdaptiveState
from barmill.uncertainty.conformal.intervals import Bounds, widened, widened_at

if TYPE_CHECKING:
    from barmill.market import Bar, Bars, Instrument, Timeframe

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

FORMAT = 1


class BandWalk:
    """The band of a bundle as it stands at each bar: a function of the bundle and of the bars up to there, however these come in.

    Bars go in by `push` or `extend`, in time order, and then the forecasts of the ready ones among them, through `bounds`. A decision
    falls at each forecast of the labels' grid after `BandOutcomes.since`; what became of it is counted at the close at which it is known,
    before that bar's own band is said. Earlier bars, and those that a saved state has seen, take the band as it stands in the bundle.
    Not to be shared between threads.

    band : of the bundle `bundle` (its digest), with `outcomes`
    saved : what `to_json` gave, to go on from there; bars and rows up to then may be given again, to warm up features, and move nothing

    Raises: BundleError where `saved` is something else, or of another bundle.
    """

    def __init__(
        self, band: ForecastBand, instrument: "Instrument", timeframe: "Timeframe", bundle: str, saved: Mapping[str, Any] | None = None
    ) -> None:
        assert isinstance(band.band, AdaptiveState)
        assert band.outcomes is not None
        self._start, self._labels, self._bundle, self._bar_ms = band.band, band.outcomes.labels, bundle, timeframe.ms
        self._market = (instrument, timeframe, self._labels)
        self._state, self._outcomes = self._start, OutcomeStream(*self._market)
        self._units: dict[int, float] = {}  # of each decision that is pending
        self._came: deque[tuple[int, int, float]] = deque()  # decided_at, known_at, net log return: known, and not yet counted
        self.since = band.outcomes.since  # rows up to here take the band of the bundle, and move nothing
        self._until: int | None = None  # the last bar that went in
        self._resumed: int | None = None
        if saved is not None:
            self._resume(saved)

    @property
    def state(self) -> AdaptiveState:
        """The band after the last bar that went in."""
        if self._until is not None:
            self._catch_up(self._until)
        return self._state

    def push(self, bar: "Bar") -> None:
        """One more closed bar."""
        if self._resumed is None or bar.open_time > self._resumed:
            self._hear(self._outcomes.push(bar), bar.open_time)

    def extend(self, bars: "Bars") -> None:
        """Many more at once."""
        fresh = bars if self._resumed is None else bars.slice(int(np.searchsorted(bars.open_time, self._resumed, side="right")), len(bars))
        if len(fresh):
            self._hear(self._outcomes.extend(fresh), int(fresh.open_time[-1]))

    def bounds(self, open_time: Int64Array, lo: Float64Array, hi: Float64Array, unit: Float64Array) -> Bounds:
        """The bands of forecasts in time order, in z, each as it is said at its bar's close.

        open_time : int64 of shape (n,), UTC ms, of bars that went in
        lo, hi : float64 of shape (n,), what the band goes around, in z; unit : float64 of shape (n,), of a return
        """
        q = np.full(open_time.size, self._start.q)
        for row in np.flatnonzero(open_time > self.since).tolist():
            q[row] = self._reach(int(open_time[row]), float(lo[row]), float(hi[row]), float(unit[row]))
        return widened(lo, hi, q)

    def bounds_at(self, open_time: int, lo: float, hi: float, unit: float) -> tuple[float, float]:
        """`bounds` of one forecast, whose ends are finite, in plain numbers."""
        q = self._reach(open_time, lo, hi, unit) if open_time > self.since else self._start.q
        return widened_at(lo, hi, q)

    def _reach(self, at: int, lo: float, hi: float, unit: float) -> float:
        """How far the band goes beyond lo and hi at the close of the bar `at`. A decision that is asked for again is the same one."""
        self._catch_up(at)
        if decides_at(at, self._bar_ms, self._labels.every) and at not in self._units:
            self._state = self._state.decide(at, lo, hi).state
            self._units[at] = unit
        return self._state.q

    def _hear(self, outcomes: Outcomes, until: int) -> None:
        self._came += zip(*(column.tolist() for column in outcomes), strict=True)
        self._until = until

    def _catch_up(self, at: int) -> None:
        """Count what is known at the close of the bar `at`."""
        while self._came and self._came[0][1] <= at:
            decided_at, _, net_log_return = self._came.popleft()
            unit = self._units.pop(decided_at, None)
            if unit is None:  # no forecast was made there
                continue
            settled = not math.isnan(net_log_return)
            self._state = self._state.update(decided_at, net_log_return / unit) if settled else self._state.without(decided_at)

    def to_json(self) -> dict[str, Any]:
        """All that it knows after the last bar, as plain numbers, exact: another one goes on from there to the bit."""
        state = self.state
        units = [[at, unit] for at, unit in sorted(self._units.items())]
        known = {"until": self._until, "units": units, "state": state.to_json(), "outcomes": self._outcomes.to_json()}
        return {"format": FORMAT, "bundle": self._bundle, **known}

    def _resume(self, saved: Mapping[str, Any]) -> None:
        try:
            if (saved["format"], saved["bundle"]) != (FORMAT, self._bundle):
                raise ValueError(f"format {saved['format']} of bundle {str(saved['bundle'])[:12]}, not {FORMAT} of {self._bundle[:12]}")
            self._state, self._outcomes = AdaptiveState.from_json(saved["state"]), OutcomeStream.restore(*self._market, saved["outcomes"])
            self._units = {int(at): float(unit) for at, unit in saved["units"]}
            if self._state.settings != self._start.settings or [made.at for made in self._state.pending] != list(self._units):
                raise ValueError("its parts do not fit together")
            if saved["until"] is not None:
                self._until = self._resumed = int(saved["until"])
                self.since = max(self.since, self._resumed)
        except (KeyError, TypeError, ValueError, OverflowError, InputError) as error:
            raise BundleError("band state", f"cannot be gone on from: {error}", mend="Begin without it, from the bundle's own.") from error


__all__ = ["BandWalk"]
