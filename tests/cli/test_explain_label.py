"""`barmill explain label`, by its output."""

import ast
import json
import re
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from barmill.cli.__main__ import app
from barmill.errors import InputError, RecipeError
from barmill.labels import LabelConfig, explain_label
from barmill.market import simulate

RECIPE = """
bars: {simulate: {n_bars: 9000, seed: 3}}
labels: {horizon: 12, atr_window: 20, every: 5, side: short}
splits: {embargo: 60}
base_models: [{name: logistic}]
"""


@pytest.fixture(scope="module")
def bars_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("bars") / "SIM.parquet"
    simulate(3_000, seed=1).bars.write(path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["explain", "label", *map(str, arguments)], catch_exceptions=False)


def test_entry_costs_levels_bars_and_returns_are_printed_to_the_last_digit(bars_file):
    config = LabelConfig(horizon=30)
    told = explain_label("2024-01-02T12:02", simulate(3_000, seed=1).bars, config)
    lines = run("2024-01-02T12:02", "--bars", bars_file, "--set", "labels.horizon=30", "--weight").stdout.splitlines()
    assert lines[1] == "decision    row 2,161, 2024-01-02 12:01 UTC, at its close, 2024-01-02 12:02 UTC"
    assert lines[2] == f"entry       p = {told.entry_price!r}, the open of row 2,162, 2024-01-02 12:02 UTC"
    for step in told.steps:
        at = lines.index(f"{step.name:<24}= {step.formula}")
        assert [line.strip() for line in lines[at + 1 : at + 3]] == [f"= {step.filled}", f"= {step.value!r}"]
    assert sum(line.startswith("2,") for line in lines) == len(told.bars)
    assert f"exit        x = {told.outcome.exit_price!r}, " in "\n".join(lines)
    assert lines[-1] == "as trained  make_labels gives the same, to the last digit"


def test_what_is_printed_can_be_typed_into_a_spreadsheet(bars_file):
    """Nothing but the printed text: each line of numbers gives the line below it."""
    lines = [line.strip() for line in run(1_000, "--bars", bars_file).stdout.splitlines()]
    checked = 0
    for filled, value in pairwise(lines):
        if filled.startswith("= ") and re.fullmatch(r"= -?[\d.e-]+", value):
            ast.parse(filled[2:])
            assert repr(eval(filled[2:], {"__builtins__": {}, "max": max, "abs": abs})) == value[2:]
            checked += 1
    assert checked == 9


def test_a_recipe_brings_its_labels_and_its_bars(tmp_path):
    (tmp_path / "mine.yaml").write_text(RECIPE)
    said = run(500, "--recipe", tmp_path / "mine.yaml", "--set", "labels.k_up=2", "--json").stdout
    told = json.loads(said)
    assert told["config"] == LabelConfig(horizon=12, atr_window=20, every=5, side="short", k_up=2.0).model_dump(mode="json")
    assert told == explain_label(500, simulate(9_000, 3, horizon=12).bars, LabelConfig(**told["config"])).to_json()


def test_a_decision_without_a_label_says_why(bars_file):
    assert run(2_999, "--bars", bars_file).stdout.splitlines()[-1] == (
        "no label    outcome not covered by the data: this is the last bar, so there is no entry yet"
    )


def test_many_bars_are_shown_from_both_ends(bars_file):
    said = run(1_000, "--bars", bars_file, "--set", "labels.method=fixed_horizon", "--set", "labels.horizon=500").stdout
    assert "(380 bars between are left out here; --json has them)" in said
    assert "time is up: leaves at the close" in said


def test_what_is_missing_or_misspelt_is_said(bars_file):
    with pytest.raises(InputError, match="neither --bars nor --recipe"):
        run(5)
    with pytest.raises(RecipeError, match=r"unknown key 'hrizon'. Did you mean 'horizon'"):
        run(5, "--bars", bars_file, "--set", "labels.hrizon=3")


def test_help_has_an_example():
    assert "Example: barmill explain label" in run("--help").stdout
