"""The net return of one bar of a position that is a share of equity.

Said once, for the judging of models, its random band and the account.
"""

from numba import njit


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def net_of_bar(held: float, before: float, market: float, rate: float) -> float:
    """What the share `held` earns from one open to the next, less the cost of the change from `before` that made it.

    market : open[t + 2] / open[t + 1] - 1; rate : cost of a unit change as a share of the price
    Source: definitions, section 2, `backtest_net_returns`.
    """
    return held * market - rate * abs(held - before)


__all__ = ["net_of_bar"]
