"""`barmill backtest`: what it prints and writes, and what it refuses before any work."""

import json
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from barmill.bundles import publish
from barmill.cli.backtest import backtest
from barmill.errors import DataError, InputError
from oracles import seen_bundles


@pytest.fixture
def place(tmp_path: Path) -> Path:
    publish(seen_bundles.files(), tmp_path / "bundle", "logistic")
    bars = seen_bundles.bars_of(4_500)
    bars.write(tmp_path / "bars.parquet")
    settled = bars.open_time[::480]
    pl.DataFrame({"funding_time": settled, "funding_rate": [0.0001] * len(settled)}).write_csv(tmp_path / "funding.csv")
    return tmp_path


def run(place: Path, *arguments: object):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(backtest)
    given = [place / "bundle" / "logistic", "--bars", place / "bars.parquet", *arguments]
    return CliRunner().invoke(app, [str(one) for one in given], catch_exceptions=False)


def test_it_prints_what_counts_and_what_it_had_seen(place: Path) -> None:
    said = run(place).stdout
    assert "logistic 1.2.3 on SIM 1m, 4,500 bars, account 100,000" in said
    assert said.index("out-of-sample") < said.index("in-sample")
    for word in ("gross", "costs", "drawdown", "quiet", "asia", "least confidence", "costs times"):
        assert word in said


def test_the_folder_holds_everything(place: Path) -> None:
    run(place, "--set", "stop_atr=2", "--out", place / "out")
    names = {file.name for file in (place / "out").iterdir()}
    assert names == {"backtest.json", "trades.parquet", "equity.parquet", "backtest.html"}
    told = json.loads((place / "out" / "backtest.json").read_text())
    trades, equity = pl.read_parquet(place / "out" / "trades.parquet"), pl.read_parquet(place / "out" / "equity.parquet")
    assert told["config"]["stop_atr"] == 2
    assert len(told["trades"]) == trades.height
    assert equity.height == 4_500
    assert trades["net"].sum() == pytest.approx(equity["net"][-1] - 100_000)
    assert "stop" in trades["reason"].to_list()


def test_machines_get_json(place: Path) -> None:
    told = json.loads(run(place, "--json").stdout)
    assert [part["name"] for part in told["parts"]] == ["out-of-sample", "in-sample"]


def test_funding_of_a_file_is_charged(place: Path) -> None:
    told = json.loads(run(place, "--json", "--funding", place / "funding.csv").stdout)
    assert told["metrics"]["funding"] != 0


def test_what_is_wrong_is_told_before_any_work(place: Path) -> None:
    with pytest.raises(InputError, match="stop_atrs: there is no such key\\. Did you mean 'stop_atr'"):
        run(place, "--set", "stop_atrs=2")
    with pytest.raises(InputError, match="is there already"):
        run(place, "--out", place)
    (place / "odd.csv").write_text("when,what\n1,2\n")
    with pytest.raises(DataError, match="no column for the time of settlement"):
        run(place, "--funding", place / "odd.csv")
