"""The training rows that a model of patterns remembers in its bundle, with what a trade that was proposed there brought."""

import numpy as np

from barmill.bundles.neighbours import Neighbours
from barmill.bundles.pattern_columns import PatternColumns
from barmill.errors import LabelError
from barmill.labels import back_label
from barmill.models.catalogue import load_forecaster, spec_of
from barmill.models.contract import ImageForecaster
from barmill.pipeline.bundling import fitted_files
from barmill.pipeline.experts.data import ExpertData
from barmill.pipeline.job import ModelJob
from barmill.pipeline.workspace import Workspace
from barmill.uncertainty import Calibrator
from barmill.views import PatternImage

MOST_ROWS = 50_000  # evenly among the training rows: 13 MB, and a search of some milliseconds


def neighbours_of(job: ModelJob, workspace: Workspace, data: ExpertData, calibration: Calibrator) -> Neighbours | None:
    """What the fitted model says of its own training rows, beside the outcomes of `outcomes:` of the recipe.

    Only rows whose outcome was known before the first row of the next block, so that nothing of a block that judges is in it; None where
    there is no such row, as where costs leave the recipe's trade no room.
    """
    forecaster = load_forecaster(spec_of(job.expert.name), fitted_files(workspace, job.stages["fit"].stage))
    if not isinstance(forecaster, ImageForecaster):
        return None
    bars, asked = data.bars, np.zeros(len(data.bars), dtype=np.bool_)
    asked[data.rows("train")] = True
    try:
        came = back_label(bars, job.recipe.outcomes.model_copy(update={"every": 1}), asked)
    except LabelError:  # no trade of this rule can be settled: there is nothing to remember
        return None
    settled = np.flatnonzero(came.t1 < data.rows("early_stopping")[0])
    if not settled.size:
        return None
    kept = settled[np.unique(np.linspace(0, settled.size - 1, min(settled.size, MOST_ROWS)).astype(np.int64))]
    rows = came.t0[kept]
    raw = forecaster.raw(PatternImage.of(bars, rows))
    columns = forecaster.table(raw, calibration.apply(raw.logits))
    said = PatternColumns.of(forecaster.columns)
    return said.neighbours(columns, came.outcomes.realised_R[kept], bars.open_time[rows], bars.close_time[came.t1[kept]])


__all__ = ["MOST_ROWS", "neighbours_of"]
