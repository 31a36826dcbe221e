"""`barmill data` by its exit codes and what it prints."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from barmill.cli.data import app
from barmill.errors import DataError, InputError, InstrumentError, RecipeError
from barmill.market import Bars, simulate

run = CliRunner()


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "SIM_1m.parquet"
    simulate(3000, seed=1).bars.write(path)
    return path


@pytest.fixture
def broken(tmp_path: Path, sound: Path) -> Path:
    path = tmp_path / "SIM_broken.csv"
    frame = pl.read_parquet(sound)
    high = [1.0 if row == 20 else value for row, value in enumerate(frame["high"])]
    pl.concat([frame.with_columns(high=pl.Series(high)), frame[:1]]).write_csv(path)
    return path


def call(*words: object) -> Result:
    result = run.invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.mark.parametrize("command", ["check", "import", "describe", "simulate", "resample"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert f"Example: barmill data {command}" in result.stdout


def test_check_of_sound_bars_ends_with_0(sound: Path) -> None:
    result = call("check", sound)
    assert result.exit_code == 0
    assert "bars can be used" in result.stderr
    assert "D012" in result.stdout or "no findings" in result.stdout


def test_check_of_broken_bars_ends_with_2_and_names_the_repairs(broken: Path) -> None:
    result = call("check", broken)
    assert result.exit_code == 2
    assert all(code in result.stdout for code in ("D003", "D004", "D005"))
    assert "--repair sort --repair drop-duplicates --repair drop-invalid-ohlc" in result.stderr


def test_check_as_json(broken: Path) -> None:
    result = call("check", broken, "--json")
    assert result.exit_code == 2
    report = json.loads(result.stdout)
    assert (report["valid"], report["rows"], report["symbol"], report["timeframe"]) == (False, 3001, "SIM", "1m")
    found = {finding["code"]: finding for finding in report["findings"]}
    assert found["D005"]["first_row"] == 20
    assert found["D005"]["first_time"] == "2024-01-01 00:20 UTC"
    assert found["D005"]["message"].startswith("row 20 (2024-01-01 00:20 UTC): high 1 is below low")


def test_import_repairs_what_is_named_and_keeps_the_rest(broken: Path, tmp_path: Path) -> None:
    out = tmp_path / "clean.parquet"
    with pytest.raises(DataError, match="high 1 is below low"):
        call("import", broken, out)
    repairs = [word for name in ("sort", "drop-duplicates", "drop-invalid-ohlc") for word in ("--repair", name)]
    result = call("import", broken, out, *repairs)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == f"{out}: 2,999 of 3,001 rows"
    assert len(Bars.read(out)) == 2999
    assert pl.read_csv(tmp_path / "clean.quarantine.csv").height == 2


def test_import_as_json_and_its_list_of_repairs(sound: Path, tmp_path: Path) -> None:
    report = json.loads(call("import", sound, tmp_path / "o.parquet", "--json").stdout)
    assert (report["rows_written"], report["quarantine"], report["set_aside"]) == (3000, None, {})
    assert report["fingerprint"] == Bars.read(sound).fingerprint
    listed = call("import", sound, tmp_path / "p.parquet", "--repair", "list")
    assert "drop-duplicates" in listed.stdout
    assert not (tmp_path / "p.parquet").exists()


def test_describe(sound: Path) -> None:
    assert json.loads(call("describe", sound, "--json").stdout)["n_bars"] == 3000
    text = call("describe", sound).stdout
    assert "volatility per year" in text
    assert "2024-01-01 00:00 UTC" in text


def test_simulate_is_what_the_library_draws(tmp_path: Path) -> None:
    out, oracle = tmp_path / "s.parquet", tmp_path / "o.parquet"
    made = json.loads(call("simulate", out, "--bars", 500, "--seed", 3, "--oracle", oracle, "--json").stdout)
    expected = simulate(500, seed=3)
    assert made["fingerprint"] == expected.bars.fingerprint == Bars.read(out).fingerprint
    assert pl.read_parquet(oracle)["oracle"].to_list() == expected.oracle.tolist()
    with pytest.raises(InputError, match="simulate:strength"):
        call("simulate", out, "--strength", 9)


def test_resample(sound: Path, tmp_path: Path) -> None:
    out = tmp_path / "SIM_15m.parquet"
    made = json.loads(call("resample", sound, out, "--to", "15m", "--json").stdout)
    assert (made["rows"], made["from_rows"], made["timeframe"]) == (200, 3000, "15m")
    assert str(Bars.read(out).timeframe) == "15m"
    with pytest.raises(InstrumentError, match="timeframe '15x'"):
        call("resample", sound, out, "--to", "15x")


def test_resample_anchored_to_sessions(sound: Path, tmp_path: Path) -> None:
    out = tmp_path / "SIM_25m.parquet"
    made = json.loads(call("resample", sound, out, "--to", "25m", "--anchor", "session", "--json").stdout)
    assert (made["anchor"], made["timeframe"]) == ("session", "25m")
    again = Bars.read(out)
    assert again.anchor == "session"
    assert (again.open_time % 86_400_000 % 1_500_000 == 0).all()  # counted anew each day
    with pytest.raises(InputError, match=r"--anchor: is 'day'; expected epoch or session"):
        call("resample", sound, out, "--to", "25m", "--anchor", "day")


def test_join_adds_the_series_of_a_recipe_as_of_their_known_time(sound: Path, tmp_path: Path) -> None:
    call("resample", sound, tmp_path / "SIM_30m.parquet", "--to", "30m")
    models = "base_models: [{name: logistic}]"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"{models}\nseries: [{{file: SIM_30m.parquet, columns: {{reference_close: close}}, known: close}}]\n")
    out = tmp_path / "joined.parquet"
    made = json.loads(call("join", sound, out, "--recipe", recipe, "--json").stdout)
    assert made["columns"] == ["reference_close"]
    bars, longer = Bars.read(out), Bars.read(tmp_path / "SIM_30m.parquet")
    row = 29 + 30 * 7
    assert bars.column("reference_close")[row] == longer.close[7]
    assert bars.column("reference_close")[row - 1] == longer.close[6]
    recipe.write_text(models)
    with pytest.raises(RecipeError, match="it names no series"):
        call("join", sound, out, "--recipe", recipe)


def test_columns_units_and_instruments_can_be_given(sound: Path, tmp_path: Path) -> None:
    frame = pl.read_parquet(sound).rename({"close": "settle"}).with_columns(pl.col("open_time") // 1000)
    frame.write_csv(tmp_path / "x.csv")
    mine = tmp_path / "mine.yaml"
    mine.write_text("symbol: MINE\ntick_size: 0.01\nmultiplier: 1\nfee: {bps: 1}\nslippage: {bps: 1}\n")
    words = (tmp_path / "x.csv", "--instrument", mine, "--column", "close=settle", "--time-unit", "s", "--json")
    assert json.loads(call("check", *words).stdout)["symbol"] == "MINE"
    with pytest.raises(InputError, match="expected OURS=THEIRS"):
        call("check", tmp_path / "x.csv", "--column", "close")


def test_help_loads_nothing_heavy() -> None:
    heavy = "{'polars', 'numba', 'pandas', 'pydantic', 'exchange_calendars', 'numpy'}"
    code = f"import sys, barmill.cli.data; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
