"""What an expert said of a block, scored by the measures of its question, beside what its training rows say of any row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from barmill.evaluation.experts import (
    Control,
    TaughtPatterns,
    entry_scores,
    offset_scores,
    pattern_cnn_scores,
    reward_scores,
    risk_scores,
)
from barmill.models.catalogue import spec_of
from barmill.models.contract import Float64Array
from barmill.models.expert.columns import level_column
from barmill.models.expert.params import QuantileParams
from barmill.models.pattern.detectors import PATTERNS
from barmill.pipeline.experts.data import ExpertData
from barmill.pipeline.inputs import params_of
from barmill.pipeline.recipe import ExpertEntry, Recipe
from barmill.views.pattern_image import SIDE

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class AnswerBlock:
    """What came of the rows of a block, and what the training rows taught.

    day : int64 (n,), days since 1970 UTC of the decisions
    """

    y: npt.NDArray[np.int8]
    targets: Mapping[str, Float64Array]
    tables: Mapping[str, Float64Array]
    day: npt.NDArray[np.int64]
    taught_y: npt.NDArray[np.int8]
    taught: Mapping[str, Float64Array]

    @classmethod
    def of(cls, data: ExpertData, name: str) -> "AnswerBlock":
        answers, rows, train = data.answers, data.positions[name], data.positions["train"]
        tables = {table: values[rows] for table, values in answers.tables.items()}
        day = data.bars.open_time[answers.t0[rows]] // DAY_MS
        return cls(answers.y[rows], answers.targets_at(rows), tables, day, answers.y[train], answers.targets_at(train))


def control_of(recipe: Recipe, question: str) -> Control:
    """Intervals by blocks of the rows whose trades, or whose images, share bars."""
    shared = SIDE // recipe.labels.every if question == "patterns" else recipe.outcomes.horizon // recipe.outcomes.every
    return Control(float(max(1, shared)), recipe.seed)


def scores_of(entry: ExpertEntry, said: Mapping[str, Float64Array], block: AnswerBlock, recipe: Recipe) -> dict[str, Any]:
    """The scores of what `entry`'s model said of a block.

    said : float64 (n,) columns as its bundle names them
    """
    spec = spec_of(entry.name)
    control = control_of(recipe, spec.question)
    if spec.question == "patterns":
        p = np.column_stack([said[f"p_{name}"] for name in PATTERNS])
        pairs = {name: (said[name], block.targets[name]) for name in ("quality", "pole_kATR")}
        taught = TaughtPatterns(block.taught_y, block.taught["quality"], block.taught["pole_kATR"], len(PATTERNS))
        return pattern_cnn_scores(p, block.y, pairs["quality"], pairs["pole_kATR"], taught, PATTERNS, control)
    if not spec.targets:
        return entry_scores(said["p_entry"], block.y, block.targets["realised_R"], block.day, block.taught_y, control)
    output = spec.outputs[0]
    params = cast(QuantileParams, params_of(entry))
    levels = {level: said[level_column(output, level)] for level in params.levels}
    scores = _of_quantiles(spec.name, levels, said[output], block, recipe)
    return {"online": params.alpha, **scores}


def _of_quantiles(
    expert: str, levels: Mapping[float, Float64Array], online: Float64Array, block: AnswerBlock, recipe: Recipe
) -> dict[str, Any]:
    """Of an expert that learns an outcome's quantiles.

    levels : what each level says; online : the one that is used
    """
    (target, *_), control = spec_of(expert).targets, control_of(recipe, "outcomes")
    came, taught = block.targets[target], block.taught[target]
    match expert:
        case "risk":
            return risk_scores(levels, online, came, taught, control)
        case "reward":
            runup = block.targets["runup_R"] if recipe.outcomes.target_R is None else None
            return reward_scores(levels, online, came, runup, taught, control)
        case _:
            return offset_scores(levels, online, came, block.tables["offset_R"], recipe.outcomes.offsets_atr, taught, control)


__all__ = ["AnswerBlock", "control_of", "scores_of"]
