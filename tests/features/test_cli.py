"""`barmill features`, by its output and exit codes."""

import json

import polars as pl
import pytest
from typer.testing import CliRunner

from barmill.cli.features import app
from barmill.errors import RecipeError
from barmill.features import FEATURES, FeaturePlan


def run(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_list_tells_every_feature_with_its_formula():
    listed = run("list")
    assert listed.exit_code == 0
    lines = listed.output.splitlines()
    assert len(lines) == len(FEATURES) + 4
    (rsi,) = (line for line in lines if line.startswith("rsi_14 "))
    for part in ("momentum", "1m", "14", "close", "0 to 100", "100·G/(G + B)"):
        assert part in rsi


def test_list_of_a_set_as_json_follows_the_plan():
    listed = json.loads(run("list", "--set", "core", "--timeframes", "1m,1h", "--json").output)
    plan = FeaturePlan.build(timeframes=("1m", "1h"))
    assert [entry["column"] for entry in listed] == list(plan.names)
    assert listed[-1]["warm-up"] == 20 * 60 - 1
    assert listed[-1]["params"] == {"window": 20}


def test_build_writes_what_compute_gives_and_counts_what_is_not_ready(tmp_path, bars):
    source, out = tmp_path / "FILUSDT.parquet", tmp_path / "deep" / "features.parquet"
    bars.write(source)
    said = json.loads(run("build", str(source), "--out", str(out), "--add", "rsi_28@1h", "--remove", "adx_14", "--json").output)
    plan = FeaturePlan.build(add=("rsi_28@1h",), remove=("adx_14",), needs=())
    assert said["schema_hash"] == plan.schema_hash
    assert said["not_ready"] == plan.warmup_bars == 29 * 60 - 1
    assert said["ready"] + said["not_ready"] == said["bars"] == len(bars)
    assert pl.read_parquet(out).equals(plan.compute(bars).to_frame(), null_equal=True)


def test_build_says_in_words_where_the_table_is(tmp_path, bars):
    bars.write(tmp_path / "FILUSDT.parquet")
    result = run("build", str(tmp_path / "FILUSDT.parquet"), "--out", str(tmp_path / "f.parquet"), "--timeframes", "1m")
    assert (
        result.stdout
        == f"{tmp_path / 'f.parquet'}: 35 features of 3,000 bars, schema {FeaturePlan.build(timeframes=('1m',)).schema_hash[:12]}\n"
    )
    assert result.stderr == "199 rows are not ready (the warm-up is 199 bars)\n"


def test_a_misspelt_set_is_refused_and_nothing_is_written(tmp_path, bars):
    bars.write(tmp_path / "FILUSDT.parquet")
    with pytest.raises(RecipeError, match="Did you mean 'core'"):
        run("build", str(tmp_path / "FILUSDT.parquet"), "--out", str(tmp_path / "f.parquet"), "--set", "cores")
    assert not (tmp_path / "f.parquet").exists()


@pytest.mark.parametrize("command", [[], ["list"], ["build"]])
def test_help_has_an_example(command):
    helped = run(*command, "--help")
    assert helped.exit_code == 0
    assert not command or "Example: barmill features" in helped.output
