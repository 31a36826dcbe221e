"""Worker: some splits of the cross-validation, every model in each. `python -m barmill.pipeline.cross_validating JOB`.

A split and a model make one stage: what is there is not done again, in whatever order splits were done before.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as save_tensors

from barmill.artefacts import readable_json, without_nan, write_new
from barmill.evaluation import Ledger, classification_metrics, sharpe_ratio
from barmill.market import Bars
from barmill.models.contract import Window
from barmill.pipeline.dataset import Dataset, Positions, ScaledData, load_bars
from barmill.pipeline.development import Development
from barmill.pipeline.folds import fit_entry, fold_data, fold_parts, stretches_of
from barmill.pipeline.job import CrossValidationJob, StageRef
from barmill.pipeline.model_fit import CalibratedModel
from barmill.pipeline.recipe import ModelEntry
from barmill.pipeline.trading_path import Float64Array, signal_of
from barmill.pipeline.tuning.spaces import tuned_entries, tuned_entry
from barmill.pipeline.tuning.stage import tuning_of
from barmill.pipeline.tuning.tuner import tune_model
from barmill.pipeline.worker import Teller, work
from barmill.pipeline.workspace import Workspace
from barmill.splits import Ranges


def cross_validate(raw: dict[str, Any], teller: Teller) -> None:
    """Do what is not done yet of the splits that the job names."""
    job = CrossValidationJob.model_validate(raw)
    folds = _Folds(job)
    for number, stages in job.splits.items():
        missing = {label: ref for label, ref in stages.items() if folds.workspace.record(ref.stage) is None}
        if missing:
            folds.judge(int(number), missing, teller)


class _Folds:
    """What the splits of one worker share."""

    def __init__(self, job: CrossValidationJob) -> None:
        self.job = job
        self.recipe = job.recipe
        self.workspace = Workspace(job.root)
        stages = {role: ref.stage for role, ref in job.stages.items()}
        labels = self.recipe.labels
        self.data = Dataset.of(self.workspace, stages, labels.classes, labels.horizon, job.volatility)
        self.bars: Bars = load_bars(self.workspace.path(stages["bars"]))
        self.development = Development.of(self.data.labels, self.data.positions, self.recipe, self.bars)
        self.path = self.development.path(self.bars, self.recipe)
        self.tuned = {entry.label for entry in tuned_entries(self.recipe)}

    def judge(self, number: int, stages: dict[str, StageRef], teller: Teller) -> None:
        """Fit each model on what split `number` lets it learn from, and forecast its test rows."""
        fold = self.development.folds[number]
        test = self.development.test(fold)
        parts = fold_parts(self.data.labels, self.development.train(fold), self.recipe, self.development.purge_bars)
        scaled = fold_data(self.data, parts["fit"], lambda: self.bars)
        for label, ref in stages.items():
            began = time.perf_counter()
            entry = next(entry for entry in self.recipe.base_models if entry.label == label)
            window = self.job.windows[label]
            if label in self.tuned:
                entry = self._tuned(entry, parts["fit"], self.workspace.scratch(ref.stage))
            model = fit_entry(entry, parts, scaled, self.recipe, window, explained=True)
            with self.workspace.writing(ref.stage) as folder:
                self._write(folder, model, scaled, parts, test, window, entry.inputs)
            self.workspace.drop_scratch(ref.stage)
            teller.finished(ref.stage.name, time.perf_counter() - began)

    def _tuned(self, entry: ModelEntry, train: Positions, scratch: Path) -> ModelEntry:
        """The model with parameters that were looked for among the rows that it is fitted on in this split, and counted."""
        prepared = {role: ref.stage for role, ref in self.job.stages.items()}
        tuning = tuning_of(self.recipe, entry, self.bars.timeframe, self.job.windows[entry.label], prepared)
        ledger = Ledger.of(self.bars.fingerprint)
        found = tune_model(tuning, self.data, self.bars, train, trials=tuning.config.fold_trials, scratch=scratch, ledger=ledger)
        return tuned_entry(entry, dict(found.best.params))

    def _write(
        self,
        folder: Path,
        model: CalibratedModel,
        scaled: ScaledData,
        parts: dict[str, Positions],
        test: Positions,
        window: Window,
        inputs: tuple[str, ...],
    ) -> None:
        said = model.forecaster.raw(scaled.view(test, window, inputs))
        p = model.calibration.apply(said.logits)
        seen = Ranges.of(np.sort(np.concatenate(list(parts.values()))))
        tensors = {"positions": test, "p": np.ascontiguousarray(p), "fitted_on": seen.bounds}
        scale = scaled.scale(test)
        if said.expected is not None:
            tensors["expected"] = np.ascontiguousarray(said.expected * scale)
        z = model.quantiles.apply(said.expected, said.logits, said.quantiles)
        tensors["quantiles"] = np.ascontiguousarray(z * scale[:, None])
        taught = model.p_up(scaled.view(parts["fit"], window, inputs))
        y = self.data.labels.classes(scaled.n_classes)[test]
        summary = {
            "n": {name: len(rows) for name, rows in {**parts, "test": test}.items()},
            "thresholds": {"short_below": model.thresholds.low, "long_above": model.thresholds.high},
            "is_sharpe": self._sharpe(taught, parts["fit"], model),
            "oos_sharpe": self._sharpe(p if p.ndim == 1 else p[:, 2], test, model),
            "scores": classification_metrics(p, y),
            "looks_at": _looks_at(model),
        }
        write_new(folder / "forecasts.safetensors", save_tensors(tensors))
        write_new(folder / "summary.json", readable_json(without_nan(summary)))

    def _sharpe(self, p_up: Float64Array, rows: Positions, model: CalibratedModel) -> float:
        """Net Sharpe ratio of trading the forecasts at `rows`, over the bars from the first to the last decision of each stretch."""
        labels = self.data.labels
        net = self.path.traded(self.path.column(signal_of(p_up, model.thresholds), labels.t0[rows])).net
        inside = np.zeros(len(net), dtype=np.bool_)
        for first, last in stretches_of(labels, rows):
            inside[first - self.path.first : last + 1 - self.path.first] = True
        return sharpe_ratio(net[inside], self.path.periods)


def _looks_at(model: CalibratedModel) -> dict[str, dict[str, float]]:
    """The share of each feature in what moves p_up, and in the gains of its trees where it has trees."""
    features = model.explanation["outputs"]["p_up"]["features"]
    kinds = [kind for kind in ("share", "gain") if all(kind in one for one in features)]
    return {kind: {one["feature"]: one[kind] for one in features} for kind in kinds}


if __name__ == "__main__":
    work(cross_validate)
