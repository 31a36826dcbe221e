"""The prepared data of a run, as its stages left it: features, labels, splits and scaled inputs, memory-mapped."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from barmill.artefacts import read_json, readable_json, write_new
from barmill.errors import DataError
from barmill.features import FeaturePlan
from barmill.labels import Labels, average_uniqueness
from barmill.market import Bars, Instrument
from barmill.models.contract import Samples, View, Window
from barmill.pipeline.workspace import Stage, Workspace
from barmill.views import FeatureMatrix, MultiResolution, RobustScaler, WindowTensor

Positions = npt.NDArray[np.int64]

DEVELOPMENT = "development"  # the block of all rows before the test block, where a run cross-validates
VOLATILITY_FLOOR_QUANTILE = 0.01  # bars that stood still must not make a target infinite


def save_bars(folder: Path, bars: Bars) -> None:
    """Write the bars of a run, and the instrument with its costs, which a file of bars does not hold."""
    bars.write(folder / "bars.parquet")
    write_new(folder / "instrument.json", readable_json(bars.instrument.model_dump(mode="json")))


def load_bars(folder: Path) -> Bars:
    """The bars of a run, as its first stage kept them."""
    instrument = Instrument.model_validate_json((folder / "instrument.json").read_bytes())
    return Bars.read(folder / "bars.parquet", instrument=instrument)


def save_labels(folder: Path, labels: Labels) -> None:
    """Write labels as one safetensors file and what was set aside as JSON."""
    values = {item.name: getattr(labels, item.name) for item in fields(labels)}
    arrays = {name: np.ascontiguousarray(value) for name, value in values.items() if isinstance(value, np.ndarray)}
    plain = {name: value for name, value in values.items() if name not in arrays}
    write_new(folder / "labels.safetensors", save_tensors(arrays))
    write_new(folder / "labels.json", readable_json(plain))


def load_labels(folder: Path) -> Labels:
    arrays: dict[str, Any] = load_tensors((folder / "labels.safetensors").read_bytes())
    plain = read_json(folder / "labels.json")
    return Labels(**arrays, **plain)


def save_positions(folder: Path, blocks: dict[str, Positions], dropped: dict[str, int]) -> None:
    """Write the sample positions of each block, and how many were dropped and why."""
    write_new(folder / "positions.safetensors", save_tensors({name: np.ascontiguousarray(rows) for name, rows in blocks.items()}))
    write_new(folder / "dropped.json", readable_json(dropped))


def load_positions(folder: Path) -> dict[str, Positions]:
    return load_tensors((folder / "positions.safetensors").read_bytes())


@dataclass(frozen=True)
class Dataset:
    """Views, targets and weights for any block of the run.

    features, labels, splits, scaled, bars : folders of the finished stages
    n_classes : 2 or 3
    horizon : bars, of the labels
    volatility : name of the feature that scales targets
    """

    features: Path
    labels_folder: Path
    splits: Path
    scaled: Path
    n_classes: int
    horizon: int
    volatility: str
    bars: Path | None = None  # only models of several timeframes look at them

    @classmethod
    def of(cls, workspace: Workspace, stages: dict[str, Stage], n_classes: int, horizon: int, volatility: str) -> "Dataset":
        features, labels, splits, scaled, bars = (
            workspace.path(stages[name]) for name in ("features", "labels", "splits", "scaled", "bars")
        )
        return cls(features, labels, splits, scaled, n_classes, horizon, volatility, bars)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(read_json(self.features / "names.json"))

    @cached_property
    def values(self) -> npt.NDArray[np.float64]:
        """Unscaled features of every bar, float64 of shape (n_bars, n_features), memory-mapped."""
        return np.load(self.features / "values.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def base(self) -> npt.NDArray[np.float32]:
        """Scaled features of every bar, float32 of shape (n_bars, n_features), memory-mapped."""
        return np.load(self.scaled / "base.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def labels(self) -> Labels:
        return load_labels(self.labels_folder)

    @cached_property
    def uniqueness(self) -> npt.NDArray[np.float64]:
        """What labels weigh: not brought to a mean of 1 over all of them, so that no bit of it depends on the test block."""
        return average_uniqueness(self.labels.t0, self.labels.t1, self.labels.n_bars)

    @cached_property
    def positions(self) -> dict[str, Positions]:
        return load_positions(self.splits)

    @cached_property
    def scaler(self) -> RobustScaler:
        return RobustScaler.from_json(read_json(self.scaled / "scaler.json"))

    @cached_property
    def volatility_floor(self) -> float:
        return float(read_json(self.scaled / "volatility.json")["floor"])

    @property
    def plan(self) -> FeaturePlan:
        """The features, as fitted on the training block where they learn."""
        return FeaturePlan.from_json(read_json(self.features / "plan.json"))

    @cached_property
    def scaled_data(self) -> "ScaledData":
        """Views and targets of any label, scaled by what the training block says."""
        scaled = (self.base, self.volatility, self.volatility_floor)
        return ScaledData(self.labels, self.uniqueness, self.names, self.values, *scaled, self.horizon, self.n_classes, self.closed)

    @cached_property
    def closed(self) -> "ClosedBarsOfRun":
        """The closed bars of longer timeframes: the same for every fold, since nothing of them is fitted."""
        return ClosedBarsOfRun(self)

    def samples(self, block: str, window: Window, inputs: tuple[str, ...]) -> Samples:
        """The samples of `block` as a model with this `window` and these `inputs` (all, if empty) sees them."""
        return self.scaled_data.samples(self.positions[block], window, inputs)


class ClosedBarsOfRun:
    """The closed bars of longer timeframes in a run, read when the first model asks for them and kept."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._views: dict[tuple[tuple[str, int], ...], MultiResolution] = {}

    def view(self, lengths: Mapping[str, int]) -> MultiResolution:
        """Bars of each timeframe as every bar of the run knows them, without samples; counted as the run's features count them."""
        key = tuple(sorted(lengths.items()))
        if key not in self._views:
            assert self._dataset.bars is not None
            bars = load_bars(self._dataset.bars)
            self._views[key] = MultiResolution.of(bars, lengths, ends=(), anchor=self._dataset.plan.anchor)
        return self._views[key]


@dataclass(frozen=True, slots=True)
class ScaledData:
    """Features scaled by the training rows of a run or of a fold, and the samples that models see of them.

    labels : of the run; uniqueness : float64 (n_labels,), what they weigh
    names : columns of the features
    values : float64 (n_bars, n_features), unscaled
    base : float32 (n_bars, n_features), scaled
    volatility : name of the feature that scales targets; floor : the least that it is taken to be, float
    horizon : bars, of the labels
    n_classes : 2 or 3
    closed : the bars of longer timeframes
    """

    labels: Labels
    uniqueness: npt.NDArray[np.float64]
    names: tuple[str, ...]
    values: npt.NDArray[np.float64]
    base: npt.NDArray[np.float32]
    volatility: str
    floor: float
    horizon: int
    n_classes: int
    closed: ClosedBarsOfRun

    def view(self, positions: Positions, window: Window, inputs: tuple[str, ...]) -> View:
        """What a model with this `window` and these `inputs` (all, if empty) sees of the labels at `positions`."""
        return self.view_at(np.ascontiguousarray(self.labels.t0[positions]), window, inputs)

    def view_at(self, rows: Positions, window: Window, inputs: tuple[str, ...]) -> View:
        """The same at the bars `rows`, whatever is asked there."""
        if isinstance(window, Mapping):
            return self.closed.view(window).samples(rows, self._volatility(rows))
        base = self.base if not inputs else np.ascontiguousarray(self.base[:, [self.names.index(name) for name in inputs]])
        return FeatureMatrix(base, rows) if window is None else WindowTensor(base, rows, window)

    def samples(self, positions: Positions, window: Window, inputs: tuple[str, ...]) -> Samples:
        """The labels at `positions`, with targets in units of the volatility known at the decision, and weights of mean 1."""
        weight = self.uniqueness[positions]
        return Samples(
            view=self.view(positions, window, inputs),
            y=self.labels.classes(self.n_classes)[positions],
            z=self.labels.net_log_return[positions] / self.scale(positions),
            weight=weight / weight.mean(),
        )

    def scale(self, positions: Positions) -> npt.NDArray[np.float64]:
        """Volatility of the label's horizon as known at the decision: what targets are divided by."""
        return self._volatility(self.labels.t0[positions]) * np.sqrt(self.horizon)

    def _volatility(self, rows: Positions) -> npt.NDArray[np.float64]:
        """Volatility of a bar as known at the decision: what the prices of several timeframes are divided by."""
        per_bar = np.asarray(self.values[rows, self.names.index(self.volatility)])
        return np.maximum(per_bar, self.floor)


def floor_of(volatility: npt.NDArray[np.float64]) -> float:
    """The least volatility that targets are divided by: a low quantile of what the training rows had, zeros aside.

    Raises: DataError if there is none above zero.
    """
    moving = volatility[volatility > 0]
    if not moving.size:
        raise DataError("train", "the price never moves", mend="Give bars in which something happens.")
    return float(np.quantile(moving, VOLATILITY_FLOOR_QUANTILE))
