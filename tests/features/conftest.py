"""Bars for the feature tests: seeded, with ties, gaps and quiet minutes, as real ones have."""

from collections.abc import Callable

import numpy as np
import pytest

from barmill.market import Bars, Instrument, Timeframe

MINUTE_MS = 60_000
START_MS = 1_704_067_200_000  # 2024-01-01 00:00 UTC, a Monday: every timeframe's bucket starts here

MakeBars = Callable[..., Bars]


def _make_bars(n_bars: int, seed: int = 0, *, gaps: bool = False, tick: float = 0.01, quiet: float = 0.1, start_ms: int = START_MS) -> Bars:
    rng = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(rng.standard_t(4, n_bars) * 5e-4)) / tick) * tick
    open_ = np.concatenate([close[:1], close[:-1]])
    still = rng.random(n_bars) < quiet
    reach = np.where(still, 0.0, np.round(rng.exponential(3.0, (2, n_bars))) * tick)
    high, low = np.maximum(open_, close) + reach[0], np.minimum(open_, close) - reach[1]
    volume = np.where(still, 0.0, np.round(rng.lognormal(3.0, 1.0, n_bars), 3))
    steps = np.ones(n_bars, dtype=np.int64)
    if gaps:
        steps = np.where(rng.random(n_bars) < 0.1, rng.integers(2, 70, n_bars), 1)
    open_time = start_ms + (np.cumsum(steps) - steps[0]) * MINUTE_MS
    return Bars.from_columns(Instrument.builtin("FILUSDT"), Timeframe.parse("1m"), open_time, open_, high, low, close, volume)


@pytest.fixture(scope="session")
def make_bars() -> MakeBars:
    """`make_bars(n_bars, seed, gaps=..., tick=..., quiet=..., start_ms=...)`."""
    return _make_bars


@pytest.fixture(scope="session")
def bars() -> Bars:
    """3,000 gapless minutes."""
    return _make_bars(3_000, seed=1, quiet=0.0)
