"""Worker: the members of a run's ensembles in some folds of the training block. `python -m barmill.pipeline.ensembles.out_of_fold JOB`.

A fold and a member make one stage: what is there is not done again.
"""

from typing import Any

from barmill.pipeline.dataset import Dataset, load_bars
from barmill.pipeline.ensembles.folding import forecast_fold
from barmill.pipeline.ensembles.oof_folds import OofFolds
from barmill.pipeline.job import OutOfFoldJob
from barmill.pipeline.worker import Teller, work
from barmill.pipeline.workspace import Workspace


def forecast_out_of_fold(raw: dict[str, Any], teller: Teller) -> None:
    """Do what is not done yet of the folds that the job names."""
    job = OutOfFoldJob.model_validate(raw)
    workspace = Workspace(job.root)
    stages = {role: ref.stage for role, ref in job.stages.items()}
    labels = job.recipe.labels
    data = Dataset.of(workspace, stages, labels.classes, labels.horizon, job.volatility)
    folds = OofFolds.of(data.labels, data.positions["train"], job.oof)
    entries = {entry.label: entry for entry in job.recipe.base_models}
    for number, members in job.folds.items():
        forecast_fold(
            number,
            folds,
            entries,
            {label: ref.stage for label, ref in members.items()},
            workspace,
            data,
            job.recipe,
            job.windows,
            lambda: load_bars(workspace.path(stages["bars"])),
            teller,
            data.positions.get("ensemble"),
        )


if __name__ == "__main__":
    work(forecast_out_of_fold)
