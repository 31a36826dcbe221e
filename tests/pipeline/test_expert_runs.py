"""Runs with experts: labelled where the run decides, cut at its times, judged by their bundles, and killed without a trace."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss, mean_pinball_loss, roc_auc_score

import barmill as bm
from barmill.bundles import Bundle
from barmill.errors import ProvenanceError, RecipeError, SplitError
from barmill.labels import back_label, decision_bars
from barmill.market import Timeframe
from barmill.models.pattern.detectors import PATTERNS, detect_patterns
from barmill.pipeline.dataset import load_labels, load_positions
from barmill.pipeline.experts.answers import Answers
from barmill.pipeline.experts.cutting import cut_answers
from barmill.pipeline.experts.data import ExpertData
from barmill.pipeline.experts.labelling import answers_of
from barmill.pipeline.facts import blocks_in
from barmill.pipeline.inputs import gather_inputs
from barmill.pipeline.plan import stages_of
from barmill.pipeline.prepare import dataset_of
from barmill.pipeline.recipe_reading import read_recipe, recipe_from_text
from barmill.pipeline.workspace import Workspace
from barmill.views.pattern_image import FIRST_END

pytestmark = pytest.mark.xdist_group("a run with experts")  # one process, which makes the run once

WITHOUT = """
name: small
bars: {simulate: {n_bars: 6000, seed: 3, strength: 2.0}}
features: {timeframes: [1m], add: [traded_value_60]}
labels: {horizon: 20, atr_window: 30, every: 4}
splits: {purge: 20, embargo: 60}
base_models:
  - {name: logistic}
random_signals: 20
"""
RECIPE = (
    WITHOUT
    + """
outcomes: {stop_atr: 3.0, horizon: 45, atr_window: 30, fill_bars: 5, offsets_atr: [-0.5, 0.0, 0.5]}
experts:
  - {name: entry, config: {n_estimators: 12, num_leaves: 7, liquidity: traded_value_60, min_cluster_rows: 100}}
  - {name: risk, inputs: [realised_volatility_60, rsi_14], config: {n_estimators: 12, num_leaves: 7}}
  - {name: reward, config: {n_estimators: 12, num_leaves: 7}}
  - {name: entry_offset, alias: offset, config: {n_estimators: 12, num_leaves: 7}}
  - {name: pattern_cnn, config: {channels: [2, 2, 2], hidden_size: 8, epochs: 1, batch_size: 128}}
"""
)
LABELS = ["entry", "risk", "reward", "offset", "pattern_cnn"]
OWN = ["fit", "calibrate", "bundle", "forecast", "judge"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("recipe") / "small.yaml"
    file.write_text(RECIPE)
    return file


@pytest.fixture(scope="module")
def run(recipe, tmp_path_factory, cache_in):
    folder = tmp_path_factory.mktemp("experts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(folder))
        yield bm.train(recipe, out=folder / "run")


@pytest.fixture(scope="module")
def inputs(recipe):
    return gather_inputs(read_recipe(recipe), None, None, None)


@pytest.fixture(scope="module")
def judged(run):
    return {one["name"]: one for one in run.judgement["experts"]}


def data_of(run, inputs, label: str) -> ExpertData:
    stages, workspace = stages_of(inputs), Workspace(run.folder)
    entry = next(one for one in inputs.recipe.experts if one.label == label)
    return ExpertData(dataset_of(inputs, stages, workspace), workspace.path(stages.experts[label].answers), entry)


def forecasts_of(run, label: str) -> pl.DataFrame:
    return pl.read_parquet(next((run.folder / "metrics").glob(f"forecasts-{label}-*/forecasts.parquet")))


def said_of(run, data: ExpertData) -> pl.DataFrame:
    """The forecasts at the decisions of the test block, looked up by time."""
    asked = pl.DataFrame({"open_time": data.bars.open_time[data.rows("test")]})
    return asked.join(forecasts_of(run, data.entry.label), on="open_time", how="left", maintain_order="left")


def test_experts_have_stages_of_their_own_and_change_none_of_the_models(inputs):
    with_experts, without = stages_of(inputs), stages_of(gather_inputs(recipe_from_text(WITHOUT, "small.yaml"), None, None, None))
    assert set(without.questions) == set(without.experts) == set()
    names = [stage.name for stage in with_experts.all]
    added = ["outcomes", "patterns", *(f"{step} {label}" for label in LABELS for step in OWN)]
    assert [name for name in names if name not in [stage.name for stage in without.all]] == added
    for stage in ("bars", "features", "labels", "splits", "scaled", "leakage"):
        assert getattr(with_experts, stage) == getattr(without, stage)
    assert with_experts.models["logistic"].fit == without.models["logistic"].fit
    assert with_experts.models["logistic"].calibrate == without.models["logistic"].calibrate


def test_every_expert_is_asked_where_the_run_decides_and_every_model_is_ready(run, inputs):
    bars, recipe = inputs.bars, inputs.recipe
    assert recipe.outcomes.every == recipe.labels.every == 4
    features = Workspace(run.folder).path(stages_of(inputs).features)
    ready = inputs.ready(np.load(features / "ready.npy")) & decision_bars(bars, 4)
    outcomes, patterns = (answers_of(question, inputs, features) for question in ("outcomes", "patterns"))
    found = back_label(bars, recipe.outcomes, ready)
    np.testing.assert_array_equal(outcomes.t0, found.t0)
    np.testing.assert_array_equal(outcomes.t1, found.t0 + 45)
    np.testing.assert_array_equal(outcomes.targets["realised_R"], found.outcomes.realised_R)
    assert ready[patterns.t0].all()
    np.testing.assert_array_equal(patterns.t0, np.flatnonzero(ready & (np.arange(len(bars)) >= FIRST_END)))
    np.testing.assert_array_equal(patterns.y, detect_patterns(bars, recipe.patterns).pattern[patterns.t0])
    np.testing.assert_array_equal(patterns.t1, patterns.t0)


@pytest.mark.parametrize("label", ["entry", "pattern_cnn"])
def test_blocks_begin_where_the_runs_do_and_no_answer_reaches_the_next(run, inputs, label):
    data, embargo = data_of(run, inputs, label), 60
    stages, workspace = stages_of(inputs), Workspace(run.folder)
    own = load_labels(workspace.path(stages.labels)).t0
    blocks = load_positions(workspace.path(stages.splits))
    answers = data.answers
    names = blocks_in(blocks)
    for name, following in zip(names, (*names[1:], None), strict=True):
        rows = data.positions[name]
        start = int(own[blocks[name][0]])
        assert answers.t0[rows[0]] == start
        if following is not None:
            gap = embargo if name in ("train", "selection") else 0
            ends = np.maximum(answers.t1[rows], answers.t0[rows] + 20)
            assert ends.max() + gap < int(own[blocks[following][0]])
            kept = np.zeros(len(answers), dtype=bool)
            kept[rows] = True
            settled = np.maximum(answers.t1, answers.t0 + 20) + gap < int(own[blocks[following][0]])
            np.testing.assert_array_equal(kept, (answers.t0 >= start) & settled)


def test_a_block_without_answers_is_refused_by_its_name(inputs):
    t0 = np.arange(0, 600, 4)
    names = ("train", "early_stopping", "calibration", "selection", "test")
    decided, blocks = np.arange(0, 6000, 4), {name: np.arange(place * 300, place * 300 + 200) for place, name in enumerate(names)}
    with pytest.raises(SplitError, match="experts: early_stopping"):
        cut_answers(Answers(t0, t0, np.zeros(len(t0), np.int8), {}, 6000), decided, blocks, inputs.recipe, Timeframe.parse("1m"))


def test_what_saw_a_judge_is_found_out(run, inputs):
    data = data_of(run, inputs, "entry")
    told = [record.what for record in data.provenance(False)]
    assert told == ["features", "scaler", "model", "early stopping", "calibration"]
    late = dict(data.positions)
    late["train"] = np.append(late["train"], late["test"][-1])
    data.__dict__["positions"] = late  # where the cached property keeps it
    with pytest.raises(ProvenanceError, match=r"model \(fitted on train\)"):
        data.provenance(False)


@pytest.mark.parametrize("label", LABELS)
def test_what_is_judged_is_what_the_bundle_says_of_raw_bars(run, inputs, judged, label):
    bundle = bm.Bundle.load(run.bundle_paths[label])
    assert bundle.digest == judged[label]["digest"] == run.fingerprints["bundles"][label]
    frame = forecasts_of(run, label)
    again = bundle.forecast(inputs.bars).frame.filter(pl.col("open_time").is_in(frame["open_time"]))
    assert frame.select(again.columns).equals(again)
    assert judged[label]["outputs"] == [name for name in again.columns if name not in ("open_time", "known_at")]
    assert "What becomes of a long trade" in bundle.model_card or label == "pattern_cnn"
    assert {record["what"] for record in bundle.part("provenance")} >= {"model", "early stopping", "calibration"}


def test_the_entry_experts_figures_are_those_of_others(run, inputs, judged):
    data = data_of(run, inputs, "entry")
    said, test = said_of(run, data), data.positions["test"]
    p, y = said["p_entry"].to_numpy(), data.answers.y[test]
    scores = judged["entry"]["scores"]
    base = data.answers.y[data.positions["train"]].mean()
    assert scores["figures"]["auc"] == pytest.approx(roc_auc_score(y, p))
    (gain,) = scores["gains"]
    assert gain["model"] == pytest.approx(log_loss(y, p))
    assert gain["baseline"] == pytest.approx(log_loss(y, np.full(len(y), base)))
    assert gain["interval"][0] < gain["better_by"] < gain["interval"][1]
    brought = data.answers.targets["realised_R"][test]
    assert scores["figures"]["mean_R"] == pytest.approx(brought.mean())
    assert judged["entry"]["calibration"]["fitted"] is True
    assert judged["entry"]["calibration"]["ece_before"] != judged["entry"]["calibration"]["ece"]
    assert set(judged["entry"]["fit"]["clusters"]) == {"L", "M", "H"}


@pytest.mark.parametrize(("label", "output", "target"), [("risk", "sl_kATR", "drawdown_kATR"), ("reward", "rr_target", "realised_R")])
def test_the_quantile_experts_figures_are_those_of_others(run, inputs, judged, label, output, target):
    data = data_of(run, inputs, label)
    said, answers = said_of(run, data), data.answers
    came, taught = (answers.targets[target][data.positions[block]] for block in ("test", "train"))
    scores = judged[label]["scores"]
    assert judged[label]["calibration"] is None
    for gain in scores["gains"]:
        level = gain["level"]
        column = said[f"{output}_q{round(100 * level)}"].to_numpy()
        assert gain["model"] == pytest.approx(mean_pinball_loss(came, column, alpha=level))
        assert gain["baseline"] == pytest.approx(mean_pinball_loss(came, np.full(len(came), np.quantile(taught, level)), alpha=level))
        assert gain["coverage"] == pytest.approx(np.mean(came <= column))
    if label == "risk":
        assert scores["figures"]["stop_hit_rate"] == pytest.approx(np.mean(came >= said[output].to_numpy()))


def test_the_pattern_cnn_is_judged_class_by_class(run, inputs, judged):
    data = data_of(run, inputs, "pattern_cnn")
    said, y = said_of(run, data), data.answers.y[data.positions["test"]]
    p = said.select([f"p_{name}" for name in PATTERNS]).to_numpy()
    scores = judged["pattern_cnn"]["scores"]
    assert scores["figures"]["log_loss"] == pytest.approx(log_loss(y, p, labels=np.arange(5)))
    assert [one["n"] for one in scores["per_class"]] == np.bincount(y, minlength=5).tolist()
    assert np.sum(scores["confusion"]) == len(y)
    assert scores["confusion"][0][0] == int(((y == 0) & (p.argmax(axis=1) == 0)).sum())
    assert judged["pattern_cnn"]["answers"]["n"]["test"] == len(y)


def test_the_pattern_cnn_remembers_training_rows_that_were_settled_before_the_next_block(run, inputs):
    data, bars = data_of(run, inputs, "pattern_cnn"), inputs.bars
    bundle = Bundle.load(run.folder / "bundle" / "pattern_cnn")
    kept = bundle.neighbours
    assert kept is not None
    assert len(kept) > 100
    rows = np.searchsorted(bars.open_time, kept.open_time)
    assert set(rows) <= set(data.rows("train"))
    assert kept.known_at.max() <= bars.open_time[data.rows("early_stopping")[0]]
    came = back_label(bars, inputs.recipe.outcomes.model_copy(update={"every": 1}))
    at = np.searchsorted(came.t0, rows)
    np.testing.assert_array_equal(came.t0[at], rows)
    np.testing.assert_array_equal(kept.realised_R, came.outcomes.realised_R[at])
    np.testing.assert_array_equal(kept.known_at, bars.close_time[came.t1[at]])
    said = bundle.forecast(bars).frame.filter(pl.col("open_time").is_in(kept.open_time))
    np.testing.assert_array_equal(kept.quality, said["quality"].to_numpy())
    np.testing.assert_array_equal(kept.embed[:, 3], said["embedding_03"].to_numpy())
    np.testing.assert_array_equal(kept.pattern, said.select([f"p_{name}" for name in PATTERNS]).to_numpy().argmax(axis=1))
    assert f"{len(kept):,} of its training rows" in bundle.model_card


def test_every_expert_says_what_it_looks_at_and_the_report_tells_it(run, judged):
    for one in judged.values():
        (found,) = one["explanation"]["outputs"].values()
        assert found["features"]
    text = run.report.read_text()
    assert "Other questions" in text
    assert all(f'id="expert-{place}"' in text for place in range(len(LABELS)))


def test_the_ledger_counts_the_models_and_one_opening(run):
    ledger = run.judgement["ledger"]
    assert (ledger["trials"], ledger["test_openings"]) == (1, 1)


def test_the_same_command_again_has_nothing_to_do(run, recipe):
    assert bm.train(recipe, out=run.folder).fingerprints == run.fingerprints


def undo(label: str, out: Path) -> None:
    """Leave the run in `out` as it was before anything of one expert was done."""
    for place in (f"models/{label}-*", f"metrics/forecasts-{label}-*", f"metrics/judged-{label}-*", f"bundle/{label}"):
        for folder in out.glob(place):
            shutil.rmtree(folder)
    for name in ("report.html", "fingerprints.json", "metrics/judgement.json"):
        (out / name).unlink(missing_ok=True)


def test_a_run_killed_among_its_experts_resumes_to_the_identical_result(run, recipe, tmp_path):
    """Killed twice: the second start goes on from what the first left, with one expert more to do."""
    out = shutil.copytree(run.folder, tmp_path / "run", symlinks=True)
    command = [sys.executable, "-m", "barmill.cli", "train", str(recipe), "--out", str(out)]
    for moment in ("calibrate reward", "fit pattern_cnn"):
        undo(moment.split()[1], out)
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=dict(os.environ)) as process:
            assert process.stderr is not None
            reached = any(line.startswith(f"{moment} ...") for line in process.stderr)
            process.send_signal(signal.SIGKILL)
        assert reached, f"the run never said '{moment} ...'"
        assert not (out / "report.html").exists()
    resumed = bm.train(recipe, out=out, resume=True)
    assert resumed.fingerprints == run.fingerprints
    assert json.dumps(resumed.judgement["experts"]) == json.dumps(run.judgement["experts"])


def refused(experts: str) -> RecipeError:
    with pytest.raises(RecipeError) as error:
        gather_inputs(recipe_from_text(WITHOUT + f"experts: [{experts}]\n", "small.yaml"), None, None, None)
    return error.value


def test_a_column_that_an_expert_cannot_see_is_refused_before_any_work():
    assert str(refused("{name: risk, inputs: [rsi_15]}")).startswith("recipe:experts[0].inputs: no feature 'rsi_15'")
    told = str(refused("{name: entry, config: {liquidity: traded_value_90}}"))
    assert told.startswith("recipe:experts[0].config.liquidity: 'traded_value_90' is none of the features that entry sees")
    assert "features.add: [traded_value_90]" in told
    seen = str(refused("{name: entry, inputs: [rsi_14], config: {liquidity: traded_value_60}}"))
    assert "is none of the features that entry sees" in seen


def test_trades_are_proposed_where_the_run_decides_unless_the_recipe_says_otherwise():
    def every(text: str) -> int:
        return recipe_from_text(WITHOUT + text, "small.yaml").outcomes.every

    assert every("experts: [{name: risk}]\n") == 4
    assert every("experts: [{name: risk}]\noutcomes: {every: 2}\n") == 2
    assert every("outcomes: {horizon: 9}\n") == 1  # nobody asks
