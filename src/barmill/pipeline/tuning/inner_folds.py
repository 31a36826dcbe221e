"""The judge of a setting: inner folds of the training rows, each with everything fitted anew on what it may learn from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import new_file
from barmill.errors import SplitError
from barmill.evaluation import classification_scores
from barmill.labels import check_classes
from barmill.market import Bars
from barmill.models.catalogue import spec_of
from barmill.models.contract import Window
from barmill.pipeline.calibrating import regimes_at
from barmill.pipeline.dataset import Dataset, Positions, ScaledData
from barmill.pipeline.folds import fit_entry, fold_data, fold_parts
from barmill.pipeline.recipe import ModelEntry, Recipe
from barmill.pipeline.trading_path import TradingPath, signal_of
from barmill.pipeline.tuning.config import TuneConfig
from barmill.pipeline.tuning.spaces import tuned_entry
from barmill.splits import LabelSpans, purged_kfold, walk_forward

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class InnerFold:
    """Rows of one inner fold, int64 positions among the labels of the run, ascending.

    parts : what its model learns from, by what it is for: fit, early_stopping, calibration, selection
    test : what judges it
    """

    parts: Mapping[str, Positions]
    test: Positions


@dataclass(frozen=True, slots=True)
class FoldOutcome:
    """What one setting came to in one inner fold.

    n : rows judged; log_loss, auc : of p_up against up or not, calibrated
    returns : float64, net return of each bar of the trading rule, thresholds from the fold's own selection slice
    periods : bars in a year
    """

    n: int
    log_loss: float
    auc: float
    returns: Float64Array
    periods: float


def inner_folds(
    labels: LabelSpans, train: Positions, config: TuneConfig, recipe: Recipe, purge_bars: int, embargo_bars: int
) -> list[InnerFold]:
    """Cut the training rows into inner folds; no row outside `train` is in any of them.

    Parameters
    ----------
    labels : of the run
    train : int64 positions, ascending
    purge_bars : least that a label is taken to span
    embargo_bars : bars left out after each judged stretch

    Raises: SplitError if a fold has nothing left to learn from.
    """
    t0 = labels.t0[train]
    t1 = np.maximum(labels.t1[train], t0 + purge_bars)
    if config.method == "walk_forward":
        cuts = walk_forward(t0, t1, config.folds, len(train) // (config.folds + 1), anchored=True)
    else:
        cuts = purged_kfold(t0, t1, config.folds, embargo_bars)
    folds: list[InnerFold] = []
    for number, (others, test) in enumerate(cuts):
        learns = train[others]
        try:
            parts = fold_parts(labels, learns, recipe, purge_bars)
        except SplitError as error:
            found = f"inner fold {number} has {len(learns)} rows to learn from: {error.found}"
            raise SplitError("tune.folds", found, mend="Give more bars, or lower tune.folds, splits.embargo or labels.horizon.") from error
        folds.append(InnerFold(parts, train[test]))
    return folds


class InnerFolds:
    """Fits and judges settings of one model on inner folds.

    Parameters
    ----------
    entry : the model, whose own parameters hold where a setting says nothing
    data, bars : of the run; only rows of `folds` are looked at
    window : bars that the model sees, by timeframe where there are several, None for one row
    scratch : where the scaled features of each fold are kept between trials; in memory if None

    Raises: LabelError for a fold in which some rows lack one of the classes.
    """

    def __init__(
        self,
        entry: ModelEntry,
        data: Dataset,
        bars: Bars,
        recipe: Recipe,
        folds: list[InnerFold],
        window: Window,
        scratch: Path | None = None,
    ) -> None:
        self.folds = folds
        self._entry = _cheapest(entry)
        self._data, self._bars, self._recipe, self._window, self._scratch = data, bars, recipe, window, scratch
        self._scaled: dict[int, ScaledData] = {}
        self._paths = self._trading_paths()
        self._check_classes()

    @property
    def n_returns(self) -> list[int]:
        """Bars with a return in each fold."""
        return [sum(max(0, len(path.bars) - 2) for _, path in paths) for paths in self._paths]

    def judge(self, params: Mapping[str, Any], number: int) -> FoldOutcome:
        """What these parameters come to in fold `number`: a function of the fold's rows, the parameters and the recipe's seed."""
        fold, data = self.folds[number], self._data_of(number)
        model = fit_entry(tuned_entry(self._entry, dict(params)), dict(fold.parts), data, self._recipe, self._window)
        view = data.view(fold.test, self._window, self._entry.inputs)
        p_up = model.p_up(view, regimes_at(self._recipe, data, fold.test))
        up = (data.labels.classes(data.n_classes)[fold.test] == data.n_classes - 1).astype(np.int8)
        scores = classification_scores(p_up, up)
        signals = signal_of(p_up, model.thresholds)
        net: list[Float64Array] = []
        for rows, path in self._paths[number]:
            net.append(path.traded(path.column(signals[rows], data.labels.t0[fold.test[rows]])).net)
        return FoldOutcome(len(up), scores.log_loss, scores.roc_auc, np.concatenate(net), self._paths[number][0][1].periods)

    def _check_classes(self) -> None:
        """What no setting can mend is told before any is tried."""
        y = self._data.labels.classes(self._data.n_classes)
        for number, fold in enumerate(self.folds):
            for name, rows in {**fold.parts, "test": fold.test}.items():
                check_classes(y[rows], self._data.n_classes, f"inner fold {number}, its rows for {name.replace('_', ' ')}")

    def _trading_paths(self) -> list[list[tuple[slice, TradingPath]]]:
        """For each fold, its stretches of rows with the bars that trading them runs through.

        A stretch is a run of rows without a hole; rows that a cross-validation holds back make one. It ends with the end of its last
        label, or where the next begins: a position that would be held longer is not, for those bars are no business of this tuning.
        """
        labels = self._data.labels
        stretches = [(number, rows) for number, fold in enumerate(self.folds) for rows in _runs(fold.test)]
        starts = [int(labels.t0[self.folds[number].test[rows][0]]) for number, rows in stretches]
        paths: list[list[tuple[slice, TradingPath]]] = [[] for _ in self.folds]
        for (number, rows), first, following in zip(stretches, starts, [*starts[1:], len(self._bars)], strict=True):
            stop = min(int(labels.t1[self.folds[number].test[rows]].max()) + 1, following)
            paths[number].append((rows, TradingPath.of(self._bars, first, stop, self._recipe)))
        return paths

    def _data_of(self, number: int) -> ScaledData:
        """The features as the fold's own rows scale them; made once, for they are the same for every trial."""
        if number not in self._scaled:
            data = fold_data(self._data, self.folds[number].parts["fit"], lambda: self._bars)
            if self._scratch is not None:
                data = replace(data, base=_mapped(self._scratch / f"fold-{number}.npy", data.base))
            self._scaled[number] = data
        return self._scaled[number]


def _runs(positions: Positions) -> list[slice]:
    """Where `positions` are consecutive."""
    bounds = [0, *(np.flatnonzero(np.diff(positions) > 1) + 1).tolist(), len(positions)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]


def _cheapest(entry: ModelEntry) -> ModelEntry:
    """A booster grows p_up and E_r apart, and E_r is not judged here; the heads of a network learn together."""
    return entry.model_copy(update={"outputs": ("p_up",)}) if spec_of(entry.name).family == "boosting" else entry


def _mapped(path: Path, base: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The same values from a file: a table for each inner fold would not fit into memory."""
    with new_file(path) as beside, beside.open("wb") as file:
        np.save(file, base, allow_pickle=False)
    return np.load(path, mmap_mode="r", allow_pickle=False)


__all__ = ["FoldOutcome", "InnerFold", "InnerFolds", "inner_folds"]
