"""A backtest by what kind of time its trades were decided in: volatility regimes, hours of the day, or any label per bar."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.backtesting.result import BacktestResult
from barmill.evaluation.backtesting.trade_list import TradeList
from barmill.evaluation.performance import trade_stats
from barmill.market.bars import Bars

Float64Array = npt.NDArray[np.float64]
Int8Array = npt.NDArray[np.int8]

VOLATILITY_REGIMES = ("quiet", "middling", "wild")
TRADING_HOURS = ("asia", "europe", "us", "late")
_HOURS_FROM = (0, 7, 13, 21)  # UTC: the hours in which Asia, Europe, then the US lead; the lull after New York
HOUR_MS = 3_600_000
_BLOCK_BARS = 60  # edges of the regimes move once in so many bars
_EDGE_BLOCKS = 720  # and look back so many blocks
_LEAST_BLOCKS = 24


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """What the trades decided in one kind of time came to; money, and shares of their number.

    bar_share : share of the bars that counted and are of this kind; the rest as in `metrics.figures`
    """

    name: str
    bar_share: float
    n_trades: int
    net_pnl: float
    gross_pnl: float
    cost: float
    hit_rate: float
    profit_factor: float
    avg_trade_pnl: float
    avg_r: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON without NaN."""
        return without_nan({name: getattr(self, name) for name in self.__dataclass_fields__})


def by_group(result: BacktestResult, labels: npt.ArrayLike, names: tuple[str, ...]) -> tuple[GroupFigures, ...]:
    """Figures of the trades by the label of the bar at whose close each was decided.

    Parameters
    ----------
    labels : integers of shape (n_bars,) over the bars that the backtest was given, places in `names`; -1 where there is none
    names : of the labels

    Returns
    -------
    one GroupFigures per name, and one called "unknown" if any trade was decided where there is no label.
    Raises: ShapeError for labels that are not places in `names`.
    """
    given = np.asarray(labels, dtype=np.int64)
    if given.ndim != 1 or (given < -1).any() or (given >= len(names)).any():
        raise ShapeError("labels", f"of shape {given.shape}", expected=f"one per bar, from -1 to {len(names) - 1}")
    trades = result.trades
    counted = given[result.first_bar : result.first_bar + result.raw_rows]
    if counted.size < result.raw_rows:
        raise ShapeError("labels", f"have {given.size} rows", expected="one for each bar that the backtest was given")
    own = given[trades.decided_bar] if len(trades) else np.empty(0, dtype=np.int64)
    numbers = [*range(len(names)), *([-1] if (own == -1).any() else [])]
    called = [*names, "unknown"]  # -1 is the last
    return tuple(_figures(trades, own == number, called[number], float(np.mean(counted == number))) for number in numbers)


def _figures(trades: TradeList, chosen: npt.NDArray[np.bool_], name: str, share: float) -> GroupFigures:
    net, multiples = trades.net[chosen], trades.r_multiple[chosen]
    known = multiples[np.isfinite(multiples)]
    stats = trade_stats(net)
    return GroupFigures(
        name=name,
        bar_share=share,
        n_trades=int(chosen.sum()),
        net_pnl=float(net.sum()),
        gross_pnl=float(trades.gross[chosen].sum()),
        cost=float((trades.fees + trades.slippage + trades.funding)[chosen].sum()),
        hit_rate=stats.win_rate,
        profit_factor=stats.profit_factor,
        avg_trade_pnl=float(net.mean()) if net.size else float("nan"),
        avg_r=float(known.mean()) if known.size else float("nan"),
    )


def trading_hours(bars: Bars) -> Int8Array:
    """int8 (n_bars,), a place in TRADING_HOURS by the UTC hour of the bar's close.

    Asia 0 to 7, europe 7 to 13, us 13 to 21, late 21 to 24.
    """
    hour = bars.close_time // HOUR_MS % 24
    return (np.searchsorted(_HOURS_FROM, hour, side="right") - 1).astype(np.int8)


def volatility_regimes(bars: Bars, span: int = 60) -> Int8Array:
    """int8 (n_bars,), a place in VOLATILITY_REGIMES: the third of its own recent past in which a bar's volatility lies; -1 while unknown.

    The exponentially weighted volatility of `span` bars, against the terciles of its values at the ends of the last 720 blocks of 60
    bars. The block in which a bar lies is not among them, so row t is known at the close of bar t.
    """
    from barmill.labels import ewm_volatility

    n = len(bars)
    sigma = ewm_volatility(bars.close, span) if n else np.empty(0)
    at_ends = pl.Series(sigma[_BLOCK_BARS - 1 :: _BLOCK_BARS]).fill_nan(None)
    block = np.arange(n) // _BLOCK_BARS - 1  # the last block that had ended before a bar's own
    regimes = np.zeros(n, dtype=np.int8)
    known = block >= 0
    for share in (1 / 3, 2 / 3):
        edges = at_ends.rolling_quantile(share, "linear", window_size=_EDGE_BLOCKS, min_samples=_LEAST_BLOCKS).to_numpy()
        edge = np.full(n, np.nan)
        edge[known] = edges[block[known]] if edges.size else np.nan
        regimes += sigma > edge
        regimes[np.isnan(edge)] = -1
    return np.where(regimes < 0, np.int8(-1), regimes)


__all__ = ["TRADING_HOURS", "VOLATILITY_REGIMES", "GroupFigures", "by_group", "trading_hours", "volatility_regimes"]
