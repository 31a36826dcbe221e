"""What a recipe may say of its tuning, and what is told when it errs."""

import sys

import pytest

from barmill.errors import MissingDependency, RecipeError, StorageError
from barmill.models.search import Search
from barmill.pipeline import recipe_schema
from barmill.pipeline.recipe_reading import recipe_from_text
from barmill.pipeline.requirements import require_libraries
from barmill.pipeline.tuning import TuneConfig
from barmill.pipeline.tuning.spaces import space_of, tuned_entries, tuned_entry

MODELS = "base_models: [{name: lightgbm, alias: trees}, {name: logistic}, {name: lstm}]\n"


def _recipe(tune: str):
    return recipe_from_text(f"{MODELS}tune: {tune}", "mine.yaml")


def test_without_more_each_model_is_searched_where_it_says_itself():
    recipe = _recipe("{}")
    assert [entry.label for entry in tuned_entries(recipe)] == ["trees", "logistic", "lstm"]
    trees = space_of(recipe.base_models[0], recipe.tune)
    assert trees["num_leaves"] == Search(8, 256, log=True)
    assert "n_estimators" not in trees  # early stopping finds it
    assert space_of(recipe.base_models[2], recipe.tune)["hidden_size"].choices == (32, 64, 128, 256)


def test_a_recipe_lays_its_ranges_over_those_of_the_model():
    ranges = "num_leaves: {low: 4, high: 32, step: 4}, reg_alpha: null, return_loss: {choices: [huber, l2]}, max_depth: {low: 2, high: 9}"
    recipe = _recipe(f"{{models: [trees], search: {{trees: {{{ranges}}}}}}}")
    space = space_of(recipe.base_models[0], recipe.tune)
    assert [entry.label for entry in tuned_entries(recipe)] == ["trees"]
    assert space["num_leaves"] == Search(4, 32, step=4)
    assert all(isinstance(value, int) for value in (space["num_leaves"].low, space["num_leaves"].high, space["max_depth"].low))
    assert space["return_loss"].choices == ("huber", "l2")
    assert "reg_alpha" not in space
    assert space["learning_rate"] == Search(0.01, 0.3, log=True)


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ("{trails: 3}", r"tune.trails \(line 2\): unknown key 'trails'. Did you mean 'trials'\?"),
        ("{metric: logloss}", r"tune.metric \(line 2\): no 'logloss'.* Did you mean 'log_loss'\?"),
        ("{trials: 0}", "tune.trials .*0 is out of range; expected a number at least 1"),
        ("{models: [tree]}", r"tune.models\[0\] .*no model 'tree' in this recipe. Did you mean 'trees'\?"),
        ("{search: {tres: {}}}", r"tune.search.tres .*no model 'tres' in this recipe. Did you mean 'trees'\?"),
        ("{search: {trees: {num_leafs: {low: 2, high: 9}}}}", r"lightgbm has no parameter 'num_leafs'. Did you mean 'num_leaves'\?"),
        ("{search: {trees: {num_leaves: {lwo: 2, high: 9}}}}", r"unknown key 'lwo'. Did you mean 'low'\?"),
        ("{search: {trees: {num_leaves: {low: 1, high: 9}}}}", r"num_leaves .*1 is not a value of num_leaves; expected \[2, 4096\]"),
        ("{search: {trees: {num_leaves: {low: 2.5, high: 9}}}}", "num_leaves is a whole number; expected a range of whole numbers"),
        ("{search: {trees: {num_leaves: {low: 9, high: 9}}}}", "low 9 is not below high 9"),
        ("{search: {trees: {reg_alpha: {low: 0, high: 9, log: true}}}}", "low is 0; a logarithm needs it above 0"),
        ("{search: {trees: {num_leaves: {low: 2, high: 9, step: 2, log: true}}}}", "log and step exclude each other"),
        ("{search: {trees: {num_leaves: {high: 9}}}}", "a range needs low and high"),
        ("{search: {trees: {num_leaves: {low: 2, high: 9, choices: [3]}}}}", "give a range or choices, not both"),
        ("{search: {trees: {return_loss: {choices: [huber, l3]}}}}", "l3 is not a value of return_loss; expected huber, l2"),
        ("{search: {trees: {return_loss: {low: 1, high: 2}}}}", "return_loss is no number; expected choices, out of huber, l2"),
        ("{search: {lstm: {seq_len: {low: 10, high: 60}}}}", "seq_len cannot be tuned: it decides which bars have a label"),
        ("{models: [logistic], search: {logistic: {C: null}}}", "no model of this recipe has anything to tune"),
    ],
)
def test_what_will_not_do_is_refused_when_the_recipe_is_read(tune, said):
    with pytest.raises(RecipeError, match=said):
        _recipe(tune)


def test_what_was_found_is_laid_over_the_models_own_parameters():
    trees = _recipe("{}").base_models[0]
    assert tuned_entry(trees, {"num_leaves": 9}).config == {**trees.config, "num_leaves": 9}


def test_a_split_of_a_cross_validation_tries_a_third_of_the_settings_unless_told():
    assert TuneConfig(trials=30).fold_trials == 10
    assert TuneConfig(trials=2).fold_trials == 1
    assert TuneConfig(trials_in_folds=4).fold_trials == 4


def test_where_trials_are_kept_does_not_travel():
    assert TuneConfig(storage="postgresql://me:secret@host/db").portable()["storage"] is None


def test_the_schema_knows_the_key():
    assert "tune" in recipe_schema()["properties"]


def test_without_optuna_the_recipe_is_refused_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingDependency, match=r'pip install "barmill\[tune\]"'):
        require_libraries(_recipe("{models: [logistic]}"))
    require_libraries(recipe_from_text(MODELS, "mine.yaml"))


def test_a_database_that_cannot_be_reached_is_told_before_any_work_and_without_its_password(tmp_path):
    with pytest.raises(StorageError, match="cannot be used: unable to open database file"):
        require_libraries(_recipe(f"{{storage: 'sqlite:///{tmp_path}/no/such/folder/x.db'}}"))
    with pytest.raises((StorageError, MissingDependency)) as caught:
        require_libraries(_recipe("{storage: 'nosuchdb://me:secret@host/db'}"))
    assert "secret" not in str(caught.value)
