"""The work of one fold: what its training rows teach, and nothing else.

A run's own blocks and the folds of its cross-validation differ in one thing, which rows train. So a fold fits anew all that
is fitted: the features that learn, the scaler, the volatility floor, the model, its calibration and its thresholds.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from barmill.labels import check_classes
from barmill.market import Bars
from barmill.models.contract import View, Window
from barmill.models.explaining import evenly
from barmill.pipeline.calibrating import HeldOut, regimes_at
from barmill.pipeline.dataset import Dataset, Positions, ScaledData, floor_of
from barmill.pipeline.model_fit import CalibratedModel, calibrate_model, columns_of, fit_model
from barmill.pipeline.recipe import ModelEntry, Recipe
from barmill.progress import Progress
from barmill.splits import LabelSpans, validation_slices
from barmill.views import FeatureMatrix, RobustScaler

FOLD_PARTS = ("fit", "early_stopping", "calibration", "selection")
EXPLAINED_ROWS, EXPLAINED_WINDOWS = 256, 64  # of a fold: what it looks at is a mean over many of them


def fold_parts(labels: LabelSpans, train: Positions, recipe: Recipe, purge_bars: int, *, alone: bool = False) -> dict[str, Positions]:
    """The training rows of a fold, cut in time order as the run cuts its own: to fit, to stop, to calibrate, to choose.

    The share that fits is that of `splits.train` in train and validation together; the rest is cut by `validation`. An earlier part
    gives up the labels that reach a later one.

    Parameters
    ----------
    labels : of the run
    train : int64 positions, ascending, purged of everything that the fold is judged on
    purge_bars : least that a label is taken to span
    alone : cut for one model, without the slices that ensembles and bands are fitted on

    Raises: SplitError naming the part that has nothing left.
    """
    fit = recipe.splits.train / (recipe.splits.train + recipe.splits.validation)
    validation = recipe.validation.shares(ensembles=False, conformal=None) if alone else recipe.validation_shares
    shares = {"fit": fit, **{name: share * (1 - fit) for name, share in validation.items()}}
    return validation_slices(labels, train, shares, purge_bars)


def fold_data(dataset: Dataset, train: Positions, read_bars: Callable[[], Bars]) -> ScaledData:
    """The samples of a run as the training rows of one fold scale them.

    Parameters
    ----------
    train : int64 positions of the rows that fit; features that learn, scaler and volatility floor see no others
    read_bars : the bars of the run; called only where features learn
    """
    values = _values(dataset, train, read_bars)
    rows = dataset.labels.t0[train]
    scaler = RobustScaler.fit(values, rows, names=dataset.names)
    floor = floor_of(np.asarray(values[rows, dataset.names.index(dataset.volatility)]))
    scaled = (scaler.transform(values), dataset.volatility, floor)
    return ScaledData(
        dataset.labels, dataset.uniqueness, dataset.names, values, *scaled, dataset.horizon, dataset.n_classes, dataset.closed
    )


def fit_entry(
    entry: ModelEntry,
    parts: dict[str, Positions],
    data: ScaledData,
    recipe: Recipe,
    window: Window,
    progress: Progress | None = None,
    device: str | None = None,
    *,
    explained: bool = False,
) -> CalibratedModel:
    """Fit, calibrate and set the thresholds of one model on the parts of one fold.

    Parameters
    ----------
    parts : as `fold_parts` gives them
    data : as `fold_data` gives it for parts["fit"]
    window : bars that the model sees, by timeframe where there are several, None for one row
    explained : say what the model looks at on some of the fold's rows to choose by: enough to compare it with other folds

    Raises: LabelError for a part without one of the classes, which can be neither learned nor judged.
    """
    y = data.labels.classes(data.n_classes)
    for name in FOLD_PARTS:
        check_classes(y[parts[name]], data.n_classes, f"the fold's rows for {name.replace('_', ' ')}")
    blocks = {name: data.samples(parts[name], window, entry.inputs) for name in FOLD_PARTS}
    names = columns_of(entry, window, data.names)
    explain = _some(blocks["selection"].view) if explained else None
    fitted = fit_model(entry, blocks["fit"], blocks["early_stopping"], names, recipe, device=device, explain=explain, progress=progress)
    rows, regime = HeldOut.of(recipe, data, parts["calibration"]), regimes_at(recipe, data, parts["selection"])
    model = calibrate_model(entry, fitted.files, blocks["calibration"], rows, blocks["selection"], regime, recipe)
    return replace(model, explanation=fitted.explanation)


def _some(view: View) -> View:
    return evenly(view, EXPLAINED_ROWS if isinstance(view, FeatureMatrix) else EXPLAINED_WINDOWS)


def _values(dataset: Dataset, train: Positions, read_bars: Callable[[], Bars]) -> npt.NDArray[np.float64]:
    """The features, of which those that learn have learned on the bars of `train` alone."""
    plan = dataset.plan
    if not plan.fitted:
        return dataset.values
    bars = read_bars()
    return replace(plan, fitted={}).fit(bars, stretches_of(dataset.labels, train)).compute(bars).values


def stretches_of(labels: LabelSpans, positions: Positions) -> list[tuple[int, int]]:
    """First and last decision bar of each run of consecutive positions."""
    if not positions.size:
        return []
    breaks = np.flatnonzero(np.diff(positions) > 1)
    first = np.concatenate([positions[:1], positions[breaks + 1]])
    last = np.concatenate([positions[breaks], positions[-1:]])
    return [(int(labels.t0[a]), int(labels.t0[b])) for a, b in zip(first, last, strict=True)]


__all__ = ["FOLD_PARTS", "fit_entry", "fold_data", "fold_parts", "stretches_of"]
