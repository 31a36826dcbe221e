"""The weights of an ensemble's members at every bar that it forecasts, and with them what tells the regime."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.bundles import Bundle
from barmill.bundles.ensemble_pipeline import EnsemblePipeline
from barmill.features import FeatureTable

WEIGHTS_FILE = "weights.parquet"  # beside the forecasts; only where an ensemble weighs its members
WEIGHT, REGIME = "weight|", "regime|"  # before the names of members and features
POINTS = 240  # of a chart: more than it has room for
DECIMALS = 4

Float64Array = npt.NDArray[np.float64]


def weights_of(bundle: Bundle, table: FeatureTable, open_time: npt.NDArray[np.int64]) -> pl.DataFrame | None:
    """A row for each bar of `open_time`: open_time, WEIGHT and the name of each member, REGIME and that of each feature that is read.

    None for one model, and for an ensemble that weighs nothing.
    """
    pipeline = bundle.pipeline
    if not isinstance(pipeline, EnsemblePipeline):
        return None
    rows = np.searchsorted(table.open_time, open_time)
    weights = pipeline.weights(table.values, rows)
    if weights is None:
        return None
    columns = {f"{WEIGHT}{member.label}": weights[:, place] for place, member in enumerate(pipeline.members)}
    regimes = {f"{REGIME}{name}": table.values[rows, pipeline.names.index(name)] for name in pipeline.regimes}
    return pl.DataFrame({"open_time": open_time, **columns, **regimes})


def told_weights(folder: Path) -> dict[str, Any] | None:
    """What `weights_of` kept in `folder`, plain JSON: `shares` (mean weight of each member) and, where weights move, `through_time`.

    That is thinned to POINTS: `open_time` (ms) of the first bar of each stretch, and means over the stretch: `members`, which still sum to
    1, and `regimes`.
    """
    file = folder / WEIGHTS_FILE
    if not file.exists():
        return None
    frame = pl.read_parquet(file)
    members = {name.removeprefix(WEIGHT): frame[name].to_numpy() for name in frame.columns if name.startswith(WEIGHT)}
    regimes = {name.removeprefix(REGIME): frame[name].to_numpy() for name in frame.columns if name.startswith(REGIME)}
    moves = any(weight.max() > weight.min() for weight in members.values())
    starts = np.unique(np.linspace(0, frame.height, POINTS, endpoint=False).astype(np.int64))
    through_time = {
        "open_time": frame["open_time"].to_numpy()[starts].tolist(),
        "members": {label: _thinned(weight, starts) for label, weight in members.items()},
        "regimes": {name: _thinned(values, starts) for name, values in regimes.items()},
    }
    return {
        "shares": {label: float(weight.mean()) for label, weight in members.items()},
        "n_bars": frame.height,
        "through_time": through_time if moves else None,
    }


def _thinned(values: Float64Array, starts: npt.NDArray[np.int64]) -> list[float]:
    lengths = np.diff(np.append(starts, values.size))
    return (np.add.reduceat(values, starts) / lengths).round(DECIMALS).tolist()


__all__ = ["REGIME", "WEIGHT", "WEIGHTS_FILE", "told_weights", "weights_of"]
