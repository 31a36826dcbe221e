"""The stages that every model shares: bars, features, labels, splits and scaling."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from barmill.artefacts import readable_json, write_new
from barmill.errors import SchemaError
from barmill.features import FeaturePlan, warm_kernels
from barmill.labels import check_classes, make_labels
from barmill.pipeline.bands.checking import check_regime
from barmill.pipeline.cutting import CutLabels
from barmill.pipeline.dataset import Dataset, floor_of, load_labels, load_positions, save_bars, save_labels, save_positions
from barmill.pipeline.events import Listener, StageProgress
from barmill.pipeline.facts import blocks_in
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.plan import Stages
from barmill.pipeline.workspace import Stage, Workspace
from barmill.views import RobustScaler


def prepare(inputs: RunInputs, stages: Stages, workspace: Workspace, listener: Listener) -> dict[str, float]:
    """Compute the shared stages that are not there yet. Returns the seconds of each."""
    makers: dict[str, Callable[[Path], None]] = {
        "bars": lambda folder: save_bars(folder, inputs.bars),
        "features": lambda folder: _features(inputs, folder, listener),
        "labels": lambda folder: _labels(inputs, workspace.path(stages.features), folder),
        "splits": lambda folder: _splits(inputs, workspace.path(stages.labels), folder),
        "fitted features": lambda folder: _fitted_features(inputs, workspace, stages, folder, listener),
        "scaling": lambda folder: _scaled(dataset_of(inputs, stages, workspace), folder),
    }
    seconds: dict[str, float] = {}
    for stage in stages.shared:
        if workspace.record(stage) is None:
            seconds[stage.name] = make_stage(stage, makers[stage.name], workspace, listener)
    config = inputs.recipe.inference.uncertainty
    if config is not None and config.has_slice:
        data = dataset_of(inputs, stages, workspace)
        check_regime(inputs.recipe, data.scaled_data, data.positions["conformal"])
    return seconds


def dataset_of(inputs: RunInputs, stages: Stages, workspace: Workspace) -> Dataset:
    """The prepared data of the run."""
    named = {"features": stages.table, "labels": stages.labels, "splits": stages.splits, "scaled": stages.scaled, "bars": stages.bars}
    return Dataset.of(workspace, named, inputs.recipe.labels.classes, inputs.recipe.labels.horizon, inputs.volatility)


def make_stage(stage: Stage, maker: Callable[[Path], None], workspace: Workspace, listener: Listener) -> float:
    """Let `maker` write the files of `stage`; returns the seconds that it took."""
    listener.started(stage.name)
    began = time.perf_counter()
    with workspace.writing(stage) as folder:
        maker(folder)
    seconds = time.perf_counter() - began
    listener.finished(stage.name, seconds)
    return seconds


def _features(inputs: RunInputs, folder: Path, listener: Listener) -> None:
    """Every feature that needs no fitting, and the rows on which all features are ready: that does not wait for the fit."""
    warm_kernels(StageProgress(listener, "compile"), inputs.plan.features)
    _write_table(inputs.plan.without_fits(), inputs, folder, StageProgress(listener, "features"))


def _fitted_features(inputs: RunInputs, workspace: Workspace, stages: Stages, folder: Path, listener: Listener) -> None:
    """Every feature, after those that learn have learned on the bars of the training block alone."""
    labels = load_labels(workspace.path(stages.labels))
    train = labels.t0[load_positions(workspace.path(stages.splits))["train"]]
    plan = inputs.plan.fit(inputs.bars, [(int(train[0]), int(train[-1]))])
    ready = _write_table(plan, inputs, folder, StageProgress(listener, "fitted features"))
    if not ready[labels.t0].all():
        row = int(labels.t0[np.argmin(ready[labels.t0])])
        raise SchemaError(
            "fitted features", f"bar {row} is not ready", expected="all that have a label", mend="Report this: it is a fault."
        )


def _write_table(plan: FeaturePlan, inputs: RunInputs, folder: Path, progress: StageProgress) -> npt.NDArray[np.bool_]:
    """Scan into the file that later stages map; returns which rows are ready."""
    ready = plan.write(inputs.bars, folder / "values.npy", progress=progress).ready
    ready[: inputs.plan.warmup_bars] = False
    np.save(folder / "ready.npy", ready, allow_pickle=False)
    write_new(folder / "names.json", readable_json(list(plan.names)))
    write_new(folder / "plan.json", readable_json(plan.to_json()))
    return ready


def _labels(inputs: RunInputs, features: Path, folder: Path) -> None:
    ready = np.load(features / "ready.npy", allow_pickle=False)
    labels = make_labels(inputs.bars, inputs.recipe.labels, inputs.ready(ready))
    save_labels(folder, labels)


def _splits(inputs: RunInputs, labels_folder: Path, folder: Path) -> None:
    recipe = inputs.recipe
    cut = CutLabels.of(load_labels(labels_folder), recipe, inputs.bars.timeframe)
    y = cut.labels.classes(recipe.labels.classes)
    for name in (block for block in blocks_in(cut.positions) if block != "conformal"):  # bands are of returns and need no class
        check_classes(y[cut.positions[name]], recipe.labels.classes, f"the {name.replace('_', ' ')} block")
    save_positions(folder, cut.positions, cut.dropped)


def _scaled(dataset: Dataset, folder: Path) -> None:
    rows = dataset.labels.t0[dataset.positions["train"]]
    scaler = RobustScaler.fit(dataset.values, rows, names=dataset.names)
    np.save(folder / "base.npy", scaler.transform(dataset.values), allow_pickle=False)
    write_new(folder / "scaler.json", readable_json(scaler.to_json()))
    floor = floor_of(np.asarray(dataset.values[rows, dataset.names.index(dataset.volatility)]))
    write_new(folder / "volatility.json", readable_json({"feature": dataset.volatility, "floor": floor}))
