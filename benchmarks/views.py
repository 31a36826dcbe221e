"""Speed of gathering batches: windows of several timeframes and pattern images, against NumPy doing the same in turns.

    python benchmarks/views.py [--bars 200000] [--batches 40] [--rounds 5]

NumPy indexes and joins the windows, and draws all images of a batch at once with comparisons. What it makes is compared
with Barmill's before anything is timed. One thread; kernels are compiled before.
"""

import argparse
import gc
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from barmill.market import simulate
from barmill.views import MultiResolution, PatternImage

LENGTHS = {"1m": 60, "5m": 12, "15m": 4}
BATCH = 256


def numpy_windows(view: MultiResolution, idx: np.ndarray) -> np.ndarray:
    """Index each timeframe, then join."""
    parts = [one.base[one.last[view.ends[idx]][:, None] + np.arange(1 - one.length, 1)] for one in view.resolutions]
    return np.concatenate(parts, axis=1)


def numpy_images(view: PatternImage, idx: np.ndarray) -> np.ndarray:
    """Compare every pixel of the batch with the rows that its bar reaches."""
    windows = view.ends[idx][:, None] + np.arange(-63, 1)
    opened, high, low, close = np.moveaxis(view.prices[windows], 2, 0)
    shade, filled, brightness = np.moveaxis(view.signals[windows], 2, 0)[:, :, None, :]
    highest, lowest = high.max(axis=1, keepdims=True), low.min(axis=1, keepdims=True)
    scale, row = 63.0 / (highest - lowest), np.arange(64)[:, None]

    def rows_of(price: np.ndarray) -> np.ndarray:
        return np.floor((highest - price) * scale + 0.5 + 1e-9).astype(np.int32)[:, None, :]

    body = np.where(close > opened, 1.0, np.where(close < opened, 0.6, 0.8)).astype(np.float32)[:, None, :]
    images = np.empty((len(idx), 3, 64, 64), dtype=np.float32)
    wick = np.where((row >= rows_of(high)) & (row <= rows_of(low)), np.float32(0.3), np.float32(0.0))
    inside = (row >= rows_of(np.maximum(opened, close))) & (row <= rows_of(np.minimum(opened, close)))
    images[:, 0] = np.where(inside, body, wick)
    images[:, 1] = shade
    images[:, 2] = np.where(row >= 64 - filled, brightness, np.float32(0.0))
    return images


def rates(works: dict[str, Callable[[np.ndarray], object]], batches: np.ndarray, rounds: int) -> dict[str, float]:
    """Samples a second of each, median over rounds in which they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            gc.collect()
            begun = time.perf_counter()
            for idx in batches:
                work(idx)
            seconds[name].append(time.perf_counter() - begun)
    return {name: batches.size / median(taken) for name, taken in seconds.items()}


def tell(title: str, found: dict[str, float]) -> None:
    print(f"{title}, batches of {BATCH}")
    peer = next(rate for name, rate in found.items() if name.startswith("NumPy"))
    for name, rate in found.items():
        print(f"  {name:<44}{rate / 1e3:>10.1f} k/s{rate / peer:>8.1f} times NumPy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=200_000)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    bars = simulate(options.bars, seed=0).bars
    rng = np.random.default_rng(0)
    log, raw = (MultiResolution.of(bars, LENGTHS, normalise=kind) for kind in ("log", "raw"))
    batches = rng.integers(0, len(log), (options.batches, BATCH))
    np.testing.assert_array_equal(raw.concatenated(batches[0]), numpy_windows(raw, batches[0]))
    joined, stack = (np.empty((BATCH, *shape[1:]), dtype=np.float32) for shape in (log.concatenated_shape, log.stacked_shape))
    log.concatenated(batches[0], joined)  # compiled or read from the cache
    windows: dict[str, Callable[[np.ndarray], object]] = {
        "Barmill, logs, concatenated": lambda idx: log.concatenated(idx, joined),
        "Barmill, logs, stacked with its mask": lambda idx: log.stacked(idx, stack),
        "Barmill, raw, concatenated": lambda idx: raw.concatenated(idx, joined),
        "NumPy, raw, concatenated": lambda idx: numpy_windows(raw, idx),
    }
    tell(
        f"windows of {' + '.join(f'{length} x {one}' for one, length in LENGTHS.items())}, 5 columns",
        rates(windows, batches, options.rounds),
    )

    view = PatternImage.of(bars)
    batches = rng.integers(0, len(view), (options.batches, BATCH))
    np.testing.assert_array_equal(view.gather(batches[0]), numpy_images(view, batches[0]))
    view.gather(batches[0], layout="channels_last")
    out = np.empty((BATCH, 3, 64, 64), dtype=np.float32)
    last = np.empty((BATCH, 64, 64, 3), dtype=np.float32)
    images: dict[str, Callable[[np.ndarray], object]] = {
        "Barmill, channels first": lambda idx: view.gather(idx, out=out),
        "Barmill, channels last": lambda idx: view.gather(idx, layout="channels_last", out=last),
        "Barmill, channels first, with noise": lambda idx: view.gather(idx, jitter=0.01, rng=0, out=out),
        "NumPy, channels first": lambda idx: numpy_images(view, idx),
    }
    tell("pattern images, 3 x 64 x 64", rates(images, batches, options.rounds))


if __name__ == "__main__":
    main()
