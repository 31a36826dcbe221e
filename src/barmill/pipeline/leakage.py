"""The leakage checks of a run: what is put before them, and what happens to what they find."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import read_json, readable_json, write_new
from barmill.errors import LeakageError
from barmill.evaluation import Dossier, Fitted, HigherTimeframe, PlanTable, run_leakage_checks
from barmill.market import Anchor, Bars, Timeframe, resample
from barmill.pipeline.dataset import Dataset, Positions
from barmill.pipeline.events import Listener
from barmill.pipeline.facts import blocks_in
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.plan import Stages
from barmill.pipeline.prepare import dataset_of
from barmill.pipeline.provenance import fitted_on, judges_of
from barmill.pipeline.workspace import Workspace
from barmill.views import RobustScaler


def check_leakage(inputs: RunInputs, stages: Stages, workspace: Workspace, listener: Listener) -> None:
    """Run the checks if that is not done, and stop the run on a critical finding that the recipe does not allow.

    Raises: LeakageError that gathers every such finding. What was found stays in the run folder either way.
    """
    stage = stages.leakage
    if workspace.record(stage) is None:
        listener.started(stage.name)
        began = time.perf_counter()
        report = run_leakage_checks(dossier_of(inputs, dataset_of(inputs, stages, workspace)), seed=inputs.recipe.seed)
        with workspace.writing(stage) as folder:
            write_new(folder / "leakage.json", readable_json(report.to_json()))
        listener.finished(stage.name, time.perf_counter() - began)
    found = read_json(workspace.path(stage) / "leakage.json")
    allowed = {allowance.code: allowance.reason for allowance in inputs.recipe.leakage.allow}
    for finding in found["findings"]:
        if finding["severity"] != "info":
            excuse = f" (allowed: {allowed[finding['code']]})" if finding["code"] in allowed else ""
            listener.said(f"leakage: {finding['code']} {finding['severity']}: {_told(finding)}{excuse}")
    stopping = [finding for finding in found["findings"] if finding["severity"] == "critical" and finding["code"] not in allowed]
    if stopping:
        raise LeakageError.gathered([_error(finding) for finding in stopping])


def leakage_section(inputs: RunInputs, stages: Stages, workspace: Workspace) -> dict[str, Any]:
    """What the report tells: the checks, the findings, and those that the recipe allows, with its reasons."""
    found = read_json(workspace.path(stages.leakage) / "leakage.json")
    codes = {finding["code"] for finding in found["findings"]}
    allowed = [{**allowance.model_dump(), "found": allowance.code in codes} for allowance in inputs.recipe.leakage.allow]
    return {**found, "allowed": allowed}


def dossier_of(inputs: RunInputs, data: Dataset) -> Dossier:
    """The run as the checks see it: features, labels, blocks, and everything that was fitted so far."""
    bars, labels, recipe = inputs.bars, data.labels, inputs.recipe
    blocks = fitted_on(data, recipe.tune is not None, folded=recipe.band_folds is not None)
    timeframes = dict(zip(data.plan.names, (feature.timeframe for feature in data.plan.features), strict=True))
    return Dossier(
        columns=data.names,
        table=data.values,
        y=labels.classes(recipe.labels.classes).astype(np.int64),
        outcome=labels.gross_return,
        t0=labels.t0,
        t1=labels.t1,
        known_at=bars.close_time[labels.t0],
        blocks={name: data.positions[name] for name in blocks_in(data.positions)},
        embargo_bars=recipe.splits.embargo_bars(bars.timeframe),
        bars=bars,
        higher_timeframes={name: _higher(timeframe, bars, data.plan.anchor) for name, timeframe in timeframes.items() if timeframe},
        feature_maker=PlanTable(data.plan, "the run's features"),
        fitted=tuple(_fitted(what, block, data) for what, block in blocks.items()),
    )


def _higher(timeframe: Timeframe, bars: Bars, anchor: Anchor) -> HigherTimeframe:
    """When bars of `timeframe` close; those that follow the sessions are looked up."""
    if anchor == "epoch":
        return HigherTimeframe(minutes=timeframe.minutes)
    return HigherTimeframe(minutes=timeframe.minutes, close_time=resample(bars, timeframe, anchor=anchor).close_time)


def _fitted(what: str, block: str, data: Dataset) -> Fitted:
    """A record of the run's provenance; the scaler also shows what it learned, and how to learn it again."""
    rows = data.positions[block]
    if what != "scaler":
        return Fitted(what=what, rows=rows, judged_by=judges_of(what))
    values: dict[str, npt.ArrayLike] = {"center": data.scaler.center, "scale": data.scaler.scale}
    return Fitted(what=what, rows=rows, judged_by=judges_of(what), values=values, refit=lambda positions: _scaler(data, positions))


def _scaler(data: Dataset, positions: Positions) -> dict[str, npt.ArrayLike]:
    again = RobustScaler.fit(data.values, data.labels.t0[positions], names=data.names)
    return {"center": again.center, "scale": again.scale}


def _told(finding: dict[str, Any]) -> str:
    where = f"{finding['column']}: " if finding["column"] else ""
    when = f" (bar {finding['bar']:,}, {finding['time']})" if finding["bar"] is not None and finding["time"] else ""
    return f"{where}{finding['reason']}{when}"


def _error(finding: dict[str, Any]) -> LeakageError:
    mend = f"See {finding['page']}. If it is meant, add it to the recipe's `leakage.allow` with the reason."
    return LeakageError(f"leakage {finding['code']}", _told(finding), mend=mend)


__all__ = ["check_leakage", "dossier_of", "leakage_section"]
