"""Worker: forecast the test block with a bundle loaded from disk, in a process that never sees torch.

`python -m barmill.pipeline.forecasting JOB`. What is judged is what a server would load.
"""

import json
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from safetensors.numpy import load as load_tensors

from barmill.bundles import Bundle
from barmill.errors import ProvenanceError
from barmill.features import FeatureTable
from barmill.market import Bars
from barmill.pipeline.dataset import load_labels
from barmill.pipeline.job import ModelJob
from barmill.pipeline.worker import Teller, work
from barmill.pipeline.workspace import Workspace
from barmill.uncertainty import Calibration


def forecast_test_block(raw: dict[str, Any], teller: Teller) -> None:
    """Write the forecasts of every bar from the first decision of the test block on."""
    job = ModelJob.model_validate(raw)
    workspace = Workspace(job.root)
    stage = job.stages["forecast"].stage
    teller.started(stage.name)
    began = time.perf_counter()
    published = json.loads((workspace.path(job.stages["bundle"].stage) / "published.json").read_bytes())
    bundle = Bundle.load(job.root / published["path"])
    if bundle.digest != published["digest"]:
        found = f"digest {bundle.digest[:12]}"
        raise ProvenanceError(
            str(job.root / published["path"]), found, expected=published["digest"][:12], mend="Run the same command again."
        )
    bars = job.read_bars()
    table = bundle.plan.compute(bars)
    forecast = bundle.forecast_table(table, since=_first_test_time(job, workspace, bars)).frame
    uncalibrated = _uncalibrated(bundle, table, forecast)
    if "torch" in sys.modules:
        raise ProvenanceError("forecasting", "torch was imported by what a server runs", mend="Report this: it is a fault of Barmill.")
    with workspace.writing(stage) as folder:
        forecast.with_columns(uncalibrated).write_parquet(folder / "forecasts.parquet")
    teller.finished(stage.name, time.perf_counter() - began)


def _uncalibrated(bundle: Bundle, table: FeatureTable, forecast: pl.DataFrame) -> pl.Series:
    """p_up as the model says it, so that the judgement can tell whether calibration helped."""
    pipeline = replace(bundle.pipeline, calibration=Calibration(bundle.pipeline.n_classes))
    rows = np.searchsorted(table.open_time, forecast["open_time"].to_numpy())
    return pl.Series("p_up_uncalibrated", pipeline.run(table.values, rows)["p_up"])


def _first_test_time(job: ModelJob, workspace: Workspace, bars: Bars) -> int:
    labels = load_labels(workspace.path(job.stages["labels"].stage))
    positions = load_tensors((workspace.path(job.stages["splits"].stage) / "positions.safetensors").read_bytes())
    return int(bars.open_time[labels.t0[positions["test"][0]]])


if __name__ == "__main__":
    work(forecast_test_block)
