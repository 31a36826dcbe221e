"""What bars are like, in numbers a person looks at before training on them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.market.bars import Bars
from barmill.market.calendar import DAY_MS
from barmill.market.costs import round_trip_cost
from barmill.market.times import utc_text

Float64Array = npt.NDArray[np.float64]
BPS = 1e4
LONGEST_GAPS = 5


def describe(bars: Bars) -> dict[str, Any]:
    """Range, gaps against the calendar, sessions, prices, volume and cost, as plain values (no NaN: None instead)."""
    about = {
        "symbol": bars.instrument.symbol,
        "timeframe": str(bars.timeframe),
        "n_bars": len(bars),
        "columns": bars.frame.columns,
        "first": utc_text(int(bars.open_time[0])) if len(bars) else None,
        "last": utc_text(int(bars.open_time[-1])) if len(bars) else None,
        "fingerprint": bars.fingerprint,
        "notes": list(bars.notes),
        "findings": [finding.to_json() for finding in bars.findings],
    }
    if len(bars) < 2:
        return about
    return {**about, "gaps": _gaps(bars), "sessions": _sessions(bars), "price": _price(bars), "volume": _volume(bars)}


def _gaps(bars: Bars) -> dict[str, Any]:
    gaps = bars.calendar.gaps(bars.open_time, bars.timeframe)
    missing = int(gaps[:, 2].sum())
    longest = gaps[np.argsort(-gaps[:, 2], kind="stable")[:LONGEST_GAPS]]
    return {
        "calendar": bars.calendar.name,
        "missing_bars": missing,
        "missing_share": missing / (missing + len(bars)),
        "n_gaps": len(gaps),
        "longest": [{"from": utc_text(int(first)), "to": utc_text(int(last)), "bars": int(count)} for first, last, count in longest],
        "bars_while_closed": int(np.count_nonzero(~bars.calendar.is_open(bars.open_time))) if bars.timeframe.ms < DAY_MS else 0,
    }


def _sessions(bars: Bars) -> dict[str, Any]:
    """Bars per session: a UTC day where the market never closes, else an open interval of the calendar."""
    times = bars.open_time
    if bars.calendar.name == "24/7":
        place = times // DAY_MS
    else:
        intervals = bars.calendar.open_intervals(int(times[0]), int(times[-1]))
        place = np.searchsorted(intervals[:, 0], times, side="right")
    counts = np.unique(place, return_counts=True)[1]
    hour = times % DAY_MS // 3_600_000
    return {
        "kind": "UTC days" if bars.calendar.name == "24/7" else f"sessions of {bars.calendar.name}",
        "count": int(counts.size),
        "bars_each": {"fewest": int(counts.min()), "median": float(np.median(counts)), "most": int(counts.max())},
        "volatility_by_hour_utc_bps": _by_hour(hour[1:], np.abs(np.diff(np.log(bars.close))) * BPS),
    }


def _by_hour(hour: npt.NDArray[np.int64], values: Float64Array) -> list[float | None]:
    """Mean of `values` in each of the 24 hours, None where there is no bar."""
    count = np.bincount(hour, minlength=24)
    total = np.bincount(hour, weights=values, minlength=24)
    return [float(total[h] / count[h]) if count[h] else None for h in range(24)]


def _price(bars: Bars) -> dict[str, Any]:
    returns = np.diff(np.log(bars.close))
    deviation = float(returns.std(ddof=1)) if returns.size > 1 else 0.0
    down, up = int(np.argmin(returns)), int(np.argmax(returns))
    centred = returns - returns.mean()
    spread = float(np.mean(centred**2))
    return {
        "first": float(bars.open[0]),
        "last": float(bars.close[-1]),
        "lowest": float(bars.low.min()),
        "highest": float(bars.high.max()),
        "return": float(bars.close[-1] / bars.open[0] - 1.0),
        "volatility_per_bar_bps": deviation * BPS,
        "volatility_per_year": deviation * float(np.sqrt(bars.calendar.periods_per_year(bars.timeframe))),
        "kurtosis": float(np.mean(centred**4) / spread**2) if spread > 0 else None,
        "mean_range_bps": float(np.mean(np.log(bars.high / bars.low))) * BPS,
        "zero_range_share": float(np.mean(bars.high == bars.low)),
        "largest_fall": {"return": float(np.expm1(returns[down])), "time": utc_text(int(bars.open_time[down + 1]))},
        "largest_rise": {"return": float(np.expm1(returns[up])), "time": utc_text(int(bars.open_time[up + 1]))},
        "round_trip_cost_bps": float(np.mean(round_trip_cost(bars.instrument, bars.close) / bars.close)) * BPS,
    }


def _volume(bars: Bars) -> dict[str, Any] | None:
    if not bars.has_volume:
        return None
    volume = bars.volume
    days = max(float(bars.close_time[-1] - bars.open_time[0]) / DAY_MS, 1.0)
    found: dict[str, Any] = {
        "total": float(volume.sum()),
        "per_day": float(volume.sum() / days),
        "median": float(np.median(volume)),
        "largest": float(volume.max()),
        "zero_share": float(np.mean(volume == 0)),
        "correlation_with_absolute_return": _correlation(np.log1p(volume[1:]), np.abs(np.diff(np.log(bars.close)))),
    }
    if "taker_buy_base" in bars.frame.columns:
        found["taker_buy_share"] = float(np.nansum(bars.column("taker_buy_base")) / volume.sum())
    return found


def _correlation(x: Float64Array, y: Float64Array) -> float | None:
    if x.size < 3 or x.max() == x.min() or y.max() == y.min():
        return None
    return float(np.corrcoef(x, y)[0, 1])
