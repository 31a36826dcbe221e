"""`barmill explain split`, by its output: of a recipe nothing is trained, of a run nothing is computed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from barmill.artefacts import write_bytes, write_json
from barmill.cli.__main__ import app
from barmill.errors import DataError, InputError
from barmill.labels import LabelConfig, make_labels
from barmill.market import simulate

RECIPE = """
name: mine
bars: {simulate: {n_bars: 9000, seed: 3}}
labels: {horizon: 12, atr_window: 20, every: 5}
splits: {embargo: 60, purge: 12}
cross_validation: {method: cpcv, n_groups: 5, n_test_groups: 2}
base_models: [{name: logistic}]
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "mine.yaml"
    path.write_text(RECIPE)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["explain", "split", *map(str, arguments)], catch_exceptions=False)


def test_a_recipe_shows_its_blocks_and_its_folds_and_trains_nothing(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = run(recipe, "--width", 100).stdout.splitlines()
    assert lines[0] == "holdout: train, early stopping, calibration, selection and test"
    at = lines.index("combinatorial purged, 5 groups of which 2 judge: 10 splits, 4 paths")
    assert [line.split()[0] for line in lines[at + 2 : at + 12]] == [str(number) for number in range(10)]
    assert all(len(line) <= 100 for line in lines[at + 1 : at + 12])
    assert "  ~  embargo: let go of: too close to the rows that judge (60 bars)" in lines
    assert list(tmp_path.iterdir()) == []


def test_the_folds_are_of_the_labels_that_a_run_would_have(recipe):
    blocks, folds = json.loads(run(recipe, "--json").stdout)
    labels = make_labels(simulate(9_000, 3, horizon=12).bars, LabelConfig(horizon=12, atr_window=20, every=5))
    starts = set(labels.t0.tolist())
    for split in folds["splits"]:
        taught = [(part["first_bar"], part["last_bar"]) for part in split["stretches"] if part["use"] == "train"]
        assert {edge for pair in taught for edge in pair} <= starts
        assert split["n_train"] == sum(sum(first <= bar <= last for bar in starts) for first, last in taught)
    assert [part["use"] for part in blocks["splits"][0]["stretches"]][-1] == "test"


def test_other_methods_and_none(recipe):
    walk = ("--set", "cross_validation={method: walk_forward, train_size: 2500, test_size: 1000}")
    assert "walk-forward: " in run(recipe, *walk).stdout
    alone = run(recipe, "--set", "cross_validation=null").stdout
    assert alone.startswith("holdout: ")
    assert "\n\n" not in alone


def test_a_finished_run_is_read_from_its_record(tmp_path):
    blocks = [{"name": "train", "first_bar": 0, "last_bar": 700}, {"name": "test", "first_bar": 800, "last_bar": 999}]
    write_json(tmp_path / "metrics" / "judgement.json", {"format": 1, "name": "r", "splits": {"blocks": blocks, "dropped": {}}})
    write_bytes(tmp_path / "recipe.yaml", b"name: r\n")
    said = run(tmp_path, "--width", 70).stdout.splitlines()
    assert said[0] == "holdout: train and test"
    assert set(said[2].split()[1]) == {"=", "~", "#"}
    with pytest.raises(InputError, match="a finished run has its bars"):
        run(tmp_path, "--symbol", "ES")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        run(tmp_path)


def test_help_has_an_example():
    assert "Example: barmill explain split" in run("--help").stdout
