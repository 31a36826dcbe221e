"""`barmill explain feature`, by its output."""

import json

import pytest
from typer.testing import CliRunner

from barmill.cli.__main__ import app
from barmill.errors import InputError
from barmill.features import explain_feature
from barmill.market import simulate


@pytest.fixture(scope="module")
def bars_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("bars") / "SIM.parquet"
    simulate(3_000, seed=1).bars.write(path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["explain", "feature", *map(str, arguments)], catch_exceptions=False)


def test_a_value_is_shown_with_formula_arithmetic_bars_and_proof(bars_file):
    said = run("bollinger_position_20_2@5m", "2024-01-02T12:02", "--bars", bars_file)
    assert said.exit_code == 0
    told = explain_feature("bollinger_position_20_2@5m", "2024-01-02T12:02", simulate(3_000, seed=1).bars)
    lines = said.stdout.splitlines()
    assert lines[0] == "feature     bollinger_position_20_2@5m, version 1 (window 20, width 2.0)"
    assert lines[4] == "bar         row 2,161, 2024-01-02 12:01 UTC, known at 2024-01-02 12:02 UTC"
    assert lines[5] == f"value       {told.value!r}"
    assert lines[6].startswith("            = (C - (M - k*S))/(2*k*S), C = ")
    assert any(line.startswith("20 of 432 closed bars of 5m; influence of close by one tick, ") for line in lines)
    assert sum(line.startswith("2024-01-02 ") for line in lines) == 20
    assert lines[-1] == "from the last 20 bars alone: the same, to the bit"


def test_a_recursion_says_what_lies_before(bars_file):
    lines = run("ema_26", 2_000, "--bars", bars_file, "--show", 40).stdout.splitlines()
    assert "(10 earlier ones are left out here; --json has them)" in lines
    assert lines[-3].startswith("from the last 40 bars alone: ")
    assert lines[-2] == "about 0.046 of the weight lies on bars before them"
    assert lines[-1].endswith("the same, to the bit")


def test_a_warm_up_is_said(bars_file):
    lines = run("rsi_14@1h", 100, "--bars", bars_file).stdout.splitlines()
    assert "value       it is in its warm-up: 14 more bars of 1h are needed" in lines
    assert lines[-1].split() == ["2024-01-01", "01:00", "UTC", *lines[-1].split()[3:]]
    assert "no bar of 1h has closed by then" in run("rsi_14@1h", 5, "--bars", bars_file).stdout


def test_json_has_everything(bars_file):
    told = json.loads(run("zscore_60(rsi_14)", 2_000, "--bars", bars_file, "--json").stdout)
    assert told["arguments"].keys() == {"rsi_14"}
    assert len(told["bars"]) == 60
    assert told["same_bits"] is True
    assert told["arithmetic"]["formula"] == "(x - M)/S"
    assert json.loads(run("rsi_14", 3, "--bars", bars_file, "--json").stdout)["value"] is None


def test_a_wrong_anchor_is_refused(bars_file):
    with pytest.raises(InputError, match="--anchor"):
        run("rsi_14", 3, "--bars", bars_file, "--anchor", "noon")


def test_help_has_an_example():
    assert "Example: barmill explain feature" in run("--help").stdout
