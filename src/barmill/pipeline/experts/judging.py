"""The judgement of each expert on the test block, from what its bundle forecast; one stage an expert."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from barmill.artefacts import read_json, readable_json, without_nan, write_new
from barmill.errors import ProvenanceError
from barmill.evaluation import expected_calibration_error, top_label_calibration_error
from barmill.models.catalogue import spec_of
from barmill.models.contract import Float64Array
from barmill.models.pattern.detectors import PATTERNS
from barmill.pipeline.dataset import Dataset
from barmill.pipeline.events import Listener
from barmill.pipeline.experts.answers import CLASSES, classes_of
from barmill.pipeline.experts.bundling import question_told
from barmill.pipeline.experts.data import ExpertData
from barmill.pipeline.experts.scoring import AnswerBlock, scores_of
from barmill.pipeline.experts.stages import ExpertStages
from barmill.pipeline.facts import blocks_in, moment
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.job import UNCALIBRATED
from barmill.pipeline.plan import Stages
from barmill.pipeline.prepare import dataset_of
from barmill.pipeline.recipe import ExpertEntry
from barmill.pipeline.workspace import Workspace


def judge_experts(inputs: RunInputs, stages: Stages, workspace: Workspace, listener: Listener) -> None:
    """Judge every expert that was not judged yet."""
    for entry in inputs.recipe.experts:
        stage = stages.experts[entry.label].judge
        if workspace.record(stage) is not None:
            continue
        listener.started(stage.name)
        began = time.perf_counter()
        judged = _judged(inputs, entry, stages.experts[entry.label], workspace, dataset_of(inputs, stages, workspace))
        with workspace.writing(stage) as folder:
            write_new(folder / "expert.json", readable_json(without_nan(judged)))
        listener.finished(stage.name, time.perf_counter() - began)


def experts_section(stages: Stages, workspace: Workspace) -> list[dict[str, Any]]:
    """What a judgement tells of the experts, in the order of the recipe."""
    return [read_json(workspace.path(expert.judge) / "expert.json") for expert in stages.experts.values()]


def _judged(inputs: RunInputs, entry: ExpertEntry, stages: ExpertStages, workspace: Workspace, run: Dataset) -> dict[str, Any]:
    spec, recipe = spec_of(entry.name), inputs.recipe
    data = ExpertData(run, workspace.path(stages.answers), entry)
    said = _at_rows(workspace.path(stages.forecast), data, inputs)
    published = read_json(workspace.path(stages.bundle) / "published.json")
    block = AnswerBlock.of(data, "test")
    return {
        "name": entry.label,
        "model": spec.name,
        "family": spec.family,
        "question": spec.question,
        "asked": question_told(recipe, spec.question),
        "view": spec.view,
        "outputs": [name for name in said if not name.endswith(UNCALIBRATED)],
        "bundle": published["path"],
        "digest": published["digest"],
        "answers": _answers_told(data, inputs),
        "class_names": list(CLASSES[spec.question]) if classes_of(spec) else [],
        "calibration": _calibration(recipe.inference.calibrate is not None, said, block, spec.question) if classes_of(spec) else None,
        "scores": scores_of(entry, said, block, recipe),
        "fit": read_json(workspace.path(stages.fit) / "summary.json"),
        "explanation": read_json(workspace.path(stages.fit) / "explanation.json"),
    }


def _at_rows(folder: Path, data: ExpertData, inputs: RunInputs) -> dict[str, Float64Array]:
    """The forecasts at the decisions of the test block. Raises ProvenanceError where the bundle has none."""
    frame = pl.read_parquet(folder / "forecasts.parquet")
    times, asked = frame["open_time"].to_numpy(), inputs.bars.open_time[data.rows("test")]
    rows = np.minimum(np.searchsorted(times, asked), len(times) - 1)
    if (times[rows] != asked).any():
        first = int(asked[np.argmax(times[rows] != asked)])
        raise ProvenanceError(data.entry.label, f"no forecast of the bar at {moment(first)}", mend="Report this: it is a fault of Barmill.")
    return {name: frame[name].to_numpy()[rows] for name in frame.columns if frame[name].dtype == pl.Float64}


def _answers_told(data: ExpertData, inputs: RunInputs) -> dict[str, Any]:
    """How many answers each block has, from when to when they judge, and how often each class came."""
    answers, test = data.answers, data.rows("test")
    classes = CLASSES[spec_of(data.entry.name).question]
    shares = {
        name: np.bincount(answers.y[data.positions[name]], minlength=len(classes)) / len(data.positions[name]) for name in ("train", "test")
    }
    return {
        "n": {name: len(data.positions[name]) for name in blocks_in(data.positions)},
        "first_time": moment(int(inputs.bars.open_time[test[0]])),
        "last_time": moment(int(inputs.bars.open_time[test[-1]])),
        "excluded": dict(answers.excluded),
        "shares": {block: dict(zip(classes, found.tolist(), strict=True)) for block, found in shares.items()},
    }


def _calibration(asked: bool, said: dict[str, Float64Array], block: AnswerBlock, question: str) -> dict[str, Any]:
    """Expected calibration error before and after: of a good entry, or of the likeliest pattern."""
    if question == "outcomes":
        before, after = (expected_calibration_error(said[name], block.y) for name in (f"p_entry{UNCALIBRATED}", "p_entry"))
    else:
        before, after = (
            top_label_calibration_error(np.column_stack([said[f"p_{name}{ending}"] for name in PATTERNS]), block.y)
            for ending in (UNCALIBRATED, "")
        )
    return {"fitted": asked, "ece_before": before.ece, "ece": after.ece}


__all__ = ["experts_section", "judge_experts"]
