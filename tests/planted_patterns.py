"""Bars with a pattern planted at their end: a calm walk, then the shape, with noise of a tenth of a typical range."""

import numpy as np

from barmill.market import Bars, Fee, Instrument, Slippage

CALM = 80  # bars before the shape
STEP = 0.5  # typical move of a close in the calm part; its ATR is near 1


def bars_of(close, high=None, low=None) -> Bars:
    """Bars that open at the last close; wicks of a quarter, or the highs and lows given where they are wider."""
    close = np.asarray(close, dtype=np.float64)
    opens = np.r_[close[:1], close[:-1]]
    top, bottom = np.maximum(opens, close) + 0.25, np.minimum(opens, close) - 0.25
    top = top if high is None else np.where(np.isnan(high), top, high)
    bottom = bottom if low is None else np.where(np.isnan(low), bottom, low)
    instrument = Instrument(symbol="TEST", tick_size=0.01, multiplier=1, calendar="24/7", fee=Fee(bps=1), slippage=Slippage(ticks=1))
    times = 1_700_000_040_000 + 60_000 * np.arange(close.size)
    return Bars.from_columns(instrument, "1m", times, opens, np.maximum(top, opens), np.minimum(bottom, opens), close, np.ones(close.size))


def calm(rng, n=CALM):
    return 1000 + np.cumsum(rng.choice([-STEP, STEP], n) + rng.normal(0, 0.05, n))


def flag(seed: int, up: bool = True, pole: float = 10.0) -> Bars:
    """Eight bars of pole, eight of rest that give a fifth back."""
    rng, s = np.random.default_rng(seed), 1 if up else -1
    before = calm(rng)
    rise = before[-1] + s * pole * np.arange(1, 9) / 8 + rng.normal(0, 0.1, 8)
    rest = rise[-1] - s * pole * 0.2 * np.arange(1, 9) / 8 + rng.normal(0, 0.05, 8)
    return bars_of(np.r_[before, rise, rest])


def wedge(seed: int, up: bool = True) -> Bars:
    """Thirty bars between two lines that rise, 6 apart at first and 2 at the end."""
    rng, s = np.random.default_rng(seed), 1 if up else -1
    before = calm(rng)
    x = np.arange(30)
    middle = before[-1] + s * 0.4 * x
    half = 3.0 - 2.0 * x / 29
    close = middle + half * 0.6 * np.where(x % 2, 1, -1) + rng.normal(0, 0.05, 30)
    noise = rng.normal(0, 0.05, (2, 30))
    nothing = np.full(before.size, np.nan)
    return bars_of(np.r_[before, close], np.r_[nothing, middle + half + noise[0]], np.r_[nothing, middle - half + noise[1]])


def blow_off(seed: int, up: bool = True) -> Bars:
    """Twenty-four bars that grow ever steeper, to 14 above, and one that gives a third back."""
    rng, s = np.random.default_rng(seed), 1 if up else -1
    before = calm(rng)
    run = before[-1] + s * 14 * (np.arange(1, 25) / 24) ** 3 + rng.normal(0, 0.1, 24)
    return bars_of(np.r_[before, run, run[-1] - s * 4.7])


def wick_exhaustion(seed: int, up: bool = True) -> Bars:
    """Twelve bars of a steady move, and one that reaches 3 beyond and closes where it opened."""
    rng, s = np.random.default_rng(seed), 1 if up else -1
    before = calm(rng)
    # a move that wavers: straight enough for a trend, too crooked for a pole
    move = before[-1] + s * 0.7 * np.arange(1, 13) + 0.5 * np.where(np.arange(12) % 2, 1, -1) + rng.normal(0, 0.05, 12)
    close = np.r_[before, move, move[-1] - s * 0.1]
    high, low = np.full((2, close.size), np.nan)
    if up:
        high[-1] = move.max() + 3.0
    else:
        low[-1] = move.min() - 3.0
    return bars_of(close, high, low)


PLANTED = {"flag": flag, "wedge": wedge, "blow_off": blow_off, "wick_exhaustion": wick_exhaustion}
