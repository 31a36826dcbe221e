"""Speed of the net triple barrier against vectorised NumPy and against pandas, in turns, in one process, on the same bars.

    python benchmarks/labels.py [--bars 1000000] [--rounds 5]

NumPy looks at all bars of every window, in chunks that fit the cache; pandas walks the windows one by one, as the usual
libraries do, on a sample of the events because it would take minutes. Both peers give the same labels, which is asserted.
"""

import argparse
import gc
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from barmill.features import atr as average_true_range
from barmill.labels import average_uniqueness, triple_barrier_net

HORIZON = 60
K_UP = K_DOWN = 3.0
COST = 0.02
CHUNK = 4096
PANDAS_EVENTS = 2_000

Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def make_market(n_bars: int) -> Columns:
    """A random walk with ranges around it."""
    rng = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 5e-4, n_bars)))
    opens = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(opens, close) * (1.0 + np.abs(rng.normal(0.0, 2e-4, n_bars)))
    low = np.minimum(opens, close) * (1.0 - np.abs(rng.normal(0.0, 2e-4, n_bars)))
    return opens, high, low, close


def barmill(market: Columns, events: np.ndarray, atr: np.ndarray) -> np.ndarray:
    return triple_barrier_net(*market, events, atr[events], 1, K_UP, K_DOWN, COST, HORIZON).net_return


# ---- NumPy, all windows at once, a chunk at a time


def numpy_chunks(market: Columns, events: np.ndarray, atr: np.ndarray) -> np.ndarray:
    opens, high, low, close = market
    out = np.empty(events.size)
    windows = [sliding_window_view(column, HORIZON) for column in (opens, high, low)]
    for start in range(0, events.size, CHUNK):
        chosen = events[start : start + CHUNK]
        entry, room = opens[chosen + 1], atr[chosen]
        profit, stop = entry + (K_UP + COST / room) * room, entry - (K_DOWN - COST / room) * room
        o, h, lo = (window[chosen + 1] for window in windows)
        touched = (h >= profit[:, None]) | (lo <= stop[:, None])
        rows = np.arange(chosen.size)
        first = touched.argmax(axis=1)
        opened, lowest = o[rows, first], lo[rows, first]
        at_open = (opened <= stop) | (opened >= profit)
        left = np.where(at_open, opened, np.where(lowest <= stop, stop, profit))
        left = np.where(touched[rows, first], left, close[chosen + HORIZON])
        out[start : start + CHUNK] = (left / entry - 1.0) - COST / entry
    return out


# ---- pandas, one window at a time


def pandas_loop(market: Columns, events: np.ndarray, atr: np.ndarray) -> np.ndarray:
    frame = pd.DataFrame(dict(zip(("open", "high", "low", "close"), market, strict=True)))
    out = np.empty(events.size)
    for number, event in enumerate(events):
        path = frame.iloc[event + 1 : event + 1 + HORIZON]
        entry, room = path["open"].iloc[0], atr[event]
        profit, stop = entry + (K_UP + COST / room) * room, entry - (K_DOWN - COST / room) * room
        touched = path[(path["high"] >= profit) | (path["low"] <= stop)]
        if touched.empty:
            left = path["close"].iloc[-1]
        else:
            bar = touched.iloc[0]
            at_open = bar["open"] <= stop or bar["open"] >= profit
            left = bar["open"] if at_open else stop if bar["low"] <= stop else profit
        out[number] = (left / entry - 1.0) - COST / entry
    return out


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def tell(name: str, n_labels: int, seconds: list[float]) -> None:
    print(f"{name:<34}{median(seconds) * 1e3:>10.1f} ms {n_labels / median(seconds) / 1e6:>10.3f} M labels/s")


def tell_ratio(name: str, ours: list[float], theirs: list[float]) -> None:
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    print(f"  Barmill against {name}: {median(ratios):.1f} times as fast ({min(ratios):.1f} to {max(ratios):.1f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    market = make_market(options.bars)
    atr = average_true_range(*market[1:], 60)
    events = np.arange(60, options.bars - HORIZON - 1)
    few = events[:: max(1, events.size // PANDAS_EVENTS)]
    ours = barmill(market, events, atr)
    np.testing.assert_array_equal(numpy_chunks(market, events, atr), ours)
    np.testing.assert_array_equal(pandas_loop(market, few, atr), barmill(market, few, atr))

    fast: list[float] = []
    chunks: list[float] = []
    loop: list[float] = []
    unique: list[float] = []
    for _ in range(options.rounds):
        fast.append(timed(lambda: barmill(market, events, atr)))
        chunks.append(timed(lambda: numpy_chunks(market, events, atr)))
        loop.append(timed(lambda: pandas_loop(market, few, atr)) * events.size / few.size)
        unique.append(timed(lambda: average_uniqueness(events, events + HORIZON, options.bars)))

    print(f"net triple barrier, {events.size:,} labels, horizon {HORIZON}, {K_UP:g} ATR, one thread, median of {options.rounds} rounds")
    tell("Barmill", events.size, fast)
    tell("NumPy in chunks", events.size, chunks)
    tell(f"pandas (from {few.size:,} events)", events.size, loop)
    tell_ratio("NumPy", fast, chunks)
    tell_ratio("pandas", fast, loop)
    tell("average uniqueness, Barmill", events.size, unique)


if __name__ == "__main__":
    main()
