"""The recipes that come with Barmill: the charter's words stand in them, and each can be planned on its bars under each profile."""

import math

import pytest
import yaml

from barmill.errors import MissingDependency, RecipeError, SetupError
from barmill.pipeline import notes_on, plan_recipe, read_recipe, recipe_file
from barmill.pipeline.inputs import gather_inputs

STACKING = {"enabled": True, "method": "stacking", "meta_learner": "ridge"}
OOF = {"oof": {"n_folds": 5, "purge_bars": 60, "embargo_bars": 1440}}
CALIBRATED = {"calibrate": ["temperature_scaling"], "uncertainty": None}
NO_POLICY = {"enabled": False}
TABULAR, WINDOWS = {"view": "feature_matrix"}, {"view": "window_tensor"}
QUANTILES = ["q05", "q50", "q95"]


def on_windows(name, outputs, **config):
    return {"name": name, **WINDOWS, "outputs": outputs, **({"config": config} if config else {})}


LIGHTGBM = {"name": "lightgbm", **TABULAR, "outputs": ["p_up"]}
PATCHES = {"patch_length": 16, "d_model": 256, "causal": True}

CHARTER = {
    "config-1": {
        "base_models": [{**LIGHTGBM, "config": {"n_estimators": 500, "learning_rate": 0.05, "max_depth": 7}}],
        "ensemble": {"enabled": False},
        "inference": CALIBRATED,
        "policy": NO_POLICY,
    },
    "config-2": {
        "base_models": [
            {"name": "xgboost", **TABULAR, "outputs": ["p_up"], "config": {"n_estimators": 500, "max_depth": 6}},
            {**LIGHTGBM, "config": {"n_estimators": 500, "learning_rate": 0.05}},
        ],
        "ensemble": {**STACKING, **OOF},
        "inference": CALIBRATED,
        "policy": NO_POLICY,
    },
    "config-3": {
        "base_models": [
            LIGHTGBM,
            on_windows("tcn", ["E_r"], num_channels=[64, 128, 256], kernel_size=3, dropout=0.2, seq_len=60),
            on_windows("patchtst", ["p_up", "E_r"], **PATCHES, stride=8, context_length=512, n_heads=8),
        ],
        "ensemble": {**STACKING, **OOF},
        "inference": CALIBRATED,
        "policy": NO_POLICY,
    },
    "config-4": {
        "base_models": [
            on_windows("patchtst", QUANTILES, **PATCHES),
            on_windows("deepar", QUANTILES, hidden_size=128, num_layers=3),
            {**on_windows("timesfm", QUANTILES, model_id="google/timesfm-2.5-200m"), "zero_shot": True},
        ],
        "ensemble": {"enabled": True, "method": "voting", "voting_type": "soft"},
        "inference": {"calibrate": None, "uncertainty": {"method": "cqr", "coverage": 0.9, "holdout_fraction": 0.2}},
        "policy": NO_POLICY,
    },
    "config-5": {
        "base_models": [
            LIGHTGBM,
            on_windows("patchtst", ["E_r", *QUANTILES], **PATCHES),
            {**on_windows("chronos", ["p_up"]), "zero_shot": True},
        ],
        "ensemble": {
            **STACKING,
            "meta_learner": "lightgbm_meta",
            **OOF,
            "gating": {
                "enabled": True,
                "method": "hmm_regime",
                "regime_features": ["volatility_regime", "trend_regime", "structure_regime"],
            },
        },
        "inference": {
            "calibrate": ["isotonic", "temperature_scaling"],
            "uncertainty": {"method": "jackknife_plus", "coverage": 0.95},
        },
        "policy": {
            "enabled": True,
            "algorithm": "sac",
            "inputs": ["p_up", "E_r", *QUANTILES, "uncertainty", "regime_score"],
            "outputs": ["position_size", "entry_threshold", "exit_threshold"],
            "config": {"learning_rate": 0.0003, "gamma": 0.99, "tau": 0.005},
        },
    },
    "config-6": {
        "base_models": [
            {"name": "xgboost", **TABULAR, "outputs": ["p_up"]},
            LIGHTGBM,
            on_windows("lstm", ["p_up"], seq_len=60),
            on_windows("tcn", ["E_r"], seq_len=60),
            on_windows("inceptiontime", ["p_up"], seq_len=60),
            on_windows("resnet_1d", ["p_up"], seq_len=60),
            on_windows("patchtst", ["p_up", *QUANTILES]),
            on_windows("itransformer", ["p_up"]),
            on_windows("tft", ["p_up", *QUANTILES]),
            on_windows("deepar", QUANTILES),
            on_windows("quantile_rnn", QUANTILES),
            *(on_windows(name, ["E_r"]) for name in ("nbeats", "nhits", "dlinear")),
            {**on_windows("chronos", ["p_up"]), "zero_shot": True},
            {**on_windows("timesfm", QUANTILES), "zero_shot": True},
            {"name": "logistic", **TABULAR, "outputs": ["p_up"]},
        ],
        "ensemble": {"enabled": False},
        "inference": {"calibrate": ["temperature_scaling"]},
        "policy": NO_POLICY,
    },
}
FOUNDATION = {"config-4": ("timesfm",), "config-5": ("chronos",), "config-6": ("chronos", "timesfm")}
UNLEARNED = {"config-5": ("without-policy",)}  # what cannot run as written yet, and the profile that leaves it out


def profiles_of(name):
    """Every way to ask for a recipe: as written, then small; where it has foundation models, with them and without."""
    without = UNLEARNED.get(name, ())
    asked = [(), ("cpu",)]
    if name in FOUNDATION:
        asked += [(*sizes, "without-foundation") for sizes in asked]
    return [(*sizes, *without) for sizes in asked]


WAYS = [(name, profiles) for name in (*CHARTER, "orpflow") for profiles in profiles_of(name)]


@pytest.fixture
def beside_weights(tmp_path, monkeypatch):
    """Weights as far as a plan looks at them: the two files are there."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "weights"
    folder.mkdir()
    for file in ("config.json", "model.safetensors"):
        (folder / file).touch()
    return folder


@pytest.mark.parametrize("name", CHARTER)
def test_the_words_of_the_charter_stand_in_its_recipe(name):
    written = yaml.safe_load(recipe_file(name).read_text())
    assert {key: written[key] for key in CHARTER[name]} == CHARTER[name]


@pytest.mark.parametrize("name", [*CHARTER, "orpflow"])
def test_no_line_of_a_recipe_is_longer_than_our_code(name):
    assert max(len(line) for line in recipe_file(name).read_text().splitlines()) <= 140


@pytest.mark.parametrize(("name", "profiles"), WAYS, ids=lambda value: value if isinstance(value, str) else "+".join(value) or "whole")
def test_every_recipe_can_be_planned_on_its_bars(name, profiles, real_data, beside_weights, monkeypatch):
    monkeypatch.setenv("BARMILL_DATA", str(real_data))
    if not (real_data / read_recipe(recipe_file(name), profiles=profiles).bars).is_file():
        pytest.skip("the bars of this recipe are not here: set BARMILL_DATA")
    present = () if "without-foundation" in profiles else FOUNDATION.get(name, ())
    weights = [f"base_models.{model}.config.model_id={beside_weights}" for model in present]
    try:
        plan = plan_recipe(recipe_file(name), overrides=weights, profiles=profiles, out=beside_weights / "run")
    except MissingDependency as error:
        pytest.skip(str(error))
    stages = {planned.stage.name for planned in plan.to_do}
    assert {"features", "judgement", f"bundle {CHARTER[name]['base_models'][0]['name'] if name in CHARTER else 'lstm'}"} <= stages


@pytest.mark.parametrize("name", FOUNDATION)
def test_weights_that_are_nobodys_are_asked_for_before_any_work(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises((SetupError, MissingDependency), match=r"hf download|pip install"):
        plan_recipe(recipe_file(name), profiles=UNLEARNED.get(name, ()), out=tmp_path / "run")


def test_a_learned_policy_is_refused_with_what_to_set_instead():
    with pytest.raises(RecipeError, match=r"policy\.enabled \(line \d+\): learned policies .* Set policy\.enabled: false") as refused:
        read_recipe(recipe_file("config-5"))
    assert str(refused.value).count("config-5.yaml") == 1, "the policy alone is refused"
    assert read_recipe(recipe_file("config-5"), profiles=("without-policy",)).policy.algorithm == "sac"


def test_the_charters_tcn_is_told_to_see_half_of_its_window():
    (note,) = notes_on(read_recipe(recipe_file("config-3")))
    assert str(note).startswith("tcn: 3 levels of num_channels with kernel_size 3 see the last 29 of the window's 60 bars")
    assert notes_on(read_recipe(recipe_file("config-3"), profiles=("cpu",))) == ()


def test_the_charters_name_of_timesfm_is_told_to_mean_another():
    (note,) = notes_on(read_recipe(recipe_file("config-4")))
    assert str(note).startswith("timesfm: model_id google/timesfm-2.5-200m is read as google/timesfm-2.5-200m-transformers")


def test_orpflow_holds_the_runbooks_configuration(real_data):
    recipe = read_recipe(recipe_file("orpflow"))
    if not (real_data / recipe.bars).is_file():
        pytest.skip("the bars of this recipe are not here: set BARMILL_DATA")
    inputs = gather_inputs(recipe, real_data / recipe.bars, None, None)
    columns = {feature.name for feature in inputs.plan.features}
    assert {"return_1", "return_5", "return_15", "return_60", "realised_volatility_20", "realised_volatility_60"} <= columns
    assert {"taker_vpin_5_50", "taker_kyle_lambda_100", "taker_imbalance_20", "trade_intensity_60"} <= columns  # the exchange's columns
    trees, lstm = (dict(entry.config) for entry in recipe.base_models)
    assert (trees["num_leaves"], trees["learning_rate"], trees["n_estimators"], trees["early_stopping_rounds"]) == (31, 0.05, 1000, 50)
    assert (lstm["hidden_size"], lstm["num_layers"], lstm["dropout"], lstm["epochs"], lstm["batch_size"]) == (128, 2, 0.2, 100, 64)
    assert (recipe.labels.method, recipe.labels.horizon, recipe.hold_bars) == ("fixed_horizon", 5, 5)
    assert recipe.splits.purge == recipe.splits.embargo == math.ceil(0.01 * len(inputs.bars))
