"""What the bundle of an expert has of its own, and its model card."""

from typing import Any

from barmill.artefacts import read_json
from barmill.bundles.image_scaling import ImageScaling
from barmill.bundles.neighbours import Neighbours
from barmill.market import Bars
from barmill.models.catalogue import spec_of
from barmill.pipeline.bundling import QuestionParts
from barmill.pipeline.experts.answers import CLASSES, classes_of
from barmill.pipeline.experts.data import ExpertData
from barmill.pipeline.experts.remembering import neighbours_of
from barmill.pipeline.job import ModelJob
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.workspace import Workspace
from barmill.uncertainty import read_calibrator


def expert_parts(job: ModelJob, workspace: Workspace, data: ExpertData) -> QuestionParts:
    """No thresholds, no residual quantiles and no unit of returns: an expert says what it learned."""
    calibrated = workspace.path(job.stages["calibrate"].stage)
    selection = read_json(calibrated / "selection.json")
    neighbours = neighbours_of(job, workspace, data, read_calibrator(read_json(calibrated / "calibration.json")))
    scaler = ImageScaling() if data.sees_images else data.run.scaler
    warmup = data.run.plan.warmup_bars
    return QuestionParts(
        entry=job.expert,
        scaler=scaler,
        input_names=data.names,
        n_classes=classes_of(spec_of(job.expert.name)),
        train=data.rows("train"),
        history=scaler.history_bars(warmup) if isinstance(scaler, ImageScaling) else warmup + 1,
        model_card=_model_card(job, data, selection, neighbours),
        neighbours=neighbours,
    )


def question_told(recipe: Recipe, question: str) -> str:
    """What the experts of a question are asked, in a sentence."""
    if question == "patterns":
        return f"Which chart pattern stands at the bar's close, of {', '.join(CLASSES[question])}, as the rules under `patterns:` see it."
    rule = recipe.outcomes
    target = "no target" if rule.target_R is None else f"a target at {rule.target_R:g} R"
    return (
        f"What becomes of a {rule.side} trade entered at the next open, with a stop {rule.stop_atr:g} ATR away (1 R), {target} and at most "
        f"{rule.horizon} bars, net of costs."
    )


def _model_card(job: ModelJob, data: ExpertData, selection: dict[str, Any], neighbours: Neighbours | None) -> str:
    spec, bars = spec_of(job.expert.name), data.bars
    rows = data.rows("train")
    inputs = "the image of the last 64 bars" if data.sees_images else f"{len(data.names)} features known at the bar's close"
    return f"""# {job.label}

{spec.summary} ({spec.family}; {spec.reference})

- **Instrument** {bars.instrument.symbol}, {bars.timeframe} bars; no other instrument or timeframe.
- **Question** {question_told(job.recipe, spec.question)}
- **Fitted on** {len(rows):,} answers, bars opening at {_open(bars, rows[0])} to {_open(bars, rows[-1])} (ms UTC).
- **Inputs** {inputs}.
- **On the selection slice** {_gains_told(selection)} ({selection["n"]:,} answers that neither fitted nor calibrated it).
  What the test block said stands in the run's report.
{_remembered(neighbours)}- **Limits** Calibration and quantiles hold as long as the market resembles the bars that taught them.
  A forecast is no advice.
"""


def _remembered(neighbours: Neighbours | None) -> str:
    if neighbours is None:
        return ""
    told = "with what a trade of the recipe's rule brought, all known before the next block began"
    return f"- **Remembers** {len(neighbours):,} of its training rows, {told}.\n"


def _open(bars: Bars, row: int) -> int:
    return int(bars.open_time[int(row)])


def _gains_told(selection: dict[str, Any]) -> str:
    """Each loss beside that of the baseline."""
    gains = selection["scores"]["gains"]
    return "; ".join(f"{_named(gain)} {gain['model']:.4f} (naive {gain['baseline']:.4f})" for gain in gains)


def _named(gain: dict[str, Any]) -> str:
    level = gain["level"]
    return gain["loss"] if level is None else f"{gain['loss']} at {level:g}"


__all__ = ["expert_parts", "question_told"]
