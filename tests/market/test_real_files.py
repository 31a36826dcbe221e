"""Every bar file of the shared data reads without errors; the files that are not bars say what they are."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from barmill.errors import DataError
from barmill.market import Bars

Real = Callable[[str], Path]
BINANCE_1M = [f"crypto/{symbol}_um_1m_2024-02.parquet" for symbol in ("ALGOUSDT", "AVAXUSDT", "FILUSDT", "NEARUSDT")]
BINANCE_1M += [
    f"crypto/{symbol}_um_1m_2026-02.parquet" for symbol in ("ALGOUSDT", "AVAXUSDT", "DOTUSDT", "FILUSDT", "LINKUSDT", "LTCUSDT", "NEARUSDT")
]
FILES = {
    **dict.fromkeys(BINANCE_1M, "1m"),
    "crypto/FILUSDT_um_1m_2023-08_2023-11.parquet": "1m",
    "crypto/NEARUSDT_um_1m_2023-08_2023-10.parquet": "1m",
    "crypto/BTC-PERP_ftx_1m_2022-01.parquet": "1m",
    "crypto/BTCUSDT_um_30m_2023-01_2025-03.parquet": "30m",
    "crypto/ETHUSDT_um_30m_2023-01_2025-03.parquet": "30m",
    "crypto/SOLUSDT_um_30m_2023-01_2025-03.parquet": "30m",
    "crypto/RENDERUSDT_um_5m_2024-07_2025-07.parquet": "5m",
    "futures/6EH4_1m_2024-01.parquet": "1m",
    "futures/CL_5m_2023-10_2024-12.parquet": "5m",
    "futures/ES_1m_2025-07_2025-10.parquet": "1m",
    "futures/ES_5m_2024-12_2025-10.parquet": "5m",
    "futures/NQ_1h_2017_2022.parquet": "1h",
    "futures/NQ_5m_2024-12_2025-10.parquet": "5m",
    "fx/EURUSD_1m_2018.parquet": "1m",
    "fx/EURUSD_1m_2019.parquet": "1m",
    "fx/GBPUSD_1m_2018.parquet": "1m",
    "fx/USDJPY_1m_2018.parquet": "1m",
    "fx/XAUUSD_1m_2018.parquet": "1m",
    "index_cfd/SPXUSD_1m_2018.parquet": "1m",
    "index_cfd/NSXUSD_1m_2018.parquet": "1m",
}


@pytest.mark.parametrize(("name", "timeframe"), FILES.items(), ids=[Path(name).stem for name in FILES])
def test_it_reads_with_its_symbol_and_timeframe_and_without_errors(real: Real, name: str, timeframe: str) -> None:
    path = real(name)
    bars = Bars.read(path)
    assert str(bars.timeframe) == timeframe
    assert path.name.startswith(bars.instrument.symbol)
    assert len(bars) == pl.scan_parquet(path).select(pl.len()).collect().item()
    assert not {"D017", "D018", "D021", "D022"} & {finding.code for finding in bars.findings}


def test_the_panel_asks_for_a_symbol_and_gives_each(real: Real) -> None:
    path = real("crypto/um_1h_panel_19_2023-01_2025-03.parquet")
    with pytest.raises(DataError, match="bars of 19 symbols: BTCUSDT, ETHUSDT, SOLUSDT"):
        Bars.read(path)
    for symbol in pl.read_parquet(path)["symbol"].unique():
        bars = Bars.read(path, symbol=symbol)
        assert str(bars.timeframe) == "1h"
        assert all(finding.code in ("D011", "D012", "D013", "D014") for finding in bars.findings)


def test_bid_and_ask_bars_are_read_by_side(real: Real) -> None:
    path = real("fx/USDJPY_fxcm_bidask_1m_2013-02.parquet")
    with pytest.raises(DataError, match="These are bid and ask bars: choose a side with columns such as open=bid_open"):
        Bars.read(path)
    sides = [Bars.read(path, columns={name: f"{side}_{name}" for name in ("open", "high", "low", "close")}) for side in ("bid", "ask")]
    assert sides[0].close.mean() < sides[1].close.mean()


def test_funding_rates_are_no_bars(real: Real) -> None:
    with pytest.raises(DataError, match=r"no column open_time, open, high, low, close .*This is a funding-rate series, not bars"):
        Bars.read(real("crypto/BTCUSDT_um_funding_8h_2024-10_2025-02.parquet"))


@pytest.mark.parametrize("name", ["lob/AMZN_2012-06-21_L5.parquet", "trades/XRPETH_trades_2019-10.parquet", "series/exchange_rate.parquet"])
def test_other_series_are_refused_without_a_traceback(real: Real, name: str) -> None:
    with pytest.raises(DataError):
        Bars.read(real(name), symbol="SIM")


def test_bars_without_volume_say_so(real: Real) -> None:
    assert not Bars.read(real("futures/ES_1m_2025-07_2025-10.parquet")).has_volume
    zero = Bars.read(real("fx/EURUSD_1m_2019.parquet"))
    assert not zero.has_volume
    assert "volume is 0 in every bar; features of volume say nothing" in [finding.message for finding in zero.findings]
