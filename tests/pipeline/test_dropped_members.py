"""`on_failure: drop`: a run goes on without members that fail or do not go together, says so everywhere, and tries them again."""

import json
import os
from pathlib import Path

import pytest

import barmill as bm
from barmill.errors import RecipeError, TrainingError
from barmill.pipeline.ensembles.dropping import degradations
from barmill.pipeline.ensembles.losing import Loss, Spared, spared_folds, spared_models, without
from barmill.pipeline.executor import Failure
from barmill.pipeline.inputs import gather_inputs
from barmill.pipeline.model_stages import recipe_fingerprint
from barmill.pipeline.plan import stages_of
from barmill.pipeline.recipe_reading import recipe_from_text

pytestmark = pytest.mark.xdist_group("runs with dropped members")  # one process, which makes the runs once

MODELS = """
features: {timeframes: [1m]}
labels: {horizon: 10, atr_window: 14, every: 2}
splits: {purge: 10, embargo: 20}
random_signals: 20
cross_validation: {method: purged_kfold, n_splits: 2, purge: 10, embargo: 20}
base_models:
"""
LABELS = ("first", "second", "killed", "raises")
OOF = "oof: {n_folds: 2, purge_bars: 10, embargo_bars: 10}"
WEIGHTS = "{first: 0.1, second: 0.3, killed: 0.4, raises: 0.2}"

# Every worker imports this before anything else: it ends at the stages that PLANTED names as it says there.
PLANTED = """
import json, os, signal
planted = json.loads(os.environ.get("PLANTED", "{}"))
if planted:
    from barmill.pipeline.worker import Teller
    started = Teller.started
    def begin(self, stage):
        started(self, stage)
        match planted.get(stage):
            case "raise": raise RuntimeError("the planted matrix is singular")
            case "kill": os.kill(os.getpid(), signal.SIGKILL)
    Teller.started = begin
"""


def text(labels=LABELS, further=""):
    models = "".join(
        f"  - {{name: logistic, alias: {label}, outputs: [p_up], config: {{C: 0.{n + 1}}}}}\n" for n, label in enumerate(labels)
    )
    return (
        f"{MODELS}{models}ensemble: {{enabled: true, method: voting, config: {{weights: {WEIGHTS}}}, on_failure: drop, {OOF}}}\n{further}"
    )


@pytest.fixture(scope="module")
def train(tmp_path_factory, cache_in):
    folder, bars = tmp_path_factory.mktemp("dropped"), bm.simulate(4_000, seed=5, strength=2.5).bars
    (folder / "sitecustomize.py").write_text(PLANTED)
    (folder / "four.yaml").write_text(text())

    def train(planted):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
            patch.setenv("BARMILL_CACHE", cache_in(folder))
            patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))
            patch.setenv("PLANTED", json.dumps(planted))
            return bm.train(folder / "four.yaml", bars=bars, out=folder / "run")

    return train


@pytest.fixture(scope="module")
def degraded(train):
    """Judgement, report and bundle as they stood before the run went on."""
    run = train({"fit killed": "kill", "split 1 out of fold raises 1": "raise"})
    return run.judgement, run.report.read_text(), bm.Bundle.load(run.bundle_paths["soft_voting"])


def test_every_member_that_failed_is_recorded_with_its_stage_reason_and_log(degraded):
    singular = "its process ended with code 1: RuntimeError: the planted matrix is singular"
    found = [(one["member"], one["stage"], one["reason"], one["log"]) for one in degraded[0]["degradations"]]
    assert found == [
        ("killed", "fit killed", "its process was ended by SIGKILL", "logs/killed.log"),
        ("raises", "split 1 out of fold raises 1", singular, "logs/cross-validation.log"),
    ]
    assert all((one["what"], one["ensembles"]) == ("failed", ["soft_voting"]) for one in degraded[0]["degradations"])


def test_the_ensemble_is_fitted_published_and_judged_on_those_that_are_left_with_their_weights_made_whole(degraded):
    judgement, _, bundle = degraded
    names = [model["name"] for model in judgement["models"]]
    assert names == ["first", "second", "raises", "soft_voting"]  # one that failed out of fold is judged alone
    assert [model["name"] for model in judgement["cross_validation"]["models"]] == names
    voting = judgement["models"][-1]
    assert voting["members"] == ["first", "second"]
    assert voting["fit"]["weights"] == pytest.approx({"first": 0.25, "second": 0.75})
    assert "**Degraded**: it goes without 'killed', which failed; 'raises', which failed." in bundle.model_card
    metrics = json.loads((bundle.folder / "metrics.json").read_text())
    assert [one["member"] for one in metrics["dropped"]] == ["killed", "raises"]


def test_the_report_says_it_at_its_head(degraded):
    page = degraded[1]
    head = page[page.index('<h1 id="title">') : page.index('class="headline"')]
    assert "soft_voting: without raises, which failed at “split 1 out of fold raises 1”" in head
    assert "What it said is in logs/killed.log. The same command tries it again." in head


def test_the_same_command_tries_failed_members_again_and_is_then_as_if_nothing_had_failed(train, degraded):
    judgement = train({}).judgement
    assert judgement["degradations"] == []
    assert [model["name"] for model in judgement["models"]] == [*LABELS, "soft_voting"]
    assert judgement["models"][-1]["members"] == list(LABELS)


def inputs_of(further=""):
    recipe = recipe_from_text(text(further=further), "four.yaml")
    return gather_inputs(recipe, bm.simulate(4_000, seed=5).bars, None, None)


def lost(label, at, cut=None):
    failure = Failure(at, TrainingError(at, "its process was ended by SIGKILL"), Path("run/logs/a.log").absolute())
    return Loss(Spared(label, cut), failure)


def test_fewer_than_two_that_are_left_are_an_error_that_names_all_that_failed():
    gone = [lost(label, f"fit {label}") for label in LABELS[1:]]
    with pytest.raises(TrainingError) as error:
        without(inputs_of(), gone, Path("run"))
    assert str(error.value).startswith(
        "ensemble 'soft_voting': its members are first: 'second' failed at 'fit second' (its process was ended"
    )
    assert "What they said is in logs/a.log, in the run folder. The same command tries them again." in str(error.value)


def test_a_loss_leaves_the_keys_of_all_that_does_not_depend_on_it():
    inputs = inputs_of()
    left = without(inputs, [lost("raises", "split 1 raises")], Path("run"))
    before, after = stages_of(inputs), stages_of(left)
    assert after.models == {label: stages for label, stages in before.models.items() if label != "raises"}
    assert after.shared == before.shared
    assert after.ensembles["soft_voting"].fit.key != before.ensembles["soft_voting"].fit.key
    assert recipe_fingerprint(left) == recipe_fingerprint(inputs)


def test_a_model_may_fail_only_where_every_ensemble_that_it_is_in_says_so():
    other = "ensembles:\n  - {name: pair, members: [first, second], oof: {n_folds: 3}}\n"
    inputs = inputs_of(other)
    stages = stages_of(inputs)
    spared = spared_models(inputs.recipe, {label: [f"fit {label}"] for label in stages.models})
    assert set(spared) == {"fit killed", "fit raises"}
    for name, cut in stages.out_of_fold.items():
        found = {one.label for one in spared_folds(inputs.recipe, name, cut.folds).values()}
        assert found == (set() if cut.oof.n_folds == 3 else set(LABELS))


TOGETHER = """
base_models:
  - {name: logistic, alias: a, outputs: [p_up]}
  - {name: logistic, alias: b, outputs: [p_up]}
  - {name: ridge, alias: c, outputs: [E_r]}
"""


def test_members_of_a_vote_that_share_no_output_are_dropped_when_the_recipe_is_read():
    given = "ensemble: {enabled: true, method: voting, on_failure: drop, config: {weights: {a: 0.2, b: 0.2, c: 0.6}}}\n"
    recipe = recipe_from_text(TOGETHER + given, "r.yaml")
    assert recipe.ensemble.members == ("a", "b")
    assert recipe.ensemble.config["weights"] == {"a": 0.5, "b": 0.5}
    assert degradations(recipe) == [
        {
            "member": "c",
            "what": "incompatible",
            "stage": "recipe",
            "reason": "has E_r, and not p_up, which most members have",
            "log": None,
            "ensembles": ["soft_voting"],
        }
    ]
    again = recipe_from_text(json.dumps(recipe.model_dump(mode="json")), "r.yaml")
    assert again == recipe


@pytest.mark.parametrize(
    ("ensemble", "message"),
    [
        ("{enabled: true, method: voting}", "the members share no output (a: p_up; b: p_up; c: E_r)"),
        ("{enabled: true, method: voting, members: [a, c], on_failure: drop}", "too few members go together: 'c' has E_r, and not p_up"),
        ("{enabled: true, method: voting, on_failure: drop, config: {weights: {a: 0.5, b: 0.4, c: 0.6}}}", "the weights sum to 1.5"),
        (
            "{enabled: true, method: fusion, members: [b, c], on_failure: drop}",
            "'c' has E_r, and not p_up, which fusion asks of every member",
        ),
    ],
)
def test_members_that_do_not_go_together_are_refused_where_too_few_are_left_or_drop_is_not_asked(ensemble, message):
    with pytest.raises(RecipeError) as error:
        recipe_from_text(TOGETHER + f"ensemble: {ensemble}\n", "r.yaml")
    assert message in str(error.value)
