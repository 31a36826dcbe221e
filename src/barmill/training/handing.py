"""A fit handed to other processes through a folder: arrays that each of them maps, everything else as JSON.

Nothing is pickled. A fitted model comes back the same way: it is named bytes and JSON (see `FittedModel`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from barmill.artefacts import storage_errors, write_folder, write_new
from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, ModelParams, ModelSpec, Samples, View
from barmill.views import FeatureMatrix, MultiResolution, PatternImage, Resolution, WindowTensor

_KINDS = {kind.__name__: kind for kind in (Samples, FeatureMatrix, WindowTensor, MultiResolution, Resolution, PatternImage)}
_TOLD = ("seed", "n_classes", "outputs", "feature_names", "threads", "horizon")  # of a context, what JSON says as it is


@dataclass(frozen=True, slots=True)
class Task:
    """One fit for several processes.

    devices : the device of each process, by its number
    context : without a device, a training loop or a listener, which each process brings itself
    """

    spec: ModelSpec
    params: ModelParams
    train: Samples
    valid: Samples
    context: FitContext
    devices: tuple[str, ...]


def write_task(folder: Path, task: Task) -> None:
    """Write `task` into `folder`, each array once. Raises StorageError."""
    arrays: dict[int, tuple[str, Any]] = {}
    context = task.context
    told = {
        "model": task.spec.name,
        "params": task.params.model_dump(mode="json"),
        "devices": task.devices,
        "context": {name: getattr(context, name) for name in _TOLD},
        "folders": [None if path is None else str(path) for path in (context.scratch, context.logs)],
        "train": _described(task.train, arrays),
        "valid": _described(task.valid, arrays),
        "explain": _described(context.explain, arrays),
    }
    with storage_errors(folder):
        for name, array in arrays.values():
            np.save(folder / name, array, allow_pickle=False)
        write_new(folder / "task.json", json.dumps(told).encode())


def read_task(folder: Path) -> Task:
    """The task in `folder`, its arrays mapped and not read."""
    told: dict[str, Any] = json.loads((folder / "task.json").read_bytes())
    arrays: dict[str, Any] = {}
    train, valid, explain = (_built(told[name], folder, arrays) for name in ("train", "valid", "explain"))
    spec = spec_of(told["model"])
    plain = told["context"] | {name: tuple(told["context"][name]) for name in ("outputs", "feature_names")}
    scratch, logs = (None if path is None else Path(path) for path in told["folders"])
    context = FitContext(**plain, scratch=scratch, logs=logs, explain=explain)
    return Task(spec, spec.params.model_validate(told["params"]), train, valid, context, tuple(told["devices"]))


def write_fitted(folder: Path, fitted: FittedModel) -> None:
    """Write a fitted model into `folder`."""
    write_folder(folder / "files", fitted.files)
    write_folder(folder / "training_files", fitted.training_files)
    told = {"name": fitted.name, "summary": fitted.summary, "explanation": fitted.explanation}
    with storage_errors(folder):
        write_new(folder / "fitted.json", json.dumps(told).encode())


def read_fitted(folder: Path) -> FittedModel:
    """The fitted model that `write_fitted` wrote."""
    told: dict[str, Any] = json.loads((folder / "fitted.json").read_bytes())
    return FittedModel(**told, files=_bytes_below(folder / "files"), training_files=_bytes_below(folder / "training_files"))


def _bytes_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _described(value: Samples | View | Any, arrays: dict[int, tuple[str, Any]]) -> Any:
    """`value` as JSON; its arrays are collected in `arrays`, those that several share once."""
    if isinstance(value, np.ndarray):
        name, _ = arrays.setdefault(id(value), (f"{len(arrays)}.npy", value))
        return {"array": name}
    if is_dataclass(value):
        inner = {one.name: _described(getattr(value, one.name), arrays) for one in fields(value) if one.init}
        return {"kind": type(value).__name__, "fields": inner}
    if isinstance(value, Mapping):
        return {"mapping": {name: _described(one, arrays) for name, one in value.items()}}
    if isinstance(value, tuple):
        return [_described(one, arrays) for one in value]
    return value


def _built(told: Any, folder: Path, arrays: dict[str, Any]) -> Any:
    if isinstance(told, list):
        return tuple(_built(one, folder, arrays) for one in told)
    if not isinstance(told, dict):
        return told
    if "array" in told:
        name: str = told["array"]
        if name not in arrays:
            arrays[name] = np.load(folder / name, mmap_mode="r", allow_pickle=False)
        return arrays[name]
    inner: dict[str, Any] = told["mapping"] if "mapping" in told else told["fields"]
    built = {name: _built(one, folder, arrays) for name, one in inner.items()}
    return built if "mapping" in told else _KINDS[told["kind"]](**built)


__all__ = ["Task", "read_fitted", "read_task", "write_fitted", "write_task"]
