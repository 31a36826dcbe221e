"""Bars as NumPy's .npz, for programs that read nothing else: see `npz_file` for what says what they are of."""

from pathlib import Path
from typing import Any

import numpy.typing as npt

from barmill.market.bars import Bars
from barmill.market.npz_file import write_npz

PREFIX = "bars_"  # of bars in a file that holds more


def bar_arrays(bars: Bars, prefix: str = "") -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """The columns of `bars` as arrays, and what `metadata` has to say of them under "bars"."""
    columns = bars.frame.columns
    told = {"symbol": bars.instrument.symbol, "timeframe": str(bars.timeframe), "anchor": bars.anchor, "columns": columns, "prefix": prefix}
    return {f"{prefix}{name}": bars.frame[name].to_numpy() for name in columns}, told


def write_bars_npz(bars: Bars, path: Path | str) -> None:
    """Write bars alone; `Bars.read` gives them back with the same fingerprint."""
    arrays, told = bar_arrays(bars)
    write_npz(path, arrays, {"format": 1, "kind": "bars", "bars": told})


__all__ = ["PREFIX", "bar_arrays", "write_bars_npz"]
