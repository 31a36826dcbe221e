import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from barmill.market import Bars, describe, simulate

Table = Callable[..., pl.DataFrame]


def test_a_description_is_plain_and_finite() -> None:
    bars = simulate(10_000, seed=1).bars
    about = describe(bars)
    assert json.loads(json.dumps(about, allow_nan=False)) == about
    assert (about["n_bars"], about["first"], about["gaps"]["missing_bars"]) == (10_000, "2024-01-01 00:00 UTC", 0)
    assert about["price"]["round_trip_cost_bps"] == pytest.approx(1.0)
    assert about["price"]["volatility_per_year"] == pytest.approx(about["price"]["volatility_per_bar_bps"] * 1e-4 * 525_600**0.5)
    assert about["sessions"]["bars_each"] == {"fewest": 1360, "median": 1440.0, "most": 1440}
    assert about["volume"]["taker_buy_share"] == pytest.approx(0.5, abs=0.05)


def test_gaps_are_listed_longest_first(table: Table) -> None:
    frame = table(200)
    about = describe(Bars.read(pl.concat([frame[:10], frame[12:100], frame[150:]]), symbol="SIM"))
    assert about["gaps"]["missing_bars"] == 52
    assert about["gaps"]["longest"][0] == {"from": "2023-03-14 16:10 UTC", "to": "2023-03-14 16:59 UTC", "bars": 50}


def test_constant_prices_without_volume(table: Table) -> None:
    frame = table(10).with_columns(open=1.0, high=1.0, low=1.0, close=1.0).drop("volume")
    about = describe(Bars.read(frame, symbol="SIM"))
    assert about["volume"] is None
    assert about["price"]["kurtosis"] is None
    assert json.dumps(about, allow_nan=False)


def test_no_bars_at_all(table: Table) -> None:
    about = describe(Bars.read(table(), symbol="SIM").slice(0, 0))
    assert (about["n_bars"], about["first"]) == (0, None)


def test_sessions_of_a_real_future(real: Callable[[str], Path]) -> None:
    about = describe(Bars.read(real("futures/ES_1m_2025-07_2025-10.parquet")))
    assert about["sessions"]["bars_each"]["most"] == 1380  # 23 hours
    assert about["sessions"]["count"] == 60
    assert about["gaps"]["bars_while_closed"] == 0
