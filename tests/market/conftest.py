"""Bars that most tests of the market start from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

MINUTE = 60_000
FIRST = 1_678_804_200_000  # 2023-03-14 14:30 UTC


@pytest.fixture
def table() -> Callable[..., pl.DataFrame]:
    """`table(n)`: n sound minutes from 2023-03-14 14:30 UTC under our column names."""

    def make(n: int = 50, step: int = MINUTE, first: int = FIRST) -> pl.DataFrame:
        random = np.random.default_rng(3)
        close = np.round(100.0 + np.cumsum(random.normal(0, 0.05, n)), 2)
        opened = np.concatenate([[100.0], close])[:n]
        high = np.round(np.maximum(opened, close) + 0.02, 2)
        low = np.round(np.minimum(opened, close) - 0.02, 2)
        times = first + step * np.arange(n, dtype=np.int64)
        volume = np.round(random.exponential(10.0, n) + 0.1, 3)
        return pl.DataFrame({"open_time": times, "open": opened, "high": high, "low": low, "close": close, "volume": volume})

    return make


@pytest.fixture
def real(real_data: Path) -> Callable[[str], Path]:
    """`real("crypto/X.parquet")`: a real data file, or the test is skipped."""

    def find(name: str) -> Path:
        path = real_data / name
        if not path.exists():
            pytest.skip(f"no {name} in {real_data}: set BARMILL_DATA")
        return path

    return find
