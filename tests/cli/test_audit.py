"""`barmill audit`, by its output and exit codes."""

import json
import sys

import pytest
import yaml
from typer.testing import CliRunner

from barmill.cli.__main__ import app
from barmill.errors import DataError, InputError, RecipeError
from barmill.features import FeaturePlan
from barmill.market import simulate

MODULE = """
import pandas as pd

def clean(df: pd.DataFrame):
    return df[["close"]].pct_change()

def leaky(df: pd.DataFrame):
    return pd.DataFrame({"now": df["close"], "centred": df["close"].rolling(5, center=True).mean()})

def silent(df):
    return df
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with bars and a module of features, and we in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "features.py").write_text(MODULE)
    simulate(1_200, seed=1).bars.write(tmp_path / "bars.parquet")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)], catch_exceptions=False)


def test_a_leak_is_told_in_words_with_exit_code_1(place):
    said = run("features.py:leaky", "--bars", "bars.parquet")
    assert said.exit_code == 1
    lines = said.stdout.splitlines()
    assert lines[0] == "audited   features.py:leaky"
    assert lines[1].startswith("on        1,200 bars; ")
    assert lines[2] == "features  2, of which 1 are clean"
    assert "F101 error    centred: sees 2 bars ahead" in lines
    assert any(line.startswith("  likely      a centred window of 5 bars") for line in lines)
    assert any(line.startswith("  first       row ") and line.endswith(" UTC") for line in lines)
    assert any(" given all" in line for line in lines)
    assert lines[-1] == "LOOK-AHEAD or another fault was found"


def test_clean_features_end_with_exit_code_0(place):
    said = run("features.py:clean", "--bars", "bars.parquet")
    assert said.exit_code == 0
    assert said.stdout.splitlines()[-1] == "no look-ahead was found"


def test_json_has_every_finding(place):
    said = run("features.py:leaky", "--bars", "bars.parquet", "--json")
    told = json.loads(said.stdout)
    assert said.exit_code == 1
    assert (told["ok"], told["features"], told["clean"]) == (False, 2, 1)
    assert [(finding["code"], finding["feature"], finding["bars_ahead"]) for finding in told["findings"]] == [("F101", "centred", 2)]


def test_a_module_is_found_in_the_current_folder(place):
    (place / "module_of_this_test.py").write_text(MODULE)
    assert run("module_of_this_test:clean", "--bars", "bars.parquet").exit_code == 0
    assert str(place) not in sys.path


def test_a_set_and_a_single_feature_are_audited_on_simulated_bars_if_none_are_given():
    assert "on        20,000 bars" in run("rsi_14@5m").stdout
    said = run("core", "--timeframes", "1m", "--json")
    assert json.loads(said.stdout)["rtol"] == 0.0
    assert said.exit_code == 0


def test_a_plan_is_read_from_json(place):
    plan = FeaturePlan.build(timeframes=("1m",))
    (place / "plan.json").write_text(json.dumps(plan.to_json()))
    assert json.loads(run("plan.json", "--bars", "bars.parquet", "--json").stdout)["features"] == len(plan.names)


def test_a_recipe_is_audited_on_its_own_bars(place):
    recipe = {"name": "r", "bars": {"simulate": {"n_bars": 9_000, "seed": 3}}, "base_models": [{"name": "logistic"}]}
    recipe |= {"features": {"timeframes": ["1m"], "add": ["rsi_28"]}}
    (place / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    said = run("recipe.yaml")
    assert said.exit_code == 0
    assert "on        9,000 bars" in said.stdout


def test_a_feature_that_learns_is_audited_with_what_it_learned():
    assert run("hmm_probability_2_1(log_return_1,realised_volatility_20)").exit_code == 0


def test_a_program_is_audited(place):
    (place / "make.py").write_text("import shutil, sys\nshutil.copy(sys.argv[1], sys.argv[2])\n")
    command = f"{sys.executable} -S make.py {{bars}} {{features}}"
    small = place / "small.parquet"
    simulate(64, seed=1).bars.write(small)
    for arguments in (("--command", command), (command,)):
        said = run(*arguments, "--format", "csv", "--bars", small)
        assert said.exit_code == 0
        assert said.stdout.splitlines()[0] == f"audited   {command}"


@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        ((), InputError, "nothing to audit"),
        (("cores",), InputError, "Did you mean 'core'"),
        (("rsi_x",), (InputError, RecipeError), "rsi"),
        (("nothing.json",), InputError, "no readable plan"),
        (("features.py:nothing",), InputError, "no function 'nothing'"),
        (("features.py:clean", "--frame", "arrow"), InputError, "--frame"),
        (("features.py:clean", "--bars", "nothing.parquet"), DataError, "no such file"),
        (("--command", "make"), InputError, "--command"),
    ],
)
def test_what_cannot_be_audited_is_refused(place, arguments, error, expected):
    with pytest.raises(error, match=expected):
        run(*arguments)


def test_look_back_and_tolerance_are_passed_on(place):
    said = run("features.py:clean", "--bars", "bars.parquet", "--history", 10, "--rtol", "1e-6", "--seed", 3, "--cuts", 0)
    assert said.exit_code == 0
    assert "windows of 10 bars" in said.stdout
    assert "within 1e-06" in said.stdout


def test_help_has_an_example():
    assert "Example: barmill audit" in run("--help").stdout
