"""The markets that leaks are planted on: simulated bars with a known edge, and three real series of minutes."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from barmill.market import Bars, simulate

REAL = {
    "FIL": ("crypto/FILUSDT_um_1m_2023-08_2023-11.parquet", None),
    "ES": ("futures/ES_1m_2025-07_2025-10.parquet", None),
    "6E": ("futures/6EH4_1m_2024-01.parquet", "6E"),
}
MARKETS = ("simulated", *REAL)


@dataclass(frozen=True, eq=False)
class Market:
    """Bars that a study stands on, and a second market whose moves are like theirs.

    bars : Bars, one-minute
    sister : float64 (n_bars,), close of another market at the same times: half of its minute return is that of `bars`
    """

    name: str
    bars: Bars
    sister: np.ndarray


def frame_of(bars: Bars) -> pd.DataFrame:
    """Open, high, low, close, volume and the further columns by open time, as users of pandas hold them."""
    index = pd.DatetimeIndex(bars.open_time.astype("datetime64[ms]"), tz="UTC", name="open_time")
    return pd.DataFrame({name: bars.column(name).copy() for name in bars.frame.columns if not name.endswith("_time")}, index=index)


@cache
def simulated(n_bars: int = 9_000, seed: int = 11, strength: float = 1.0) -> Market:
    """Simulated bars; an oracle of them has an AUC of about 0.6 at strength 1."""
    return _with_sister("simulated", simulate(n_bars, seed=seed, strength=strength).bars, seed)


@cache
def real(name: str, folder: Path, n_bars: int = 9_000, start: int = 0) -> Market:
    """`n_bars` real bars of FIL, ES or 6E."""
    file, symbol = REAL[name]
    return _with_sister(name, Bars.read(folder / file, symbol=symbol).slice(start, start + n_bars), seed=start)


def _with_sister(name: str, bars: Bars, seed: int) -> Market:
    """Correlation 0.7 bar by bar: as of two coins, or of an index and its future."""
    own = np.diff(np.log(bars.close), prepend=np.log(bars.close[0]))
    noise = np.random.default_rng(seed).standard_normal(len(bars)) * own.std()
    return Market(name, bars, 100.0 * np.exp(np.cumsum(0.7 * own + 0.7 * noise)))
