"""Twenty-two indicators at any timeframes, as users of TA-Lib with Polars and of pandas compute them.

They resample, compute, and join as of the close.
"""

import numpy as np
import pandas as pd
import polars as pl
import talib

from barmill.market import Bars

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
