"""The whole pipeline on one market: bars, features, labels, folds, tuning, fits, calibration, thresholds, trading; and what came of it.

Everything is what a run does, by the code that a run uses: the shared stages of `prepare` in a folder of their own, and the fold
work of `folds`, which fits anew whatever learns. Only the rows are cut as `proof_folds` says, so that nearly all of them are forecast.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.evaluation import Ledger, classification_scores, fit_thresholds
from barmill.market import Bars, builtin_symbols, null_market, simulate
from barmill.models.contract import Window
from barmill.pipeline.calibrating import regimes_at
from barmill.pipeline.dataset import Dataset, ScaledData
from barmill.pipeline.events import Silence
from barmill.pipeline.folds import fit_entry, fold_data, fold_parts
from barmill.pipeline.inputs import RunInputs, gather_inputs
from barmill.pipeline.plan import stages_of
from barmill.pipeline.prepare import dataset_of, prepare
from barmill.pipeline.proving.direction import DirectionScore, direction_score, gross_direction
from barmill.pipeline.proving.job import CONTROL, MarketTask, PipelineUnderProof
from barmill.pipeline.proving.promotion import enter_trials, open_ledger, promotions
from barmill.pipeline.proving.proof_folds import ProofFold, proof_folds
from barmill.pipeline.proving.witness import remembered
from barmill.pipeline.recipe import ModelEntry
from barmill.pipeline.trading_path import TradingPath, signal_of
from barmill.pipeline.tuning.tuner import Tuning, tune_model
from barmill.pipeline.workspace import Workspace

Float64Array = npt.NDArray[np.float64]

ORACLE = "oracle"


def prove_market(task: MarketTask, pipeline: PipelineUnderProof, like: Bars) -> dict[str, Any]:
    """Run the pipeline on the market of `task` and measure it. The same arguments give the same result, to the bit.

    Parameters
    ----------
    like : the bars that markets are made like; a control takes nothing of them but instrument and timeframe

    Returns
    -------
    plain JSON: `task`, `data` (fingerprint), `n_labels`, `trials`; `border`, what the witness scores on the short folds, {total, n}; and by
    model, over the contiguous folds, `direction` {total, n}, `label_auc`, `fold_auc`, and `net` and `gross` {sharpe, sr0, dsr}.
    """
    bars, oracle = _market(task, pipeline, like)
    with tempfile.TemporaryDirectory(prefix="barmill-prove-") as folder:
        return _Market(task, pipeline, bars, oracle, Path(folder)).measured()


def _market(task: MarketTask, pipeline: PipelineUnderProof, like: Bars) -> tuple[Bars, Float64Array | None]:
    if task.kind != CONTROL:
        return replace(null_market(task.kind, task.n_bars, task.seed, like), instrument=pipeline.instrument), None
    symbol = like.instrument.symbol if like.instrument.symbol in builtin_symbols() else "SIM"
    horizon = pipeline.recipe.labels.horizon
    made = simulate(task.n_bars, task.seed, task.strength or 0.0, horizon, symbol, timeframe=like.timeframe)
    unknown = [name for name in made.bars.frame.columns[6:] if name not in like.frame.columns]
    bars = replace(made.bars, instrument=pipeline.control_instrument, frame=made.bars.frame.drop(unknown))
    return bars, made.oracle


@dataclass
class _Forecasts:
    """What one model said of a market, fold after fold."""

    signals: Float64Array
    direction: list[DirectionScore] = field(default_factory=list[DirectionScore])
    label_auc: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    fold_auc: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])


class _Market:
    """One market with everything that its models share."""

    def __init__(self, task: MarketTask, pipeline: PipelineUnderProof, bars: Bars, oracle: Float64Array | None, folder: Path) -> None:
        self.task, self.pipeline, self.bars, self.oracle = task, pipeline, bars, oracle
        self.recipe = pipeline.recipe
        self.horizon = self.recipe.labels.horizon
        self.inputs: RunInputs = gather_inputs(self.recipe, bars, None, None)
        self.data = prepared(self.inputs, Workspace(folder))
        self.path = TradingPath.of(bars, 0, len(bars), self.recipe)
        self.ledger = Ledger(folder / "ledger", bars.fingerprint)
        open_ledger(self.ledger, bars)

    def measured(self) -> dict[str, Any]:
        settings, labels = self.pipeline.settings, self.data.labels
        short_folds = 0 if self.task.kind == CONTROL else settings.short_folds
        gaps = (self.pipeline.purge_bars, self.pipeline.embargo_bars)
        said = {entry.label: _Forecasts(np.full(len(self.bars), np.nan)) for entry in self.recipe.base_models}
        known = np.full(len(self.bars), np.nan)
        border: list[DirectionScore] = []
        for fold in proof_folds(labels, settings.folds, short_folds, self.horizon, *gaps):
            if fold.short:
                border.append(self._witness(fold))
            else:
                self._judge(fold, said, known)
        earned = {label: self.path.traded(forecasts.signals) for label, forecasts in said.items()}
        trials = {entry.label: {"entry": entry.model_dump(mode="json"), "data": self.bars.fingerprint} for entry in self.recipe.base_models}
        kept = {label: result.net for label, result in earned.items()}
        enter_trials(self.ledger, trials, kept)
        n_trials = self.ledger.counts().total
        net = promotions(n_trials, kept)
        gross = promotions(n_trials, {label: result.gross for label, result in earned.items()})
        models = {
            label: {**_scores(forecasts), "net": net[label].to_json(), "gross": gross[label].to_json()} for label, forecasts in said.items()
        }
        made: dict[str, Any] = {
            "task": self.task.model_dump(mode="json"),
            "data": self.bars.fingerprint,
            "n_labels": len(labels),
            "trials": n_trials,
            "border": _pooled(border),
            "models": models,
        }
        if self.oracle is not None:
            made[ORACLE] = {"sharpe": self.path.traded(known).metrics["sharpe"], "periods": self.path.periods}
        return made

    def _witness(self, fold: ProofFold) -> DirectionScore:
        """What who remembers the training rows of `fold` knows of its test rows."""
        labels = self.data.labels
        said = remembered(labels.t0, labels.classes(self.recipe.labels.classes), fold.train, fold.test)
        return direction_score(said, gross_direction(self.bars, labels, fold.test, self.horizon))

    def _judge(self, fold: ProofFold, said: Mapping[str, _Forecasts], known: Float64Array) -> None:
        """Fit each model on what `fold` lets it learn from, and score what it says of the test rows."""
        labels, rows = self.data.labels, fold.test
        direction = gross_direction(self.bars, labels, rows, self.horizon)
        y = labels.classes(self.recipe.labels.classes)[rows] == self.recipe.labels.classes - 1
        parts = fold_parts(labels, fold.train, self.recipe, self.pipeline.purge_bars)
        scaled = fold_data(self.data, parts["fit"], lambda: self.bars)
        if self.oracle is not None:
            self._follow_oracle(parts["selection"], rows, known)
        for entry in self.recipe.base_models:
            window = self.inputs.windows[entry.label]
            entry = self._tuned(entry, fold, window)
            model = fit_entry(entry, parts, scaled, self.recipe, window, device="cpu")
            p_up = self._forecast(model, scaled, fold, window, entry)
            forecasts = said[entry.label]
            forecasts.direction.append(direction_score(p_up, direction))
            moved = np.isin(direction, (1.0, -1.0))
            forecasts.fold_auc.append((_auc(p_up[moved], direction[moved] > 0), int(moved.sum())))
            forecasts.label_auc.append((_auc(p_up, y), rows.size))
            forecasts.signals[labels.t0[rows]] = signal_of(p_up, model.thresholds)

    def _forecast(self, model: Any, scaled: ScaledData, fold: ProofFold, window: Window, entry: ModelEntry) -> Float64Array:
        return model.p_up(scaled.view(fold.test, window, entry.inputs), regimes_at(self.recipe, scaled, fold.test))

    def _tuned(self, entry: ModelEntry, fold: ProofFold, window: Window) -> ModelEntry:
        """The entry with the parameters that a tuning on the fold's training rows found, where the recipe asks for one."""
        config = self.recipe.tune
        if config is None or (config.models is not None and entry.label not in config.models):
            return entry
        gaps = (self.pipeline.purge_bars, self.pipeline.embargo_bars)
        tuning = Tuning(entry, config, self.recipe, {"data": self.bars.fingerprint}, window, *gaps)
        tuned = tune_model(tuning, self.data, self.bars, fold.train, trials=config.fold_trials, ledger=self.ledger)
        return entry.model_copy(update={"config": {**entry.config, **tuned.best.params}})

    def _follow_oracle(self, selection: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], known: Float64Array) -> None:
        """Trade what the simulator planted by the rule that the models trade by, thresholds from the same selection rows."""
        assert self.oracle is not None
        t0 = self.data.labels.t0
        scale = float(np.std(self.oracle)) or 1.0
        p = 1.0 / (1.0 + np.exp(-self.oracle / scale))  # the rule asks for probabilities; any increasing function trades alike
        thresholds = fit_thresholds(p[t0[selection]], self.recipe.rule)
        known[t0[rows]] = signal_of(p[t0[rows]], thresholds)


def prepared(inputs: RunInputs, workspace: Workspace) -> Dataset:
    """Bars, features, labels and scaling of a market, as the stages of a run make them."""
    stages = stages_of(inputs)
    prepare(inputs, stages, workspace, Silence())
    return dataset_of(inputs, stages, workspace)


def _scores(forecasts: _Forecasts) -> dict[str, Any]:
    return {
        "direction": _pooled(forecasts.direction),
        "label_auc": _weighted(forecasts.label_auc),
        "fold_auc": _weighted(forecasts.fold_auc),
    }


def _pooled(scores: list[DirectionScore]) -> dict[str, float | int]:
    return {"total": float(sum(score.total for score in scores)), "n": sum(score.n for score in scores)}


def _weighted(scores: list[tuple[float, int]]) -> float:
    known = [(value, n) for value, n in scores if np.isfinite(value)]
    return float(sum(value * n for value, n in known) / sum(n for _, n in known)) if known else float("nan")


def _auc(p_up: Float64Array, up: npt.NDArray[np.bool_]) -> float:
    return classification_scores(p_up, up.astype(np.int8)).roc_auc


__all__ = ["ORACLE", "prepared", "prove_market"]
