"""The same bars up to a moment, and another market from there on, as long as before."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from barmill.market import Bars

_MOVE = 0.05  # of the log price, bar by bar: large beside any real one, so that extremes and means of the whole move too
_PRICES = ("open", "high", "low", "close")
_TIMES = ("open_time", "close_time")


def with_another_future(bars: "Bars", first: int, seed: int, last: int | None = None) -> "Bars":
    """Bars whose rows from `first` up to `last` (not included; None: the end) are another market's; times and the rest stay.

    Prices of a bar are multiplied by one factor, its volumes by another: what was a bar remains one.
    """
    import polars as pl

    n_bars, random = len(bars), np.random.default_rng(seed)
    altered = np.zeros(n_bars, dtype=bool)
    altered[first:last] = True
    factors: dict[str, np.ndarray] = {}
    columns: list[pl.Series] = []
    for name in bars.frame.columns:
        if name in _TIMES:
            continue
        group = _moves_with(name)
        if group not in factors:
            factors[group] = np.exp(random.normal(0.0, _MOVE, n_bars))
        columns.append(pl.Series(name, np.where(altered, bars.column(name) * factors[group], bars.column(name))))
    return type(bars)(bars.instrument, bars.timeframe, bars.frame.with_columns(columns), bars.notes)


def _moves_with(name: str) -> str:
    """Columns that keep their proportions: the prices of the bar, what is counted as its volume is, and each other for itself."""
    from barmill.features.columns import COLUMNS

    unit = COLUMNS[name].unit if name in COLUMNS else ""
    if name in _PRICES or unit == "price":
        return "price"
    return "volume" if name == "volume" or unit in ("volume", "trades", "quote currency") else name


__all__ = ["with_another_future"]
