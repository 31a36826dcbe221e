"""The equity of the test block, thinned for a chart without hiding its worst moments."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl

MOST_POINTS = 2000
NOT_EQUITY = ("open_time", "price")


@dataclass(frozen=True, slots=True)
class EquityCurves:
    """Name -> values at `time`: net return since the start, and the worst drawdown since the point before; shares.

    time : "2023-11-01 00:00:00", UTC
    """

    time: list[str]
    net_return: dict[str, list[float | None]]
    drawdown: dict[str, list[float | None]]


def equity_curves(frame: "pl.DataFrame", most_points: int = MOST_POINTS) -> EquityCurves | None:
    """At most `most_points` points of each curve, evenly spaced in bars, the last bar among them.

    Drawdowns are taken on every bar first, and each point shows the deepest of the bars that it stands for. None for an
    empty frame.
    """
    n_bars = frame.height
    if n_bars == 0:
        return None
    n_points = min(n_bars, most_points)
    ends = (np.arange(1, n_points + 1, dtype=np.int64) * n_bars) // n_points  # one past the last bar of each point
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]])
    moments = frame["open_time"].to_numpy()[ends - 1].astype("datetime64[ms]")
    net_return: dict[str, list[float | None]] = {}
    drawdown: dict[str, list[float | None]] = {}
    for name in frame.columns:
        if name in NOT_EQUITY:
            continue
        equity = frame[name].cast(float).fill_null(float("nan")).to_numpy(writable=True)
        equity[~np.isfinite(equity)] = np.nan
        peak = np.fmax.accumulate(np.fmax(equity, 1.0))  # equity starts at 1, so a loss on the first bar is a drawdown
        fall = np.fmin.reduceat(equity / peak - 1.0, starts)
        net_return[name] = _rounded(equity[ends - 1] - 1.0)
        drawdown[name] = _rounded(fall)
    return EquityCurves([str(moment).replace("T", " ")[:19] for moment in moments], net_return, drawdown)


def _rounded(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[float | None]:
    """Six decimals show a hundredth of a basis point, and keep the page light; what is not finite is a gap."""
    return [round(value, 6) + 0.0 if np.isfinite(value) else None for value in values.tolist()]
