"""Did the forecasts know where the price went? The one figure that is one half, exactly, for whoever knows nothing.

Two things that look alike are not used. The AUC of the *labels* can be above one half without a leak: barriers are net of costs,
and whether time ends a trade depends on volatility, which can be forecast. The ordinary AUC of the *direction* over a fold is above
one half on a pure random walk too (0.503 to 0.507 was measured, for trees on the core features): features remember the moves that
came before, so among the rows of a fold the later ones carry the outcomes of the earlier, in test and training rows alike (the bias
of Stambaugh 1999, Journal of Financial Economics 54). Here every forecast is therefore ranked among those that were made *before*
it. A rank that is known at the decision, times a fair coin that falls after it, has expectation zero, whatever features remember.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from barmill.labels import Labels
from barmill.market import Bars
from barmill.pipeline.dataset import Positions

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


class DirectionScore(NamedTuple):
    """total : sum over n forecasts of the rank (-1/2 to 1/2) times the direction (+1, -1); `auc` turns it into an AUC."""

    total: float
    n: int

    @property
    def auc(self) -> float:
        """NaN without forecasts."""
        return 0.5 + 2.0 * self.total / self.n if self.n else float("nan")


def gross_direction(bars: Bars, labels: Labels, rows: Positions, horizon: int) -> Float64Array:
    """Direction of the move from the entry to the close at the horizon's end, float64 of shape of `rows`: +1, -1, 0 if it did not move,
    NaN where the bars end before.

    The entry is what the label says that it was, the next open. Were labels made of bars that a decision has seen, or filled at
    its close, then this move would have begun before the decision, and could be forecast.
    """
    last = labels.t0[rows] + horizon
    close = bars.close[np.minimum(last, len(bars) - 1)]
    return np.where(last < len(bars), np.sign(close - labels.entry_price[rows]), np.nan)


def direction_score(p_up: Float64Array, direction: Float64Array) -> DirectionScore:
    """How forecasts of one model agree with the direction, each ranked among the earlier ones.

    Parameters
    ----------
    p_up : float64 of shape (n,), in time order, of one model with one calibration
    direction : float64 of shape (n,): +1, -1; 0 (a tie) and NaN (unknown) rank the others and score nothing

    For ranks that spread evenly and classes of equal size `auc` is the usual AUC: E[rank | up] - E[rank | down] = AUC - 1/2.
    Cost: n log n.
    """
    ranks = np.searchsorted(np.unique(p_up), p_up)
    rank = _rank_among_earlier(ranks.astype(np.int64))
    scored = np.isin(direction, (1.0, -1.0))
    scored[:1] = False  # nothing came before it
    return DirectionScore(float((rank[scored] * direction[scored]).sum()), int(scored.sum()))


@numba.njit(cache=True)
def _rank_among_earlier(ranks: Int64Array) -> Float64Array:
    """Share of the earlier values below each, ties counted half, less 1/2; by a Fenwick tree over the ranks from 0."""
    n = ranks.size
    size = 1
    for i in range(n):
        size = max(size, ranks[i] + 1)
    tree = np.zeros(size + 1, dtype=np.int64)
    made = np.zeros(n)
    for i in range(n):
        below = 0
        at = ranks[i]  # sum over the ranks before this one
        while at > 0:
            below += tree[at]
            at -= at & -at
        upto = 0
        at = ranks[i] + 1
        while at > 0:
            upto += tree[at]
            at -= at & -at
        if i > 0:
            made[i] = (below + 0.5 * (upto - below)) / i - 0.5
        at = ranks[i] + 1
        while at <= size:
            tree[at] += 1
            at += at & -at
    return made


__all__ = ["DirectionScore", "direction_score", "gross_direction"]
