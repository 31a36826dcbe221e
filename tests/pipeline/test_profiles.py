"""Profiles: what a recipe carries along, laid over it when it is asked for."""

import pytest
from typer.testing import CliRunner

from barmill.cli.__main__ import app
from barmill.errors import RecipeError
from barmill.pipeline import read_recipe, recipe_file, recipe_from_text
from barmill.pipeline.recipe_reading import recipe_of

TEXT = """
labels: {horizon: 30, every: 2}
base_models:
  - {name: logistic, config: {C: 0.5}}
  - name: lightgbm
    alias: trees
    config: {n_estimators: 40, num_leaves: 7}
  - {name: xgboost}
profiles:
  small:
    labels: {every: 10}
    base_models:
      trees: {config: {n_estimators: 5}, outputs: [p_up]}
      logistic: null
  smaller:
    base_models:
      trees: {config: {num_leaves: 3}}
"""


def read(*profiles, overrides=(), text=TEXT):
    return recipe_from_text(text, "r.yaml", overrides, profiles)


def refused(text, *profiles):
    with pytest.raises(RecipeError) as error:
        read(*profiles, text=text)
    return str(error.value)


def test_a_recipe_is_itself_unless_a_profile_is_asked_for():
    plain = read()
    assert plain.profile is None
    assert plain.labels.every == 2
    assert plain == read(text=TEXT[: TEXT.index("profiles:")])  # what is not asked for leaves no trace, and so no other fingerprint


def test_a_profile_merges_and_models_go_by_name():
    recipe = read("small")
    assert (recipe.labels.horizon, recipe.labels.every) == (30, 10)
    assert [entry.label for entry in recipe.base_models] == ["trees", "xgboost"]
    trees = recipe.base_models[0]
    assert (trees.config["n_estimators"], trees.config["num_leaves"]) == (5, 7)
    assert trees.outputs == ("p_up",)


def test_the_resolved_recipe_says_what_was_changed_and_reads_back_as_itself():
    recipe = read("small")
    assert recipe.profile.names == ("small",)
    assert recipe.profile.changes == (
        "labels.every = 10",
        "trees.config.n_estimators = 5",
        'trees.outputs = ["p_up"]',
        "logistic taken out",
    )
    assert recipe_from_text(recipe.model_dump_json(), "again.json") == recipe


def test_profiles_are_laid_one_after_the_other_and_set_comes_last():
    recipe = read("small", "smaller", overrides=["labels.every=3"])
    assert recipe.profile.names == ("small", "smaller")
    assert recipe.base_models[0].config["num_leaves"] == 3
    assert recipe.labels.every == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("small:\n", "tiny:\n", "--profile small: r.yaml has no such profile. Did you mean 'smaller'?"),
        ("logistic: null", "logistik: null", "the recipe has no model 'logistik'. Did you mean 'logistic'?"),
        ("every: 10", "every: 0", "r.yaml:labels.every (line 11): 0 is out of range; expected a number at least 1."),
        ("n_estimators: 5", "n_estimator: 5", "r.yaml:base_models[0].config.n_estimator (line 13): unknown key 'n_estimator'"),
        ("{every: 10}", "{evry: 10}", "r.yaml:labels.evry (line 11): unknown key 'evry'. Did you mean 'every'?"),
        ("labels: {every: 10}", "name: other", "a profile cannot change `name`"),
    ],
)
def test_a_profile_that_will_not_do_is_told_with_its_own_line(old, new, message):
    assert message in refused(TEXT.replace(old, new, 1), "small")


def test_experts_go_by_name_too():
    profile = "profiles: {small: {experts: {entry: {config: {n_estimators: 6}}, risk: null}}}"
    experts = read("small", text=f"base_models: [{{name: logistic}}]\nexperts: [{{name: risk}}, {{name: entry}}]\n{profile}\n").experts
    assert [(expert.name, expert.config["n_estimators"]) for expert in experts] == [("entry", 6)]


@pytest.mark.parametrize("command", [["train"], ["tune"], ["prove"], ["explain", "split"], ["recipe", "check"]], ids=" ".join)
def test_every_command_that_reads_a_recipe_takes_its_profiles(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text(TEXT)
    with pytest.raises(RecipeError, match=r"--profile tiny: r.yaml has no such profile. There are small, smaller."):
        CliRunner().invoke(app, [*command, "r.yaml", "--profile", "tiny"], catch_exceptions=False)


def test_a_recipe_that_was_read_takes_no_profile():
    with pytest.raises(RecipeError, match=r"--profile small: the recipe was read already. Name the profile where it is read."):
        recipe_of(read(), (), ("small",))


def test_a_recipe_without_profiles_says_so():
    assert "has no such profile. Add `profiles:`" in refused("base_models:\n  - name: logistic\n", "cpu")


def test_config_6_reads_whole_small_and_without_foundation_models():
    whole = read_recipe(recipe_file("config-6"))
    assert [entry.name for entry in whole.base_models] == [
        "xgboost", "lightgbm", "lstm", "tcn", "inceptiontime", "resnet_1d", "patchtst", "itransformer", "tft", "deepar", "quantile_rnn",
        "nbeats", "nhits", "dlinear", "chronos", "timesfm", "logistic",
    ]  # fmt: skip
    small = read_recipe(recipe_file("config-6"), profiles=("cpu", "without-foundation"))
    assert len(small.base_models) == 15
    assert small.labels == whole.labels, "small models are judged at the labels of the large ones"
    assert {entry.config["seq_len"] for entry in small.base_models if "seq_len" in entry.config} == {32, 64}
