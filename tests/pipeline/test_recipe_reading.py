from pathlib import Path

import jsonschema
import pytest

from barmill.errors import RecipeError
from barmill.models.catalogue import MODELS
from barmill.pipeline import read_recipe, recipe_file, recipe_from_text, recipe_schema

LEAST = "base_models:\n  - name: logistic\n"


def refused(text: str, *overrides: str) -> str:
    with pytest.raises(RecipeError) as error:
        recipe_from_text(text, "r.yaml", overrides)
    return str(error.value)


def test_the_least_recipe_is_completed_with_every_default():
    recipe = recipe_from_text(LEAST, "r.yaml")
    assert recipe.labels.horizon == 60
    assert recipe.splits.embargo == 1440
    assert recipe.base_models[0].view == "feature_matrix"
    assert recipe.base_models[0].outputs == ("p_up", "q05", "q50", "q95")
    assert dict(recipe.base_models[0].config) == MODELS["logistic"].params().model_dump(mode="json")


def test_a_completed_recipe_reads_back_as_itself():
    recipe = read_recipe(recipe_file("quickstart"))
    assert recipe_from_text(recipe.model_dump_json(), "again.json") == recipe


@pytest.mark.parametrize("name", ["quickstart", "crypto-1m", "config-1"])
def test_recipes_that_come_with_barmill_can_run(name):
    assert read_recipe(recipe_file(name)).base_models


def test_config_2_reads_with_its_stacking_completed():
    recipe = read_recipe(recipe_file("config-2"))
    (stacking,) = recipe.combined
    assert (stacking.label, stacking.config, stacking.oof.n_folds) == ("ridge_stacking", {"alpha": 1.0}, 5)
    assert [entry.label for entry in recipe.members(stacking)] == ["xgboost", "lightgbm"]
    assert list(recipe.validation_shares) == ["early_stopping", "calibration", "ensemble", "selection"]
    alone = read_recipe(recipe_file("config-2"), ["ensemble.enabled=false"])
    assert alone.combined == ()
    assert list(alone.validation_shares) == ["early_stopping", "calibration", "selection"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "r.yaml: this holds no recipe; expected keys such as base_models and labels. Start from recipes/quickstart.yaml."),
        ("symbol: ES\n", "r.yaml: the key 'base_models' is missing. Add it."),
        ("base_models:\n  - name: lightgmb\n", "r.yaml:base_models[0].name (line 2): no model named 'lightgmb'. Did you mean 'lightgbm'?"),
        (LEAST + "labells: {}\n", "r.yaml:labells (line 3): unknown key 'labells'. Did you mean 'labels'?"),
        (LEAST + "labels:\n  horizonn: 5\n", "r.yaml:labels.horizonn (line 4): unknown key 'horizonn'. Did you mean 'horizon'?"),
        (LEAST + "labels: {horizon: 0}\n", "r.yaml:labels.horizon (line 3): 0 is out of range; expected a number at least 1."),
        (LEAST + 'labels: {horizon: "60"}\n', 'r.yaml:labels.horizon (line 3): "60" is a word; expected a whole number.'),
        (LEAST + "labels: {horizon: 1.5}\n", "r.yaml:labels.horizon (line 3): 1.5 is a number; expected a whole number."),
        (LEAST + "bars: [a, 5]\n", "r.yaml:bars[1] (line 3): 5 is a whole number; expected a word."),
        (LEAST + "bars: []\n", "r.yaml:bars (line 3): [] will not do: tuple should have at least 1 item after validation, not 0."),
        (
            LEAST + "resample: 15x\n",
            "r.yaml:resample (line 3): '15x': there is no unit 'x'; expected a number and a unit, such as 1m, 5m, 1h or 1d.",
        ),
        (LEAST + "seed: yes\n", 'r.yaml:seed (line 3): "yes" is a word; expected a whole number.'),
        (
            LEAST + "labels: {method: tripple_barrier}\n",
            "r.yaml:labels.method (line 3): no 'tripple_barrier'; expected 'triple_barrier' or 'fixed_horizon'. "
            "Did you mean 'triple_barrier'?",
        ),
        (
            "base_models:\n  - name: lightgbm\n    config:\n      n_estimators: -5\n",
            "r.yaml:base_models[0].config.n_estimators (line 4): -5 is out of range; expected a number at least 1.",
        ),
        (
            "base_models:\n  - name: lightgbm\n    config: {learning_rte: 0.1}\n",
            "r.yaml:base_models[0].config.learning_rte (line 3): unknown key 'learning_rte'. Did you mean 'learning_rate'?",
        ),
        (
            "base_models:\n  - {name: lightgbm, view: window_tensor}\n",
            "r.yaml:base_models[0].view (line 2): 'window_tensor'; expected 'feature_matrix', the view of lightgbm.",
        ),
        (
            "base_models:\n  - {name: logistic, outputs: [p_up, E_r]}\n",
            "r.yaml:base_models[0].outputs (line 2): logistic has no output 'E_r'; expected some of p_up, q05, q50, q95.",
        ),
        (
            "base_models: [{name: logistic}, {name: logistic}]\n",
            "r.yaml:base_models (line 1): 'logistic' stands 2 times; give each an `alias` of its own.",
        ),
        (
            LEAST + "validation: {early_stopping: 0.5, calibration: 0.5, selection: 0.5}\n",
            "r.yaml:validation (line 3): the shares of early_stopping, calibration, selection add up to 1.5; make them add up to 1.",
        ),
        (
            LEAST + "policy: {enabled: true, algorithm: sac}\n",
            "r.yaml:policy.enabled (line 3): learned policies come with a later version. "
            "Set policy.enabled: false; the threshold rule of `rule:` is judged instead.",
        ),
    ],
)
def test_a_bad_recipe_is_refused_with_place_finding_and_mend(text, message):
    assert refused(text) == message


def test_all_problems_are_told_at_once():
    told = refused("base_models: []\nlabels: {horizon: 0}\nfoo: 1\n")
    assert len(told.splitlines()) == 3


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path):
    (tmp_path / "crypto.yaml").write_text(LEAST)
    with pytest.raises(RecipeError, match=r"there is no such file. Did you mean 'crypto.yaml'\?"):
        read_recipe(tmp_path / "cripto.yaml")


def test_the_file_names_the_run(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text(LEAST)
    assert read_recipe(tmp_path / "mine.yaml").name == "mine"


@pytest.mark.parametrize(
    ("override", "reach", "value"),
    [
        ("labels.horizon=30", lambda r: r.labels.horizon, 30),
        ("base_models[0].config.C=0.5", lambda r: r.base_models[0].config["C"], 0.5),
        ("base_models.logistic.config.C=0.5", lambda r: r.base_models[0].config["C"], 0.5),
        ("features.timeframes=[1m, 5m]", lambda r: r.features.timeframes, ("1m", "5m")),
        ("inference.calibrate=null", lambda r: r.inference.calibrate, None),
    ],
)
def test_overrides_reach_any_key(override, reach, value):
    assert reach(recipe_from_text(LEAST, "r.yaml", [override])) == value


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("labels.horizon", "--set labels.horizon: not of the form key=value. Write for example --set labels.horizon=30."),
        ("base_models[3].name=lstm", "--set base_models[3].name=lstm: the recipe has no 'base_models[3].name'. Look at the recipe's keys."),
        (
            "base_models.logistics.config.C=1",
            "--set base_models.logistics.config.C=1: the recipe has no model 'logistics'. Did you mean 'logistic'?",
        ),
        ("labels.horizonn=3", "r.yaml:labels.horizonn: unknown key 'horizonn'. Did you mean 'horizon'?"),
    ],
)
def test_a_bad_override_is_refused(override, message):
    assert refused(LEAST, override) == message


def test_the_schema_takes_our_recipes_and_refuses_bad_parameters():
    import yaml

    schema = recipe_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in ("quickstart", "crypto-1m", "config-1", "config-2"):
        jsonschema.validate(yaml.safe_load(recipe_file(name).read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"base_models": [{"name": "lightgbm", "config": {"n_estimators": -5}}]}, schema)
