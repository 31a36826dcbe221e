"""Bars that most tests of the market start from."""

import os
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
def real() -> Callable[[str], Path]:
    """`real("crypto/X.parquet")`: a shared data file, or the test is skipped."""

    def find(name: str) -> Path:
        folder = os.environ.get("BARMILL_DATA")
        if not folder:
            pytest.skip("BARMILL_DATA does not name the folder of shared market data")
        path = Path(folder) / name
        if not path.exists():
            pytest.skip(f"BARMILL_DATA holds no {name}")
        return path

    return find
