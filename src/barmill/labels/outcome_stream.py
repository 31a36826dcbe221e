"""Outcomes of decisions as bars close: each label at the bar at which it becomes known, and not before."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import InputError, LabelError
from barmill.labels.config import LabelConfig
from barmill.labels.make import decides_at, settled
from barmill.labels.triple_barrier import has_room

if TYPE_CHECKING:
    from barmill.market import Bar, Bars, Instrument, Timeframe

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

_PRICES = ("open", "high", "low", "close")


class Outcomes(NamedTuple):
    """What became of decisions, in the order in which it became known, of one bar the earlier decision first; shape (n,) each.

    decided_at, known_at : int64, open time (UTC ms) of the bar at whose close the decision fell, and of that at whose close the outcome
        is known
    net_log_return : float64, as in `Labels`; NaN where none will ever come: before the ATR is known, or without room for a level
    """

    decided_at: Int64Array
    known_at: Int64Array
    net_log_return: Float64Array


class OutcomeStream:
    """What `make_labels` says of each decision, given out at the bar at which it is known. Not to be shared between threads.

    However the bars are cut into pieces, every bit is the same. Outcomes are those of the market, also where `config.shuffle` deals the
    labels of a run out anew. It remembers the bars since the oldest decision that is open, `horizon` at most.

    instrument : whose costs a trade pays; timeframe : of the bars
    """

    def __init__(self, instrument: "Instrument", timeframe: "Timeframe", config: LabelConfig) -> None:
        from barmill.features import AtrStream  # compiles kernels; see `_kernels`

        self._instrument, self._bar_ms, self._config = instrument, timeframe.ms, config
        self._atr = AtrStream(config.atr_window)
        self._times = np.empty(0, dtype=np.int64)  # of the bars that are kept
        self._prices = np.empty((len(_PRICES), 0))
        self._events = np.empty(0, dtype=np.int64)  # open decisions, positions among the bars that are kept
        self._event_atr = np.empty(0)

    def push(self, bar: "Bar") -> Outcomes:
        """One more closed bar: what it makes known."""
        return self._extend(np.array([bar.open_time], dtype=np.int64), np.array([[bar.open], [bar.high], [bar.low], [bar.close]]))

    def extend(self, bars: "Bars") -> Outcomes:
        """Many more at once."""
        return self._extend(bars.open_time, np.stack([bars.column(name) for name in _PRICES]))

    def _extend(self, times: Int64Array, prices: Float64Array) -> Outcomes:
        config, n_before = self._config, self._times.size
        atr = self._atr.extend(*prices[1:])
        fresh = np.flatnonzero(decides_at(times, self._bar_ms, config.every))
        self._events = np.concatenate((self._events, n_before + fresh))
        self._event_atr = np.concatenate((self._event_atr, atr[fresh]))
        self._times = np.concatenate((self._times, times))
        self._prices = np.concatenate((self._prices, prices), axis=1)
        found, still_open = self._settle()
        self._keep(still_open)
        return found

    def _settle(self) -> tuple[Outcomes, npt.NDArray[np.bool_]]:
        """What is known of the open decisions, and which of them are open still."""
        from barmill.market import round_trip_cost

        events, config = self._events, self._config
        entered = events + 1 < self._times.size
        taken = entered.copy()
        cost = np.zeros(events.size)
        cost[entered] = round_trip_cost(self._instrument, self._prices[0, events[entered] + 1])
        if config.method == "triple_barrier":
            taken &= has_room(self._event_atr, cost, config.k_up, config.k_down, config.cost_mode)
        opens, highs, lows, closes = self._prices
        outcome, _ = settled(opens, highs, lows, closes, config, events[taken], self._event_atr[taken], cost[taken])
        t1, net = np.where(entered, events + 1.0, np.nan), np.full(events.size, np.nan)  # without room nothing comes, as the entry shows
        t1[taken], net[taken] = outcome.t1, outcome.net_return
        known = np.isfinite(t1)
        ends = t1[known].astype(np.int64)
        order = np.argsort(ends, kind="stable")
        decided_at = self._times[events[known]][order]
        return Outcomes(decided_at, self._times[ends][order], _log(net[known][order], decided_at)), ~known

    def _keep(self, still_open: npt.NDArray[np.bool_]) -> None:
        """Forget what is settled, and the bars before the oldest decision that is open."""
        self._events, self._event_atr = self._events[still_open], self._event_atr[still_open]
        first = int(self._events[0]) if self._events.size else self._times.size
        self._events = self._events - first
        self._times, self._prices = self._times[first:].copy(), self._prices[:, first:].copy()

    def to_json(self) -> dict[str, Any]:
        """All that it remembers as plain numbers, exact: `restore` goes on from there to the bit."""
        bars = {"open_time": self._times.tolist(), **{name: row.tolist() for name, row in zip(_PRICES, self._prices, strict=True)}}
        open_decisions = {
            "events": self._events.tolist(),
            "event_atr": [None if np.isnan(one) else one for one in self._event_atr.tolist()],
        }
        return {"atr": list(self._atr.state), "bars": bars, **open_decisions}

    @classmethod
    def restore(cls, instrument: "Instrument", timeframe: "Timeframe", config: LabelConfig, value: Mapping[str, Any]) -> "OutcomeStream":
        """The stream whose `to_json` wrote `value`, with the same settings. Raises LabelError where it is something else."""
        from barmill.features import AtrStream

        stream = cls(instrument, timeframe, config)
        try:
            stream._atr = AtrStream(config.atr_window, value["atr"])
            stream._times = np.array(value["bars"]["open_time"], dtype=np.int64)
            stream._prices = np.array([value["bars"][name] for name in _PRICES], dtype=np.float64)
            stream._events = np.array(value["events"], dtype=np.int64)
            stream._event_atr = np.array([np.nan if one is None else one for one in value["event_atr"]], dtype=np.float64)
            stream._check()
        except (KeyError, TypeError, ValueError, OverflowError, InputError) as error:
            raise LabelError("outcomes", f"cannot be read: {error}", mend="Begin without a saved state.") from error
        return stream

    def _check(self) -> None:
        n_bars, events = self._times.size, self._events
        fits = self._prices.shape == (len(_PRICES), n_bars) and events.shape == self._event_atr.shape
        in_order = (np.diff(self._times) > 0).all() and (np.diff(events) > 0).all()
        if not (fits and in_order and ((events >= 0) & (events < n_bars)).all() and np.isfinite(self._prices).all()):
            raise ValueError("its bars or decisions do not fit together")


def _log(net_return: Float64Array, decided_at: Int64Array) -> Float64Array:
    """ln(1 + net_return). Raises LabelError, as `Labels.net_log_return`, where a trade lost all it had."""
    lost = net_return <= -1
    if lost.any():
        at = int(np.argmax(lost))
        mend = "Use a stop (triple_barrier) or a shorter horizon."
        raise LabelError(f"decision {decided_at[at]}", f"a net return of {net_return[at]:.4g}, which has no logarithm", mend=mend)
    return np.log1p(net_return)


__all__ = ["OutcomeStream", "Outcomes"]
