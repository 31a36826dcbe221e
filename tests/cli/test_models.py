"""`barmill models`: exact output, JSON, and no learning library loaded."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from barmill.cli.models import app
from barmill.errors import RecipeError
from barmill.models import MODELS


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_list_is_a_table_with_every_model() -> None:
    lines = _run("list").splitlines()
    assert lines[0].split() == ["name", "family", "view", "outputs", "causal", "needs", "installed"]
    assert lines[2].split() == ["logistic", "linear", "feature_matrix", "p_up", "yes", "-", "yes"]
    assert [line.split()[0] for line in lines[2:]] == list(MODELS)


def test_list_as_json_tells_the_same() -> None:
    told = json.loads(_run("list", "--json"))
    assert [entry["name"] for entry in told] == list(MODELS)
    by_name = {entry["name"]: entry for entry in told}
    assert by_name["lstm"]["needs"] == ["torch", "onnx", "onnxscript"]
    assert by_name["logistic"]["outputs"] == ["p_up"]


def test_show_prints_parameters_with_default_range_what_is_tuned_and_meaning() -> None:
    text = _run("show", "lightgbm")
    assert text.startswith("lightgbm: Gradient-boosted trees that grow leaf by leaf.\n")
    assert "Ke et al. (2017)" in text
    line = next(line for line in text.splitlines() if line.startswith("num_leaves"))
    assert line.split() == ["num_leaves", "63", "[2,", "4096]", "8", "to", "256,", "log", *["leaves", "of", "a", "tree", "at", "most"]]
    assert next(line for line in text.splitlines() if line.startswith("class_weight")).split()[1:4] == ["none", "none,", "balanced"]


@pytest.mark.parametrize(
    ("model", "parameter", "written"),
    [("patchtst", "causal", "true"), ("risk", "levels", "[0.6, 0.7, 0.8]"), ("lstm", "resolutions", "none")],
)
def test_show_writes_a_default_as_a_recipe_does(model: str, parameter: str, written: str) -> None:
    line = next(line for line in _run("show", model).splitlines() if line.startswith(f"{parameter} "))
    assert line.removeprefix(parameter).lstrip().startswith(f"{written}  ")


def test_show_says_of_quantiles_of_returns_only_where_there_are_returns() -> None:
    assert "q05, q50 and q95 are added" in _run("show", "lightgbm")
    text = _run("show", "risk")
    assert "q05" not in text
    assert text.splitlines()[-1] == "Set parameters under `config:` of the model's entry in a recipe."
    assert "  question   outcomes" in text


@pytest.mark.parametrize("name", MODELS)
def test_show_as_json_has_every_parameter(name: str) -> None:
    told = json.loads(_run("show", name, "--json"))
    assert {parameter["name"] for parameter in told["parameters"]} == set(MODELS[name].params.model_fields)
    assert told["reference"] == MODELS[name].reference


def test_show_of_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"no model named 'lstn'\. Did you mean 'lstm'\?"):
        CliRunner().invoke(app, ["show", "lstn"], catch_exceptions=False)


@pytest.mark.parametrize("arguments", [["list"], ["show", "lstm"]])
def test_no_learning_library_is_loaded(arguments: list[str]) -> None:
    heavy = ("torch", "lightgbm", "xgboost", "sklearn", "onnxruntime", "scipy", "polars")
    code = (
        f"import sys; sys.argv = ['models', *{arguments!r}]\nfrom barmill.cli.models import app\n"
        f"try:\n    app()\nfinally:\n    print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
