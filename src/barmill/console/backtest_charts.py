"""Charts of a backtest as plain Plotly figures."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.console.chart_frame import Figure, axis, framed
from barmill.console.equity import MOST_POINTS, equity_curves

if TYPE_CHECKING:
    from barmill.evaluation import BacktestResult
    from barmill.pipeline.bundle_backtest import BundleBacktest

ROLLING_DAYS = 30
DAY_MS = 86_400_000
MOST_DOTS = 1_500
MOST_BINS = 60


def backtest_charts(done: "BundleBacktest") -> dict[str, Figure]:
    """Every chart of the page by the id of its place; those with nothing to show are left out."""
    whole, judged, seen = done.whole, done.judged.result, _seen(done)
    drawn = {
        "equity": equity(done),
        "exposure": _line(whole, whole.equity_curve.exposure, ".0%", "share of equity", 200, seen),
        "rolling": rolling(whole, seen),
        "distribution": distribution(judged),
        "excursions": excursions(judged),
    }
    return {place: figure for place, figure in drawn.items() if figure is not None}


def equity(done: "BundleBacktest") -> Figure | None:
    """Net and gross return since the start, above the net drawdown; what the bundle had seen is shaded."""
    whole = done.whole
    size = whole.config.account_size
    frame = pl.DataFrame(
        {"open_time": whole.equity_curve.open_time, "gross": whole.equity_curve.gross / size, "net": whole.equity_curve.net / size}
    )
    curves = equity_curves(frame)
    if curves is None:
        return None
    data: list[Figure] = []
    for name, colour, width in (("gross", "$muted", 1.5), ("net", "$series-0", 2.4)):
        shared = {"type": "scatter", "mode": "lines", "name": name, "x": curves.time, "line": {"color": colour, "width": width}}
        data.append({**shared, "y": curves.net_return[name], "hovertemplate": "%{y:.2%}"})
    under = {"type": "scatter", "mode": "lines", "name": "drawdown", "x": curves.time, "showlegend": False}
    data.append(
        {**under, "y": curves.drawdown["net"], "yaxis": "y2", "hovertemplate": "%{y:.2%}", "line": {"color": "$series-0", "width": 1.4}}
    )
    layout = framed(
        460,
        showlegend=True,
        hovermode="x unified",
        shapes=_seen(done),
        xaxis=axis(type="date", anchor="y2", nticks=6),
        yaxis=axis(domain=[0.38, 1], tickformat=".1~%", zeroline=True, zerolinewidth=2, title="return"),
        yaxis2=axis(domain=[0, 0.32], tickformat=".1~%", title="under water"),
    )
    layout["legend"] |= {"y": -0.1}
    return {"data": data, "layout": layout}


def _seen(done: "BundleBacktest") -> list[Figure]:
    """A shade over the bars that the bundle had seen."""
    times = done.whole.equity_curve.open_time
    covered = np.flatnonzero(done.seen.covers(times))
    if not covered.size:
        return []
    ends = {"x0": _moment(int(times[covered[0]])), "x1": _moment(int(times[covered[-1]])), "y0": 0, "y1": 1}
    return [{"type": "rect", "xref": "x", "yref": "paper", "layer": "below", **ends, "fillcolor": "$neither/0.22", "line": {"width": 0}}]


def rolling(result: "BacktestResult", seen: list[Figure]) -> Figure | None:
    """Sharpe ratio of the last thirty days, or of a fifth of the bars where there are fewer."""
    from barmill.evaluation import rolling_sharpe

    window = rolling_window(result)
    return None if window is None else _line(result, rolling_sharpe(result, window), ".1f", "Sharpe ratio", 240, seen)


def rolling_window(result: "BacktestResult") -> int | None:
    """Bars of the rolling Sharpe ratio; None where there are too few."""
    n = len(result.equity_curve)
    days = max(1, round(ROLLING_DAYS / 365 * result.periods_per_year))
    window = min(days, n // 5)
    return window if window >= 20 else None


def distribution(result: "BacktestResult") -> Figure | None:
    """How many trades came out at which profit."""
    net = result.trades.net
    if net.size < 2 or net.max() == net.min():
        return None
    counts, edges = np.histogram(net, bins=min(MOST_BINS, max(8, int(np.sqrt(net.size)))))
    centres = (edges[:-1] + edges[1:]) / 2
    data: list[Figure] = []
    for colour, chosen in (("$up", centres > 0), ("$down", centres <= 0)):
        bars = {"type": "bar", "x": _rounded(centres[chosen]), "y": counts[chosen].tolist(), "width": float(edges[1] - edges[0])}
        data.append({**bars, "marker": {"color": colour}, "hovertemplate": "%{y} trades near %{x:,.4~g}<extra></extra>"})
    layout = framed(260, barmode="overlay", xaxis=axis(title="net profit of a trade", nticks=7), yaxis=axis(title="trades", nticks=5))
    return {"data": data, "layout": layout}


def excursions(result: "BacktestResult") -> Figure | None:
    """The worst against the best moment of each trade, by how it ended."""
    trades = result.trades
    if not len(trades):
        return None
    rows = np.unique(np.linspace(0, len(trades) - 1, min(len(trades), MOST_DOTS)).astype(np.int64))
    data: list[Figure] = []
    for name, colour, chosen in (("won", "$up", trades.net[rows] > 0), ("lost", "$down", trades.net[rows] <= 0)):
        own = rows[chosen]
        dots = {"type": "scatter", "mode": "markers", "name": name, "x": _rounded(trades.mae[own]), "y": _rounded(trades.mfe[own])}
        data.append({**dots, "marker": {"color": f"{colour}/0.6", "size": 6}, "hovertemplate": "worst %{x:,.4~g}, best %{y:,.4~g}"})
    layout = framed(320, showlegend=True, xaxis=axis(title="worst moment", nticks=6), yaxis=axis(title="best moment", nticks=6))
    layout["legend"] |= {"y": -0.28}
    return {"data": data, "layout": layout}


def _line(
    result: "BacktestResult", values: npt.NDArray[np.float64], form: str, title: str, height: int, seen: list[Figure]
) -> Figure | None:
    """A value per bar, one of each even stretch."""
    if not np.isfinite(values).any():
        return None
    n = values.size
    points = min(n, MOST_POINTS)
    rows = (np.arange(1, points + 1, dtype=np.int64) * n) // points - 1
    line = {"type": "scatter", "mode": "lines", "x": [_moment(time) for time in result.equity_curve.open_time[rows].tolist()]}
    line |= {"y": _rounded(values[rows]), "line": {"color": "$series-0", "width": 1.6}, "hovertemplate": f"%{{y:{form}}}<extra></extra>"}
    layout = framed(
        height, shapes=seen, xaxis=axis(type="date", nticks=6), yaxis=axis(tickformat=form, title=title, zeroline=True, nticks=5)
    )
    return {"data": [line], "layout": layout}


def _moment(open_time_ms: int) -> str:
    return str(np.datetime64(open_time_ms, "ms")).replace("T", " ")[:19]


def _rounded(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values.tolist()]


__all__ = ["backtest_charts", "rolling_window"]
