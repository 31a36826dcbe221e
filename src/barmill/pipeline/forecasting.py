"""Worker: forecast the test block with bundles loaded from disk, in a process that never sees torch.

`python -m barmill.pipeline.forecasting JOB`. What is judged is what a server would load: verified, parsed and replayed by
the same code. This process is itself the child whose crash takes nobody along.
"""

import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from barmill.artefacts import canonical_json, read_json, sha256
from barmill.bundles import Bundle, read_bundle
from barmill.bundles.forecasting import SeenBars
from barmill.errors import ProvenanceError
from barmill.features import FeatureTable
from barmill.market import Bars
from barmill.pipeline.dataset import load_bars, load_labels, load_positions
from barmill.pipeline.ensembles.weights_through_time import WEIGHTS_FILE, weights_of
from barmill.pipeline.job import UNCALIBRATED, ForecastJob, StageRef
from barmill.pipeline.latency import measure_latency, write_latency
from barmill.pipeline.worker import Teller, work
from barmill.pipeline.workspace import Workspace
from barmill.uncertainty import Calibration


def forecast_test_block(raw: dict[str, Any], teller: Teller) -> None:
    """Write, for each model, the forecasts of every bar from the first decision of the test block on."""
    job = ForecastJob.model_validate(raw)
    workspace = Workspace(job.root)
    bars = load_bars(workspace.path(job.bars.stage))
    since = _first_test_time(job, workspace, bars)
    tables: dict[str, FeatureTable] = {}
    for label, ref in job.forecasts.items():
        teller.started(ref.name)
        began = time.perf_counter()
        bundle = _load(job, workspace, job.bundles[label])
        plan = sha256(canonical_json(bundle.plan.to_json()))
        if plan not in tables:
            tables[plan] = bundle.plan.compute(bars)
        closed = bundle.pipeline.closed(bars)
        forecast = _forecast(bundle, bars, tables[plan], closed, since)
        weights = weights_of(bundle, tables[plan], forecast["open_time"].to_numpy())
        if "torch" in sys.modules:
            raise ProvenanceError("forecasting", "torch was imported by what a server runs", mend="Report this: it is a fault of Barmill.")
        with workspace.writing(ref.stage) as folder:
            forecast.write_parquet(folder / "forecasts.parquet")
            if weights is not None:
                weights.write_parquet(folder / WEIGHTS_FILE)
        write_latency(job.root, label, measure_latency(bundle, tables[plan], closed))
        teller.finished(ref.name, time.perf_counter() - began)


def _load(job: ForecastJob, workspace: Workspace, stage: StageRef) -> Bundle:
    published = read_json(workspace.path(stage.stage) / "published.json")
    bundle = Bundle.from_verified(read_bundle(job.root / published["path"]))
    if bundle.digest != published["digest"]:
        place, found = str(job.root / published["path"]), f"digest {bundle.digest[:12]}"
        raise ProvenanceError(place, found, expected=published["digest"][:12], mend="Run the same command again.")
    return bundle


def _forecast(bundle: Bundle, bars: Bars, table: FeatureTable, closed: SeenBars | None, since: int) -> pl.DataFrame:
    """Forecasts as a server gives them, and beside them probabilities as the model says them, to tell whether calibration helped."""
    bundle.check_bars(bars)
    frame = bundle.forecast_table(table, since=since, closed=closed, walk=bundle.walk(bars)).frame
    calibrated = ["p_up"] if "p_up" in frame.columns else [name for name in frame.columns if name.startswith("p_")]
    if not calibrated:
        return frame
    uncalibrated = replace(bundle.pipeline, calibration=Calibration(bundle.pipeline.n_classes))
    rows = np.searchsorted(table.open_time, frame["open_time"].to_numpy())
    said = uncalibrated.run(table.values, rows, closed=closed)
    return frame.with_columns(pl.Series(f"{name}{UNCALIBRATED}", said[name]) for name in calibrated)


def _first_test_time(job: ForecastJob, workspace: Workspace, bars: Bars) -> int:
    labels = load_labels(workspace.path(job.labels.stage))
    positions = load_positions(workspace.path(job.splits.stage))
    return int(bars.open_time[labels.t0[positions["test"][0]]])


if __name__ == "__main__":
    work(forecast_test_block)
