"""An honest small study of a market: columns, labels, blocks and what was fitted. A case changes one thing of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from barmill.evaluation import CallableTable
from barmill.evaluation.leakage.dossier import Dossier
from barmill.market import Bars
from planted_leaks.columns_of_bars import HORIZON, Column, log_close
from planted_leaks.markets import Market, frame_of

EVERY = 3  # bars from decision to decision
EMBARGO = 30  # bars
WARM_UP = 1_500  # bars: a day, and the longest of the clean sisters' windows
SHARES = {"train": 0.6, "early_stopping": 0.1, "calibration": 0.1, "test": 0.2}
Table = Callable[[pd.DataFrame], pd.DataFrame]


def honest_columns(df: pd.DataFrame) -> pd.DataFrame:
    """What anybody would begin with; on simulated bars the planted edge is among them."""
    close, low, high = log_close(df), df["low"].rolling(20).min(), df["high"].rolling(20).max()
    hour = (df.index.hour * 60 + df.index.minute) / 1440 * 2 * np.pi
    return pd.DataFrame(
        {
            "return_1": close.diff(),
            "return_15": close.diff(15),
            "return_60": close.diff(60),
            "volatility_60": close.diff().rolling(60).std(),
            "distance_60": close - close.ewm(span=60).mean(),
            "flow": (2 * close - np.log(df["high"]) - np.log(df["low"])).ewm(alpha=0.1).mean(),
            "place_20": (df["close"] - low) / (high - low + 1e-9),
            "hour": np.sin(hour),
        },
        index=df.index,
    )


@dataclass(frozen=True, eq=False)
class Study:
    """Decisions on a market, each with its row, label and block; `dossier` is what the checks are shown.

    bars : with the sister's close as a further column
    table : DataFrame, a row per bar
    t0, t1, y, outcome : of shape (n,)
    blocks : name to positions among the n decisions
    more : further fields of the dossier
    """

    market: Market
    bars: Bars
    make: Table
    table: pd.DataFrame
    t0: np.ndarray
    t1: np.ndarray
    outcome: np.ndarray
    blocks: Mapping[str, np.ndarray]
    more: Mapping[str, object] = field(default_factory=dict)

    @property
    def y(self) -> np.ndarray:
        return (self.outcome > 0).astype(np.int64)

    @property
    def X(self) -> np.ndarray:
        return self.table.to_numpy()[self.t0]

    def with_blocks(self, **blocks: np.ndarray) -> "Study":
        return replace(self, blocks={**self.blocks, **blocks})

    def with_more(self, **more: object) -> "Study":
        return replace(self, more={**self.more, **more})

    def dossier(self) -> Dossier:
        fields: dict[str, object] = {
            "columns": tuple(self.table.columns),
            "X": self.X,
            "y": self.y,
            "outcome": self.outcome,
            "t0": self.t0,
            "t1": self.t1,
            "known_at": self.bars.close_time[self.t0],
            "blocks": self.blocks,
            "embargo_bars": EMBARGO,
            "bars": self.bars,
            "feature_maker": CallableTable(self.make, "features.py:features", frame="pandas"),
            "fitted": (),
        }
        return Dossier(**{**fields, **self.more})


def study(market: Market, **columns: Column) -> Study:
    """An honest study with further columns, each by its name."""
    bars = with_sister(market)

    def features(df: pd.DataFrame) -> pd.DataFrame:
        return honest_columns(df).assign(**{name: made(df) for name, made in columns.items()})

    return study_of(market, bars, features, features(frame_of(bars)))


def study_of(market: Market, bars: Bars, make: Table, table: pd.DataFrame) -> Study:
    """Decisions at every third minute of the clock for which each column and the outcome are known, cut into honest blocks."""
    t0 = np.flatnonzero((bars.open_time // 60_000 % EVERY == 0) & (np.arange(len(bars)) + HORIZON < len(bars)))
    t0 = t0[t0 >= WARM_UP]
    t0 = t0[np.isfinite(table.to_numpy()[t0]).all(axis=1)]
    t1 = t0 + HORIZON
    outcome = bars.close[t1] / bars.open[t0 + 1] - 1.0
    return Study(market, bars, make, table, t0, t1, outcome, purged_blocks(t0, t1))


def purged_blocks(t0: np.ndarray, t1: np.ndarray, free: int = EMBARGO, shares: Mapping[str, float] | None = None) -> dict[str, np.ndarray]:
    """Blocks in time order; before each, the labels that reach it go, and `free` bars more."""
    shares = shares or SHARES
    cuts = np.floor(np.cumsum(list(shares.values())) * t0.size).astype(int)
    blocks: dict[str, np.ndarray] = {}
    begin = 0
    for name, end in zip(shares, cuts, strict=True):
        blocks[name] = np.arange(begin, end)
        begin = int(np.searchsorted(t0, t1[end - 1] + free, side="right"))
    return blocks


def with_column(base: Study, name: str, values: np.ndarray, **more: object) -> Study:
    """A column that comes from elsewhere: the code that made it is not at hand, so it is found in the table or by its records.

    The table that the code makes, without the column, is what the audit would see; it passes.
    """
    table = base.table.assign(**{name: values})
    fresh = study_of(base.market, base.bars, base.make, table)
    return fresh.with_more(feature_maker=None, **more)


def _with_sister(market: Market) -> Bars:
    bars = market.bars
    columns = {name: bars.column(name) for name in ("open", "high", "low", "close", "volume")}
    return Bars.from_columns(bars.instrument, bars.timeframe, bars.open_time, **columns, sister=market.sister)


def with_sister(market: Market) -> Bars:
    """The market's bars with the sister's close as a further column."""
    bars = market.bars
    columns = {name: bars.column(name) for name in ("open", "high", "low", "close", "volume")}
    return Bars.from_columns(bars.instrument, bars.timeframe, bars.open_time, **columns, sister=market.sister)
