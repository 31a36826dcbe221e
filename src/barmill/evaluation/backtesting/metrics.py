"""Figures of a backtest, gross and net, by the formulas of `evaluation.performance`."""

import numpy as np
import numpy.typing as npt

from barmill.evaluation.backtesting.result import EquityCurve, returns_of
from barmill.evaluation.backtesting.trade_list import TradeList
from barmill.evaluation.performance import calmar_of, drawdown_of, sharpe_of, sortino_of, trade_stats

Float64Array = npt.NDArray[np.float64]
DAY_MS = 86_400_000
NAN = float("nan")


def figures(
    curve: EquityCurve, trades: TradeList, account_size: float, periods_per_year: float, traded_value: float, bars_held: float
) -> dict[str, float]:
    """Every figure of a run, a float each; NaN and +inf by the rules of definitions.md, section 1.

    - net_total_pnl, gross_total_pnl, fees, slippage, funding, cost_total, net_return, gross_return, final_equity : money, and shares of the
      account's size
    - sharpe, gross_sharpe, sortino, calmar, volatility : for a year, of returns from close to close
    - max_drawdown, gross_max_drawdown : shares, 0 or less; time_under_water : share of the bars below an earlier peak;
      longest_under_water_days : the longest such stretch, in days of the clock
    - n_trades, n_long, n_short, hit_rate, avg_trade_pnl, avg_win, avg_loss, profit_factor, recovery_factor, avg_r, cost_per_trade : of
      the trades
    - avg_duration_bars, avg_duration_minutes : from entry to exit
    - turnover : value traded in a year, in multiples of mean equity; exposure : share of the bars with a position
    """
    net_equity, gross_equity = curve.net / account_size, curve.gross / account_size
    net_returns, gross_returns = returns_of(curve.net, account_size), returns_of(curve.gross, account_size)
    drawdown = drawdown_of(net_equity)
    below, longest = _under_water(curve, account_size)
    years = len(curve) / periods_per_year
    return {
        "net_total_pnl": float(curve.net[-1] - account_size),
        "gross_total_pnl": float(curve.gross[-1] - account_size),
        "fees": float(trades.fees.sum()),
        "slippage": float(trades.slippage.sum()),
        "funding": float(trades.funding.sum()),
        "cost_total": float((trades.fees + trades.slippage + trades.funding).sum()),
        "net_return": float(net_equity[-1] - 1.0),
        "gross_return": float(gross_equity[-1] - 1.0),
        "final_equity": float(curve.net[-1]),
        "sharpe": sharpe_of(net_returns, periods_per_year),
        "gross_sharpe": sharpe_of(gross_returns, periods_per_year),
        "sortino": sortino_of(net_returns, periods_per_year),
        "calmar": calmar_of(net_equity, drawdown, periods_per_year),
        "volatility": float(net_returns.std(ddof=1) * np.sqrt(periods_per_year)) if len(curve) > 1 else NAN,
        "max_drawdown": drawdown,
        "gross_max_drawdown": drawdown_of(gross_equity),
        "time_under_water": below,
        "longest_under_water_days": longest,
        **trade_figures(trades),
        "turnover": float(traded_value / curve.net.mean() / years) if curve.net.mean() > 0 else NAN,
        "exposure": bars_held / len(curve),
    }


def trade_figures(trades: TradeList) -> dict[str, float]:
    """The figures that the trade list alone gives; NaN for averages over nothing."""
    net = trades.net
    stats = trade_stats(net)
    return {
        "n_trades": len(trades),
        "n_long": int((trades.side > 0).sum()),
        "n_short": int((trades.side < 0).sum()),
        "hit_rate": stats.win_rate,
        "avg_trade_pnl": _mean(net),
        "avg_win": _mean(net[net > 0]),
        "avg_loss": _mean(net[net < 0]),
        "profit_factor": stats.profit_factor,
        "recovery_factor": stats.recovery_factor,
        "avg_r": _mean(trades.r_multiple[np.isfinite(trades.r_multiple)]),
        "cost_per_trade": _mean(trades.fees + trades.slippage + trades.funding),
        "avg_duration_bars": _mean(trades.bars_held.astype(np.float64)),
        "avg_duration_minutes": _mean(trades.duration_ms / 60_000.0),
    }


def _under_water(curve: EquityCurve, account_size: float) -> tuple[float, float]:
    """Share of bars whose close is below an earlier peak, and the days of the longest stretch from a peak to the close that regains it."""
    peak = np.maximum.accumulate(np.maximum(curve.net, account_size))
    under = curve.net < peak
    if not under.any():
        return 0.0, 0.0
    edges = np.diff(under.astype(np.int8), prepend=np.int8(0), append=np.int8(0))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    from_peak = np.where(begins > 0, curve.close_time[begins - 1], curve.open_time[0])
    until = curve.close_time[np.minimum(ends, under.size - 1)]
    return float(under.mean()), float((until - from_peak).max() / DAY_MS)


def _mean(values: Float64Array) -> float:
    return float(values.mean()) if values.size else NAN


__all__ = ["figures", "trade_figures"]
