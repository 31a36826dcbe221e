"""Every run looks for leaks before it trains: a critical finding stops it, unless the recipe says why it is none."""

import json

import numpy as np
import polars as pl
import pytest

import barmill as bm
from barmill.errors import LeakageError, RecipeError
from barmill.evaluation import LEAKAGE_CHECKS
from barmill.pipeline import Silence, read_recipe, recipe_from_text
from barmill.pipeline.cross_validation import cross_validate_models, cross_validation_section
from barmill.pipeline.inputs import gather_inputs
from barmill.pipeline.leakage import check_leakage, leakage_section
from barmill.pipeline.plan import stages_of
from barmill.pipeline.prepare import prepare
from barmill.pipeline.workspace import Workspace

pytestmark = pytest.mark.xdist_group("runs that look ahead")  # one process, which is stopped once

AHEAD = 30
RECIPE = """
name: leaking
series:
  - {file: other.parquet, columns: {reference_close: close}, known: close, timeframe: 1m}
features: {timeframes: [1m], add: [reference_return_15]}
labels: {horizon: 30, atr_window: 30, every: 2}
splits: {embargo: 60}
ALLOW
base_models: [{name: logistic, outputs: [p_up]}]
random_signals: 20
"""


def bars_of():
    return bm.simulate(9_000, seed=11, strength=0.5).bars


def recipe_in(folder, *, ahead, allow=""):
    """A recipe whose second series is stamped `ahead` bars too early."""
    bars = bars_of()
    close = np.concatenate([bars.close[ahead:], np.full(ahead, bars.close[-1])])
    pl.DataFrame({"open_time": bars.open_time, "close": close}).write_parquet(folder / "other.parquet")
    path = folder / "leaking.yaml"
    path.write_text(RECIPE.replace("ALLOW", allow))
    return path


def prepared(recipe, bars, folder):
    """The inputs, the stages and the workspace of a run that has cut its blocks, and nothing else."""
    inputs = gather_inputs(recipe, bars, None, folder)
    stages, workspace = stages_of(inputs), Workspace(folder / "run")
    prepare(inputs, stages, workspace, Silence())
    return inputs, stages, workspace


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The folder of a run that was stopped, and what stopped it."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(LeakageError, match=r"leakage L2\d\d: reference_return_15: ") as caught:
        bm.train(recipe_in(folder, ahead=AHEAD), bars=bars_of(), out=folder / "run")
    return folder / "run", caught.value


def test_a_series_that_is_stamped_too_early_stops_the_run_before_anything_is_trained(stopped):
    folder, error = stopped
    assert not (folder / "models").exists()
    assert not (folder / "bundle").exists()
    found = json.loads(next(folder.glob("data/leakage-*/leakage.json")).read_bytes())
    critical = [finding for finding in found["findings"] if finding["severity"] == "critical"]
    assert {finding["column"] for finding in critical} == {"reference_return_15"}
    for finding in critical:
        assert finding["bar"] is not None
        assert finding["time"] is not None
        assert finding["code"] in str(error)
    assert "leakage.allow" in str(error)


def test_the_same_series_stamped_rightly_passes(tmp_path):
    given = prepared(read_recipe(recipe_in(tmp_path, ahead=0)), bars_of(), tmp_path)
    check_leakage(*given, Silence())  # stops no run
    told = leakage_section(*given)
    assert told["ok"]
    assert told["allowed"] == []
    assert [check["code"] for check in told["checks"]] == [check.code for check in LEAKAGE_CHECKS]
    assert {check["status"] for check in told["checks"]} == {"passed", "not applicable"}


def test_a_finding_that_is_allowed_is_told_with_its_reason_in_the_report_and_in_the_bundle(stopped, tmp_path):
    _, error = stopped
    codes = sorted({str(problem.place).split()[-1] for problem in error.problems or (error,)})
    reason = "a test of what is allowed, with an eye on the future"
    allow = "leakage: {allow: [" + ", ".join(f"{{code: {code}, reason: {reason!r}}}" for code in codes) + "]}"
    run = bm.train(recipe_in(tmp_path, ahead=AHEAD, allow=allow), bars=bars_of(), out=tmp_path / "run")
    assert run.judgement["leakage"]["allowed"] == [{"code": code, "reason": reason, "found": True} for code in codes]
    assert not run.judgement["leakage"]["ok"]
    assert reason in run.report.read_text()
    assert reason in json.dumps(run.bundle.part("recipe"))


DEALT = """
name: dealt
features: {timeframes: [1m]}
labels: {horizon: 30, atr_window: 30, every: 3, SHUFFLE}
splits: {embargo: 60}
cross_validation: {method: cpcv, n_groups: 4, n_test_groups: 2}
base_models: [{name: logistic, outputs: [p_up], config: {C: 0.01}}]
random_signals: 20
"""


def median_auc(section):
    return section["models"][0]["distribution"]["auc"]["p50"]


def test_a_run_on_shuffled_labels_comes_out_as_chance(tmp_path):
    """The market has an edge, which the paths of the same recipe find in the labels as they are."""
    as_they_are, dealt = (recipe_from_text(DEALT.replace("SHUFFLE", shuffle), "dealt.yaml") for shuffle in ("", "shuffle: 1"))
    bars = bm.simulate(9_000, seed=11, strength=3.0).bars
    inputs, stages, workspace = prepared(as_they_are, bars, tmp_path)
    cross_validate_models(inputs, stages, workspace, 2, Silence())
    found = median_auc(cross_validation_section(stages, workspace))
    run = bm.train(dealt, bars=bars, out=tmp_path / "dealt")
    chance = median_auc(run.judgement["cross_validation"])
    assert found > 0.6
    assert 0.47 < chance < 0.53
    assert not run.judgement["overfitting"]["models"][0]["promoted"]
    low, high = run.judgement["models"][0]["classification"]["auc_interval"]
    assert low < 0.5 < high
    assert "dealt out at random" in run.report.read_text()


@pytest.mark.parametrize(
    ("allow", "told"),
    [
        ("{code: L299, reason: there is no such check}", "there is no leakage check 'L299'"),
        ("{code: L201, reason: why}", "leakage.allow"),
        ("{code: L201}", "the key 'reason' is missing"),
    ],
)
def test_what_is_allowed_needs_a_code_that_exists_and_a_reason(allow, told):
    with pytest.raises(RecipeError, match=told):
        recipe_from_text(f"leakage: {{allow: [{allow}]}}\nbase_models: [{{name: logistic}}]\n", "allowed.yaml")
