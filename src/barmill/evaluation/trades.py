"""The trade list of a path of positions, and the accounting law that its profits sum to the path's."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades in the order of their entry; arrays of shape (n_trades,).

    A trade is a stretch of positions of one sign; a change of size inside it belongs to it. Where the position flips,
    the cost of leaving is the old trade's and that of entering the new one's.

    entry_bar, exit_bar : int64, the bars at whose open it was entered and left; an open trade ends at the last open
    side : int8, +1 or -1
    gross, cost, net : float64, shares of a fixed capital
    still_open : bool, held at the end: marked there, its exit not charged
    """

    entry_bar: Int64Array
    exit_bar: Int64Array
    side: npt.NDArray[np.int8]
    gross: Float64Array
    cost: Float64Array
    net: Float64Array
    still_open: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return self.side.size

    @property
    def n_bars(self) -> Int64Array:
        """Bars from entry to exit."""
        return self.exit_bar - self.entry_bar


def trades_of(position: Float64Array, gross: Float64Array, cost: Float64Array) -> Trades:
    """Cut a path into its trades. Row t of the arrays is the decision at the close of bar t, filled at open[t + 1]."""
    sign = np.sign(position).astype(np.int8)
    turns = np.flatnonzero(np.diff(sign, prepend=np.int8(0)))  # a new sign from here on; before the first there was none
    if turns.size == 0:
        nothing = np.empty(0)
        bars = np.empty(0, dtype=np.int64)
        return Trades(bars, bars, np.empty(0, dtype=np.int8), nothing, nothing, nothing, np.empty(0, dtype=np.bool_))
    ends = np.append(turns[1:], position.size)
    held = sign[turns] != 0
    first, stop = turns[held], ends[held]
    still_open = stop == position.size
    # cost at a turn: the leaving share is that of the old position in the whole change (all of it where nothing follows)
    old = np.abs(np.where(turns > 0, position[turns - 1], 0.0))
    leaving = cost[turns] * old / (old + np.abs(position[turns]))
    own_gross = np.add.reduceat(gross, turns)[held]
    own_cost = np.add.reduceat(cost, turns)[held] - leaving[held]
    own_cost += np.append(leaving[1:], 0.0)[held]
    return Trades(first + 1, stop + 1, sign[first], own_gross, own_cost, own_gross - own_cost, still_open)


__all__ = ["Trades", "trades_of"]
