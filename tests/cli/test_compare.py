"""`barmill compare`: one finished run, several, and folders that hold none."""

import json

import pytest
from typer.testing import CliRunner

import barmill as bm
from barmill.cli.__main__ import app
from barmill.errors import RecipeError

RECIPE = """
features: {timeframes: [1m]}
labels: {horizon: 30, atr_window: 30, every: 3}
splits: {embargo: 60}
base_models: [{name: logistic, config: {C: STRENGTH}}]
random_signals: 20
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory, cache_in):
    folder = tmp_path_factory.mktemp("runs")
    bars = bm.simulate(8000, seed=5, strength=2.0).bars
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(folder))
        for name, strength in (("strong", "1.0"), ("weak", "0.0001")):
            (folder / f"{name}.yaml").write_text(RECIPE.replace("STRENGTH", strength))
            bm.train(folder / f"{name}.yaml", bars=bars, out=folder / name)
    return folder


def test_one_run_prints_its_leaderboard(runs):
    done = CliRunner().invoke(app, ["compare", str(runs / "strong")])
    assert done.exit_code == 0
    assert "logistic" in done.output
    assert "rank" in done.output


def test_two_runs_as_json_have_their_pairs(runs):
    done = CliRunner().invoke(app, ["compare", str(runs / "strong"), str(runs / "weak"), "--json"])
    assert done.exit_code == 0
    board = json.loads(done.output)
    assert {model["name"] for model in board["models"]} == {"strong:logistic", "weak:logistic"}
    assert len(board["pairs"]) == 1
    assert board["differs"] == []


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="not the folder of a finished run"):
        CliRunner().invoke(app, ["compare", str(tmp_path)], catch_exceptions=False)
