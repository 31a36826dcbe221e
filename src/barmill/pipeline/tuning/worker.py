"""Worker: tune one model on the training block. `python -m barmill.pipeline.tuning.worker JOB`."""

import time
from pathlib import Path
from typing import Any

from barmill.artefacts import readable_json, storage_errors, write_new
from barmill.evaluation import Ledger
from barmill.market import Bars
from barmill.pipeline.dataset import Dataset, load_bars
from barmill.pipeline.events import StageProgress
from barmill.pipeline.tuning.job import TuneJob
from barmill.pipeline.tuning.stage import tuning_of
from barmill.pipeline.tuning.study import sqlite_url
from barmill.pipeline.tuning.trials import Tuned
from barmill.pipeline.tuning.tuner import tune_model
from barmill.pipeline.worker import Teller, work
from barmill.pipeline.workspace import Workspace

FOLDER = "tuning"  # of the run folder: the trials, which outlive the stage, so that more can be added to them


def tune_in_run(raw: dict[str, Any], teller: Teller) -> None:
    """Tune the job's model, or go on with it, and write its stage."""
    job = TuneJob.model_validate(raw)
    workspace, stage = Workspace(job.root), job.stages["tuned"].stage
    if workspace.record(stage) is not None:
        return
    teller.started(stage.name)
    began = time.perf_counter()
    tuned = _tune(job, workspace, teller)
    with workspace.writing(stage) as folder:
        _write(folder, tuned)
    workspace.drop_scratch(stage)
    teller.finished(stage.name, time.perf_counter() - began)


def _tune(job: TuneJob, workspace: Workspace, teller: Teller) -> Tuned:
    recipe, config, stages = job.recipe, job.recipe.tune, {role: ref.stage for role, ref in job.stages.items()}
    assert config is not None
    bars: Bars = load_bars(workspace.path(stages["bars"]))
    data = Dataset.of(workspace, stages, recipe.labels.classes, recipe.labels.horizon, job.volatility)
    keep = job.root / FOLDER
    with storage_errors(keep):
        keep.mkdir(parents=True, exist_ok=True)
    return tune_model(
        tuning_of(recipe, job.entry, bars.timeframe, job.window, stages),
        data,
        bars,
        data.positions["train"],
        storage=config.storage or sqlite_url(keep / f"{job.label}.sqlite"),
        keep=keep,
        scratch=workspace.scratch(stages["tuned"]),
        ledger=Ledger.of(bars.fingerprint),
        progress=StageProgress(teller, stages["tuned"].name),
    )


def _write(folder: Path, tuned: Tuned) -> None:
    write_new(folder / "best.json", readable_json(dict(tuned.best.params)))
    write_new(folder / "tuning.json", readable_json(tuned.to_json()))
    tuned.table().write_parquet(folder / "trials.parquet")
    tuned.returns_table().write_parquet(folder / "returns.parquet")


if __name__ == "__main__":
    work(tune_in_run)
