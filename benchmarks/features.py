"""Speed of the feature engine against TA-Lib with Polars and against pandas, in turns, in one process, on the same bars.

    python benchmarks/features.py [--bars 1000000] [--rounds 3]

The common subset is 22 indicators, at one timeframe and at three; each peer computes it as its users do (resample, compute,
join as of the close), returning one float64 table. `core` is Barmill's whole set at three timeframes, and the floor is
what writing that table once costs on this machine.
"""

import argparse
import gc
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
import polars as pl
import talib

from barmill.features import FeaturePlan, FeatureStream, parse_feature, warm_kernels
from barmill.market import Bars, Instrument, Timeframe

MINUTE = Timeframe.parse("1m")
MINUTE_MS = 60_000
COMMON = (
    "log_return_1",
    "realised_volatility_20",
    "realised_volatility_60",
    "rsi_14",
    "macd_12_26_9",
    "macd_signal_12_26_9",
    "macd_hist_12_26_9",
    "plus_di_14",
    "minus_di_14",
    "adx_14",
    "stochastic_k_14_3_3",
    "stochastic_d_14_3_3",
    "ema_distance_12",
    "ema_distance_26",
    "ema_distance_50",
    "atr_14",
    "bollinger_width_20_2",
    "bollinger_position_20_2",
    "volume_ratio_20",
    "vwap_distance_60",
    "return_std_60",
    "return_skewness_60",
)


def make_bars(n_bars: int) -> Bars:
    """A random walk with ranges and volume."""
    rng = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 5e-4, n_bars)))
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(open_, close) * (1.0 + np.abs(rng.normal(0.0, 2e-4, n_bars)))
    low = np.minimum(open_, close) * (1.0 - np.abs(rng.normal(0.0, 2e-4, n_bars)))
    open_time = 1_704_067_200_000 + MINUTE_MS * np.arange(n_bars)
    return Bars.from_columns(Instrument.builtin("FILUSDT"), MINUTE, open_time, open_, high, low, close, rng.lognormal(3.0, 1.0, n_bars))


def common_plan(minutes: tuple[int, ...]) -> FeaturePlan:
    names = [name if m == 1 else f"{name}@{m}m" for m in minutes for name in COMMON]
    return FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in names))


def barmill(bars: Bars, minutes: tuple[int, ...]) -> np.ndarray:
    return common_plan(minutes).compute(bars).values


# ---- TA-Lib with Polars


def talib_columns(f: pl.DataFrame) -> pl.DataFrame:
    open_, high, low, close, volume = (f[name].to_numpy() for name in ("open", "high", "low", "close", "volume"))
    del open_
    line, signal, hist = talib.MACD(close)
    slow_k, slow_d = talib.STOCH(high, low, close, 14, 3, 0, 3, 0)
    upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    r = pl.Series(close).log().diff()
    typical = pl.Series((high + low + close) / 3.0 * volume)
    vwap = typical.rolling_sum(60) / f["volume"].rolling_sum(60)
    columns = [
        r,
        (r * r).rolling_mean(20).sqrt(),
        (r * r).rolling_mean(60).sqrt(),
        talib.RSI(close, 14),
        line / close,
        signal / close,
        hist / close,
        talib.PLUS_DI(high, low, close, 14),
        talib.MINUS_DI(high, low, close, 14),
        talib.ADX(high, low, close, 14),
        slow_k,
        slow_d,
        close / talib.EMA(close, 12) - 1.0,
        close / talib.EMA(close, 26) - 1.0,
        close / talib.EMA(close, 50) - 1.0,
        talib.ATR(high, low, close, 14) / close,
        (upper - lower) / middle,
        (close - lower) / (upper - lower),
        volume / talib.SMA(volume, 20),
        f["close"] / vwap - 1.0,
        r.rolling_std(60),
        r.rolling_skew(60),
    ]
    return pl.DataFrame({name: pl.Series(column) for name, column in zip(COMMON, columns, strict=True)})


def polars_higher(f: pl.DataFrame, minutes: int) -> pl.DataFrame:
    end = (pl.col("open_time") // (minutes * MINUTE_MS) + 1) * (minutes * MINUTE_MS)
    return f.group_by(end.alias("close_time"), maintain_order=True).agg(
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(), pl.col("volume").sum()
    )


def talib_polars(bars: Bars, minutes: tuple[int, ...]) -> np.ndarray:
    base = bars.frame.with_columns((pl.col("open_time") + MINUTE_MS).alias("close_time"))
    parts = []
    for m in minutes:
        if m == 1:
            parts.append(talib_columns(base))
            continue
        higher = polars_higher(base, m)
        values = talib_columns(higher).with_columns(higher["close_time"])
        parts.append(base.select("close_time").join_asof(values, on="close_time", check_sortedness=False).drop("close_time"))
    return pl.concat(
        [part.rename({name: f"{name}@{m}" for name in COMMON}) for part, m in zip(parts, minutes, strict=True)], how="horizontal"
    ).to_numpy()


# ---- pandas


def pandas_columns(f: pd.DataFrame) -> pd.DataFrame:
    high, low, close, volume = f["high"], f["low"], f["close"], f["volume"]
    before = close.shift(1)
    change, r = close.diff(), np.log(close).diff()
    gain = change.clip(lower=0.0).ewm(alpha=1 / 14, adjust=False).mean()
    loss = (-change).clip(lower=0.0).ewm(alpha=1 / 14, adjust=False).mean()
    true_range = np.maximum(high - low, np.maximum((high - before).abs(), (low - before).abs()))
    atr = true_range.ewm(alpha=1 / 14, adjust=False).mean()
    up, down = high.diff(), -low.diff()
    plus_di = 100 * up.where((up > down) & (up > 0), 0.0).ewm(alpha=1 / 14, adjust=False).mean() / atr
    minus_di = 100 * down.where((down > up) & (down > 0), 0.0).ewm(alpha=1 / 14, adjust=False).mean() / atr
    ema = {n: close.ewm(span=n, adjust=False).mean() for n in (12, 26, 50)}
    line = ema[12] - ema[26]
    signal = line.ewm(span=9, adjust=False).mean()
    lowest, highest = low.rolling(14).min(), high.rolling(14).max()
    slow_k = (100 * (close - lowest) / (highest - lowest)).rolling(3).mean()
    middle, half = close.rolling(20).mean(), 2.0 * close.rolling(20).std(ddof=0)
    vwap = ((high + low + close) / 3 * volume).rolling(60).sum() / volume.rolling(60).sum()
    columns = [
        r,
        np.sqrt((r * r).rolling(20).mean()),
        np.sqrt((r * r).rolling(60).mean()),
        100 * gain / (gain + loss),
        line / close,
        signal / close,
        (line - signal) / close,
        plus_di,
        minus_di,
        (100 * (plus_di - minus_di).abs() / (plus_di + minus_di)).ewm(alpha=1 / 14, adjust=False).mean(),
        slow_k,
        slow_k.rolling(3).mean(),
        close / ema[12] - 1,
        close / ema[26] - 1,
        close / ema[50] - 1,
        atr / close,
        2 * half / middle,
        (close - middle + half) / (2 * half),
        volume / volume.rolling(20).mean(),
        close / vwap - 1,
        r.rolling(60).std(),
        r.rolling(60).skew(),
    ]
    return pd.DataFrame(dict(zip(COMMON, columns, strict=True)))


def pandas_only(bars: Bars, minutes: tuple[int, ...]) -> np.ndarray:
    frame = pd.DataFrame({name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")})
    parts = []
    for m in minutes:
        if m == 1:
            parts.append(pandas_columns(frame))
            continue
        end = (bars.open_time // (m * MINUTE_MS) + 1) * (m * MINUTE_MS)
        higher = frame.groupby(end).agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})
        values = pandas_columns(higher).rename_axis("close_time").reset_index()
        parts.append(pd.merge_asof(pd.DataFrame({"close_time": bars.close_time}), values, on="close_time").drop(columns="close_time"))
    return pd.concat(parts, axis=1).to_numpy()


PEERS: dict[str, Callable[[Bars, tuple[int, ...]], np.ndarray]] = {
    "Barmill": barmill,
    "TA-Lib + Polars": talib_polars,
    "pandas": pandas_only,
}


def seconds(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    made = work()
    took = time.perf_counter() - start
    del made
    return took


def in_turns(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, one after another within each round, so that a slow moment of the machine meets them all."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    return times


def print_times(title: str, times: dict[str, list[float]]) -> None:
    print(f"\n{title}")
    first = times[next(iter(times))]
    for name, took in times.items():
        ratios = sorted(t / own for t, own in zip(took, first, strict=True))
        print(f"  {name:<18} {median(took) * 1e3:9.0f} ms   {median(ratios):6.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def push_latency(plan: FeaturePlan, bars: Bars) -> tuple[float, float]:
    """Median and 99th percentile of one more bar, in microseconds, over bars that differ."""
    stream = FeatureStream(plan)
    warm = min(len(bars) // 2, 2_000)
    stream.extend(bars.slice(0, warm))
    took = []
    for i in range(warm, min(len(bars), warm + 20_000)):
        bar = bars.bar(i)
        start = time.perf_counter_ns()
        stream.push(bar)
        took.append((time.perf_counter_ns() - start) / 1e3)
    return float(np.quantile(took, 0.5)), float(np.quantile(took, 0.99))


def check_equal(bars: Bars) -> None:
    """The peers compute the same numbers, or the times say nothing (pandas starts its means otherwise: compared late)."""
    ours, theirs = barmill(bars, (1, 5)), talib_polars(bars, (1, 5))
    late = slice(len(bars) // 2, None)
    skew = [i for i in range(2 * len(COMMON)) if COMMON[i % len(COMMON)] == "return_skewness_60"]
    same = [i for i in range(2 * len(COMMON)) if i not in skew]  # the libraries' skewness is corrected for bias or not
    np.testing.assert_allclose(ours[late][:, same], theirs[late][:, same], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(ours[late][:, same], pandas_only(bars, (1, 5))[late][:, same], rtol=1e-6, atol=1e-7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(f"compile or load all kernels: {seconds(warm_kernels):.2f} s")
    bars, core = make_bars(asked.bars), FeaturePlan.build()
    check_equal(bars.slice(0, min(asked.bars, 20_000)))
    _ = bars.matrix
    for minutes in ((1,), (1, 5, 15)):
        works = {name: (lambda peer=peer, minutes=minutes: peer(bars, minutes)) for name, peer in PEERS.items()}
        n_columns = len(minutes) * len(COMMON)
        print_times(f"{n_columns} columns at {', '.join(f'{m}m' for m in minutes)}, {asked.bars:,} bars", in_turns(works, asked.rounds))
    shape = (asked.bars, len(core.names))
    works = {"Barmill": lambda: core.compute(bars), "writing it once": lambda: np.full(shape, 1.0)}
    print_times(f"core: {shape[1]} columns at 1m, 5m, 15m, {asked.bars:,} bars", in_turns(works, asked.rounds))
    middle, late = push_latency(core, bars)
    print(f"\none more bar through core: median {middle:.0f} us, 99th percentile {late:.0f} us")


if __name__ == "__main__":
    main()
