"""`barmill ensembles`: what can be asked for, and within which limits."""

import json

import pytest
from typer.testing import CliRunner

from barmill.cli.ensembles import app
from barmill.ensembles import ENSEMBLES, INFERENCE
from barmill.errors import RecipeError


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_list_names_every_ensemble_and_all_that_stands_before_a_forecast() -> None:
    first, second = _run("list").split("\n\n")
    assert [line.split()[0] for line in first.splitlines()[2:]] == list(ENSEMBLES)
    assert [line.split()[0] for line in second.splitlines()[2:]] == list(INFERENCE)


def test_list_as_json_tells_the_same() -> None:
    told = json.loads(_run("list", "--json"))
    assert {one["name"]: one["method"] for one in told["ensembles"]} == {name: spec.method for name, spec in ENSEMBLES.items()}
    assert [one["name"] for one in told["inference"]] == list(INFERENCE)


@pytest.mark.parametrize("name", ENSEMBLES)
def test_every_ensemble_tells_what_its_parameters_mean_and_how_far_they_go(name: str) -> None:
    text = _run("show", name)
    for parameter in json.loads(_run("show", name, "--json"))["parameters"]:
        assert parameter["description"]
        assert parameter["range"] in text
        assert "inf, inf" not in parameter["range"]


def test_limits_of_the_charter_are_shown() -> None:
    assert "[0.1, 1e+06]" in _run("show", "ridge_stacking")
    assert "[1, 100]" in _run("show", "lightgbm_stacking")
    assert "`method: stacking, meta_learner: lightgbm_meta`" in _run("show", "lightgbm_stacking")


def test_a_name_that_is_none_brings_the_nearest() -> None:
    with pytest.raises(RecipeError, match="ridge_stacking"):
        CliRunner().invoke(app, ["show", "ridge_staking"], catch_exceptions=False)
