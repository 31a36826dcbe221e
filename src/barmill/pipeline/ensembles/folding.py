"""A member in one fold: fitted on what the fold leaves it, calibrated, and asked about the rows that it has not seen."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from barmill.artefacts import write_new
from barmill.ensembles.compatibility import surviving
from barmill.ensembles.contract import Member, Said
from barmill.market import Bars
from barmill.models.contract import Window
from barmill.pipeline.dataset import Dataset, Positions
from barmill.pipeline.ensembles.oof_folds import OofFolds
from barmill.pipeline.ensembles.said import said_by, said_from, said_tensors
from barmill.pipeline.events import Listener
from barmill.pipeline.folds import fit_entry, fold_data, fold_parts
from barmill.pipeline.learned import learned_outputs
from barmill.pipeline.recipe import ModelEntry, Recipe
from barmill.pipeline.workspace import Stage, Workspace
from barmill.splits import Ranges

HELD_OUT = "held_out|"


@dataclass(frozen=True, slots=True)
class FoldForecast:
    """What one member said of one fold.

    positions : int64 (n,), labels of the run, ascending
    fitted_on : labels of the run that anything of it was fitted on
    held_out : what it said of rows that the refitted member does not see either, by which the two are compared; None where none are asked
    """

    positions: Positions
    said: Said
    fitted_on: Ranges
    held_out: Said | None = None

    def write(self, folder: Path) -> None:
        tensors: dict[str, Any] = {"positions": self.positions, "fitted_on": self.fitted_on.bounds, **said_tensors(self.said)}
        if self.held_out is not None:
            tensors |= said_tensors(self.held_out, HELD_OUT)
        write_new(folder / "forecasts.safetensors", save_tensors(tensors))

    @classmethod
    def read(cls, folder: Path) -> "FoldForecast":
        tensors = load_tensors((folder / "forecasts.safetensors").read_bytes())
        held_out = said_from(tensors, HELD_OUT) if f"{HELD_OUT}p" in tensors else None
        return cls(tensors["positions"], said_from(tensors), Ranges(tensors["fitted_on"]), held_out)


def forecast_fold(
    number: int,
    folds: OofFolds,
    entries: Mapping[str, ModelEntry],
    stages: Mapping[str, Stage],
    workspace: Workspace,
    data: Dataset,
    recipe: Recipe,
    windows: Mapping[str, Window],
    read_bars: Callable[[], Bars],
    listener: Listener,
    held_out: Positions | None = None,
) -> None:
    """Make the stages of fold `number` that are not there yet; what is scaled for one member serves the others.

    held_out : labels of the run that no fold learns from, of which each fold's models are asked too

    Raises: TrainingError for a member whose fit goes wrong, or whose forecasts nothing can learn from.
    """
    missing = {label: stage for label, stage in stages.items() if workspace.record(stage) is None}
    if not missing:
        return
    parts = fold_parts(data.labels, folds.train(number), recipe, folds.oof.purge_bars, alone=True)
    scaled, test = fold_data(data, parts["fit"], read_bars), folds.test(number)
    for label, stage in missing.items():
        listener.started(stage.name)
        entry, window, began = entries[label], windows[label], time.perf_counter()
        model = fit_entry(entry, parts, scaled, recipe, window)
        said = said_by(model, scaled.view(test, window, entry.inputs))
        asked = None if held_out is None else said_by(model, scaled.view(held_out, window, entry.inputs))
        for one in (said, asked):
            if one is not None:
                surviving([one], [Member(label, learned_outputs(entry))], "error")
        seen = Ranges.of(np.sort(np.concatenate(list(parts.values()))))
        with workspace.writing(stage) as folder:
            FoldForecast(test, said, seen, asked).write(folder)
        listener.finished(stage.name, time.perf_counter() - began)


__all__ = ["FoldForecast", "forecast_fold"]
