"""Columns that are clean, and look as if they were not: slow, trending, heavy-tailed, nearly constant, of the clock, or truly good.

No check may accuse one of them. Barmill's own sets stand beside what people write in pandas, on honest blocks of any market.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from barmill.evaluation import PlanTable
from barmill.evaluation.leakage.dossier import Dossier
from barmill.features import FeaturePlan
from barmill.market import Bars, Simulation
from planted_leaks import columns_of_bars
from planted_leaks.columns_of_bars import known_after, log_close, move_of, returns, rsi_of
from planted_leaks.markets import Market, frame_of
from planted_leaks.study import Study, study_of, with_column, with_sister

SETS = {"charter": None, "core": ("1m", "5m", "1h"), "alerts": None, "orpflow": None}
BOUNCE = 4e-4  # half a spread, two thirds of a minute's volatility


def pandas_columns(df: pd.DataFrame) -> pd.DataFrame:
    """A hundred columns of bars, none of which looks ahead."""
    made = {
        name: values for family in (_moves, _spreads, _slow, _tails, _discrete, _clock, _higher, _markets) for name, values in family(df)
    }
    made |= {f"sister_of_{leak.name}": leak.clean(df) for leak in columns_of_bars.LEAKS}
    return pd.DataFrame(made, index=df.index).astype(float)


Columns = Iterator[tuple[str, pd.Series]]


def _moves(df: pd.DataFrame) -> Columns:
    close = log_close(df)
    for bars in (1, 2, 3, 5, 10, 20, 30, 60, 120, 240):
        yield f"return_{bars}", close.diff(bars)
        yield f"distance_{bars}", close - close.ewm(span=bars + 1).mean()
        yield f"late_return_{bars}", close.diff(5).shift(bars)
    for bars in (14, 50, 200):
        low, high = df["low"].rolling(bars).min(), df["high"].rolling(bars).max()
        yield f"place_{bars}", (df["close"] - low) / (high - low + 1e-9)
        up, down = close.diff().clip(lower=0).ewm(span=bars).mean(), (-close.diff()).clip(lower=0).ewm(span=bars).mean()
        yield f"rsi_{bars}", up / (up + down + 1e-12)
        yield f"z_{bars}", (close - close.rolling(bars).mean()) / (close.rolling(bars).std() + 1e-12)


def _spreads(df: pd.DataFrame) -> Columns:
    moves = returns(df)
    for bars in (10, 60, 240, 1000):
        yield f"volatility_{bars}", moves.rolling(bars).std()
        yield f"range_{bars}", np.log(df["high"] / df["low"]).rolling(bars).mean()
        yield f"skewness_{bars}", moves.rolling(bars).skew().fillna(0.0)
        yield f"autocorrelation_{bars}", moves.rolling(bars).corr(moves.shift(1)).replace([np.inf, -np.inf], 0.0).fillna(0.0)


def _slow(df: pd.DataFrame) -> Columns:
    """Levels, totals and slow means: they trend, so that train and test do not look alike."""
    yield "price", df["close"]
    yield "log_price", log_close(df)
    yield "mean_price_1000", df["close"].rolling(1000).mean()
    yield "high_so_far", df["high"].cummax()
    yield "drawdown", log_close(df) - log_close(df).cummax()
    yield "volume_so_far", np.log1p(df["volume"].cumsum())
    yield "on_balance", (np.sign(returns(df)).fillna(0.0) * df["volume"]).cumsum()
    yield "slow_volatility", returns(df).ewm(span=1400).std()
    yield "variance_so_far", returns(df).expanding(60).var()


def _tails(df: pd.DataFrame) -> Columns:
    moves = returns(df)
    scale = moves.rolling(240, min_periods=20).std() + 1e-12
    yield "cube", (moves / scale) ** 3
    yield "shock", np.exp((moves / scale).abs().clip(upper=15))
    yield "ratio", moves.diff(3) / (moves.abs() + 1e-6)
    yield "amihud", moves.abs() / (df["volume"] + 1.0)
    yield "volume", df["volume"]
    yield "volume_change", np.log1p(df["volume"]).diff()


def _discrete(df: pd.DataFrame) -> Columns:
    moves = returns(df)
    yield "up_bar", (moves > 0).astype(float)
    yield "streak", np.sign(moves).groupby((np.sign(moves) != np.sign(moves).shift()).cumsum()).cumsum()
    yield "count_up_20", (moves > 0).rolling(20).sum()
    yield "constant", pd.Series(1.0, index=df.index)
    yield "nearly_constant", (moves.abs() > 6 * moves.rolling(240, min_periods=20).std()).astype(float)
    yield "rounded", (log_close(df) - log_close(df).ewm(span=60).mean()).round(3)
    yield "above_mean", (log_close(df) > log_close(df).rolling(200).mean()).astype(float)
    yield "new_high", (df["high"] >= df["high"].rolling(500).max()).astype(float)
    yield "bars_since_high", _since((df["high"] >= df["high"].rolling(120).max()).to_numpy(), df)


def _since(event: np.ndarray, df: pd.DataFrame) -> pd.Series:
    last = np.maximum.accumulate(np.where(event, np.arange(len(df)), -1))
    return pd.Series(np.where(last >= 0, np.arange(len(df)) - last, -1), index=df.index)


def _clock(df: pd.DataFrame) -> Columns:
    minute = df.index.hour * 60 + df.index.minute
    yield "minute_of_day", pd.Series(minute, index=df.index)
    yield "minute_of_hour", pd.Series(df.index.minute, index=df.index)
    yield "cosine", pd.Series(np.cos(minute / 1440 * 2 * np.pi), index=df.index)
    yield "day_of_week", pd.Series(df.index.day_of_week, index=df.index)
    yield "afternoon", pd.Series((df.index.hour >= 13).astype(float), index=df.index)
    yield "minutes_to_close", pd.Series((20 * 60 - minute) % 1440, index=df.index)
    yield "pause", df.index.to_series().diff().dt.total_seconds().fillna(60.0)


def _higher(df: pd.DataFrame) -> Columns:
    for rule in ("5min", "15min", "1h", "4h"):
        yield f"move_{rule}", known_after(move_of(rule)(df), rule, df).fillna(0.0)
        yield f"rsi_{rule}", known_after(rsi_of(rule)(df), rule, df).fillna(0.5)


def _markets(df: pd.DataFrame) -> Columns:
    other = np.log(df["sister"])
    for bars in (1, 15, 60):
        yield f"sister_return_{bars}", other.diff(bars)
        yield f"spread_{bars}", other.diff(bars) - log_close(df).diff(bars)
    yield "correlation", returns(df).rolling(120).corr(other.diff()).fillna(0.0)
    yield "noise", columns_of_bars.clock_noise(df, 1.0)


# ---- studies of clean columns alone


def by_pandas(market: Market) -> Study:
    """`pandas_columns` on honest blocks."""
    bars = with_sister(market)
    return study_of(market, bars, pandas_columns, pandas_columns(frame_of(bars)))


def by_plan(market: Market, name: str) -> Dossier:
    """One of Barmill's sets, with the columns that the market's bars have."""
    sources = tuple(column for column in market.bars.frame.columns if column not in ("open_time", "close_time"))
    plan = FeaturePlan.build("1m", SETS[name], set=name, sources=sources, calendar=market.bars.instrument.calendar)
    lacking = plan.missing(sources)
    if lacking:
        plan = FeaturePlan.build("1m", SETS[name], set=name, remove=tuple(lacking), sources=sources, calendar=plan.calendar)
    table = plan.compute(market.bars)
    frame = pd.DataFrame(table.values.astype(np.float64), columns=list(table.names))
    made = study_of(market, market.bars, pandas_columns, frame)
    return made.with_more(feature_maker=PlanTable(plan)).dossier()


def with_oracle(simulation: Simulation, made: Study) -> Dossier:
    """The best forecast that bars allow, as a column: strong, and honest."""
    return with_column(made, "oracle", simulation.oracle).dossier()


def led(market: Market, share: float = 0.15) -> Market:
    """The same market, of which each bar follows the sister's last: a leader forecasts, and is no leak."""
    bars = market.bars
    moves = np.diff(np.log(market.sister), prepend=np.log(market.sister[0]))
    factor = np.exp(share * np.concatenate([[0.0], np.cumsum(moves)[:-1]]))
    opens, close = bars.open * np.concatenate([[1.0], factor[:-1]]), bars.close * factor
    high, low = np.maximum(bars.high * factor, opens), np.minimum(bars.low * factor, opens)
    return Market(market.name, _bars_like(bars, opens, high, low, close), market.sister)


def bouncing(market: Market, seed: int = 3) -> Market:
    """The same market seen through trades at bid and ask by turns: each close moves back, so that the last return forecasts the next."""
    bars, random = market.bars, np.random.default_rng(seed)
    close = bars.close * np.exp(BOUNCE * np.sign(random.standard_normal(len(bars))))
    opens = np.concatenate([bars.open[:1], close[:-1]])
    high, low = np.maximum(bars.high, np.maximum(opens, close)), np.minimum(bars.low, np.minimum(opens, close))
    return Market(market.name, _bars_like(bars, opens, high, low, close), market.sister)


def _bars_like(bars: Bars, *prices: np.ndarray) -> Bars:
    return Bars.from_columns(bars.instrument, bars.timeframe, bars.open_time, *prices, bars.volume)


__all__ = ["SETS", "bouncing", "by_pandas", "by_plan", "led", "pandas_columns", "with_oracle"]
