"""Bars for the views: seeded, on a grid of ticks, with quiet minutes and, if asked for, gaps."""

from collections.abc import Callable

import numpy as np
import pytest

from barmill.market import Bars, Instrument

MINUTE_MS = 60_000
START_MS = 1_704_067_200_000  # 2024-01-01 00:00 UTC, a Monday

MakeBars = Callable[..., Bars]


def _make_bars(
    n_bars: int, seed: int = 0, *, gaps: bool = False, times: float = 1.0, start_ms: int = START_MS, symbol: str = "FILUSDT"
) -> Bars:
    rng = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(rng.standard_t(4, n_bars) * 5e-4)), 2)
    opened = np.round(np.concatenate([close[:1], close[:-1]]) + 0.01 * rng.integers(-1, 2, n_bars), 2)
    still = rng.random(n_bars) < 0.1
    reach = np.where(still, 0.0, np.round(rng.exponential(0.03, (2, n_bars)), 2))
    high, low = np.maximum(opened, close) + reach[0], np.minimum(opened, close) - reach[1]
    volume = np.where(still, 0.0, np.round(rng.lognormal(3.0, 1.0, n_bars), 3))
    steps = np.where(rng.random(n_bars) < 0.1, rng.integers(2, 70, n_bars), 1) if gaps else np.ones(n_bars, dtype=np.int64)
    open_time = start_ms + (np.cumsum(steps) - steps[:1]) * MINUTE_MS
    prices = (column * times for column in (opened, high, low, close))
    return Bars.from_columns(Instrument.builtin(symbol), "1m", open_time, *prices, volume)


@pytest.fixture(scope="session")
def make_bars() -> MakeBars:
    """`make_bars(n_bars, seed, gaps=..., times=..., start_ms=..., symbol=...)`; `times` multiplies all prices."""
    return _make_bars
