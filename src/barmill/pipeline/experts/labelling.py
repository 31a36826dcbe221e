"""The labels of each question that the experts of a run answer, cut into blocks: one stage a question."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from barmill.labels import back_label, decision_bars
from barmill.labels.make import NOT_READY
from barmill.models.pattern.detectors import detect_patterns
from barmill.pipeline.dataset import load_labels, load_positions, save_positions
from barmill.pipeline.events import Listener
from barmill.pipeline.experts.answers import Answers, Int64Array
from barmill.pipeline.experts.cutting import cut_answers
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.plan import Stages
from barmill.pipeline.prepare import make_stage
from barmill.pipeline.workspace import Workspace
from barmill.views.pattern_image import FIRST_END

NO_IMAGE = "image not whole"


def label_questions(inputs: RunInputs, stages: Stages, workspace: Workspace, listener: Listener) -> None:
    """Label and cut what is not there yet of the questions that the experts of the run answer."""
    for question, stage in stages.questions.items():
        if workspace.record(stage) is None:

            def write(folder: Path, question: str = question) -> None:
                answers = answers_of(question, inputs, workspace.path(stages.features))
                labels = load_labels(workspace.path(stages.labels))
                blocks = cut_answers(
                    answers, labels.t0, load_positions(workspace.path(stages.splits)), inputs.recipe, inputs.bars.timeframe
                )
                answers.save(folder)
                save_positions(folder, blocks, {"between blocks": len(answers) - sum(map(len, blocks.values()))})

            make_stage(stage, write, workspace, listener)


def answers_of(question: str, inputs: RunInputs, features: Path) -> Answers:
    """What came of `question` at the decisions at which every model of the run can be asked.

    features : folder of the features' stage, which tells where they are ready
    Raises: LabelError if nothing can be labelled.
    """
    ready = inputs.ready(np.load(features / "ready.npy", allow_pickle=False))
    return _outcomes(inputs, ready) if question == "outcomes" else _patterns(inputs, ready)


def _outcomes(inputs: RunInputs, ready: npt.NDArray[np.bool_]) -> Answers:
    found = back_label(inputs.bars, inputs.recipe.outcomes, ready)
    return Answers(found.t0, found.t1, found.classes, found.targets, len(inputs.bars), {"offset_R": found.offset_R}, dict(found.excluded))


def _patterns(inputs: RunInputs, ready: npt.NDArray[np.bool_]) -> Answers:
    """A pattern is known at its own close: t1 is t0."""
    bars = inputs.bars
    asked = np.flatnonzero(decision_bars(bars, inputs.recipe.labels.every))
    whole = asked[asked >= FIRST_END]
    rows: Int64Array = whole[ready[whole]]
    found = detect_patterns(bars, inputs.recipe.patterns)
    excluded = {NO_IMAGE: len(asked) - len(whole), NOT_READY: len(whole) - len(rows)}
    targets = {name: values[rows] for name, values in found.targets.items()}
    return Answers(rows, rows, found.pattern[rows], targets, len(bars), excluded={why: n for why, n in excluded.items() if n})


__all__ = ["answers_of", "label_questions"]
