"""Worker: some splits of the cross-validation, every model in each. `python -m barmill.pipeline.cross_validating JOB`.

A split and a model make one stage: what is there is not done again, in whatever order splits were done before.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as save_tensors

from barmill.artefacts import readable_json, without_nan, write_new
from barmill.bundles import ForecastBand
from barmill.ensembles.contract import Said
from barmill.evaluation import Ledger, Thresholds, classification_metrics, probabilistic_sharpe_ratio, sharpe_ratio
from barmill.market import Bars
from barmill.pipeline.bands.applying import apply_band
from barmill.pipeline.bands.checking import check_band_rows
from barmill.pipeline.bands.fitting import band_on, write_band
from barmill.pipeline.bands.out_of_fold import band_of_folds
from barmill.pipeline.dataset import Dataset, Positions, load_bars
from barmill.pipeline.development import Development
from barmill.pipeline.ensembles.said import said_by, said_tensors
from barmill.pipeline.ensembles.splitting import InFolds, SplitEnsembles
from barmill.pipeline.folds import fit_entry, fold_data, fold_parts, stretches_of
from barmill.pipeline.job import CrossValidationJob, SplitRefs
from barmill.pipeline.model_fit import up_of
from barmill.pipeline.recipe import ModelEntry
from barmill.pipeline.split_forecast import SplitForecast, SplitRows, looks_at
from barmill.pipeline.trading_path import Float64Array, signal_of
from barmill.pipeline.tuning.spaces import tuned_entries, tuned_entry
from barmill.pipeline.tuning.stage import tuning_of
from barmill.pipeline.tuning.tuner import tune_model
from barmill.pipeline.worker import Teller, work
from barmill.pipeline.workspace import Stage, Workspace
from barmill.splits import Ranges


def cross_validate(raw: dict[str, Any], teller: Teller) -> None:
    """Do what is not done yet of the splits that the job names."""
    job = CrossValidationJob.model_validate(raw)
    folds = _Folds(job)
    for number, refs in job.splits.items():
        if any(folds.workspace.record(ref.stage) is None for ref in (*refs.models.values(), *refs.ensembles.values())):
            folds.judge(number, refs, teller)


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

    def judge(self, number: int, refs: SplitRefs, teller: Teller) -> None:
        """Fit each model on what split `number` lets it learn from, combine them, and forecast its test rows."""
        fold = self.development.folds[number]
        parts = fold_parts(self.data.labels, self.development.train(fold), self.recipe, self.development.purge_bars)
        check_band_rows(self.recipe, len(parts.get("conformal", ())), f"the conformal part of split {number}")
        rows = SplitRows(parts, self.development.test(fold), fold_data(self.data, parts["fit"], lambda: self.bars))
        combining = SplitEnsembles(self.recipe, self.workspace, self.data, rows, self.job.windows, lambda: self.bars)
        oof = self.recipe.band_folds
        in_folds = None if oof is None else combining.in_folds(oof, refs, teller)
        for label, ref in refs.models.items():
            if self.workspace.record(ref.stage) is None:
                self._fit(label, ref.stage, rows, in_folds, teller)
        for ensemble in self.recipe.combined:
            stage, began = refs.ensembles[ensemble.label].stage, time.perf_counter()
            if self.workspace.record(stage) is None:
                forecast, fitted_on = combining.forecast(ensemble, refs, teller)
                with self.workspace.writing(stage) as folder:
                    self._write(folder, forecast, fitted_on, rows)
                teller.finished(stage.name, time.perf_counter() - began)

    def _fit(self, label: str, stage: Stage, rows: SplitRows, in_folds: InFolds | None, teller: Teller) -> None:
        teller.started(stage.name)
        entry = next(entry for entry in self.recipe.base_models if entry.label == label)
        window, began = self.job.windows[label], time.perf_counter()
        if label in self.tuned:
            entry = self._tuned(entry, rows.parts["fit"], self.workspace.scratch(stage))
        model = fit_entry(entry, rows.parts, rows.scaled, self.recipe, window, explained=True)
        taught = model.p_up(rows.view("fit", window, entry.inputs))
        said = {name: said_by(model, rows.view(name, window, entry.inputs)) for name in rows.asked}
        band = self._band(label, said, rows, in_folds)
        forecast = SplitForecast(said, model.thresholds, rows.parts["fit"], taught, looks_at(model), band)
        seen = Ranges.of(np.sort(np.concatenate(list(rows.parts.values()))))
        with self.workspace.writing(stage) as folder:
            self._write(folder, forecast, seen, rows)
        self.workspace.drop_scratch(stage)
        teller.finished(stage.name, time.perf_counter() - began)

    def _band(self, label: str, said: Mapping[str, Said], rows: SplitRows, in_folds: InFolds | None) -> ForecastBand | None:
        config = self.recipe.inference.uncertainty
        if config is None:
            return None
        if in_folds is None:
            return band_on(config, said["conformal"], rows.scaled, rows.parts["conformal"])
        folds, stages = in_folds
        return band_of_folds(config, label, [fold[label] for fold in stages], folds, rows.scaled, self.workspace)

    def _tuned(self, entry: ModelEntry, train: Positions, scratch: Path) -> ModelEntry:
        """The model with parameters that were looked for among the rows that it is fitted on in this split, and counted."""
        prepared = {role: ref.stage for role, ref in self.job.stages.items()}
        tuning = tuning_of(self.recipe, entry, self.bars.timeframe, self.job.windows[entry.label], prepared)
        ledger = Ledger.of(self.bars.fingerprint)
        found = tune_model(tuning, self.data, self.bars, train, trials=tuning.config.fold_trials, scratch=scratch, ledger=ledger)
        return tuned_entry(entry, dict(found.best.params))

    def _write(self, folder: Path, forecast: SplitForecast, fitted_on: Ranges, rows: SplitRows) -> None:
        said, scale, test = forecast.said["test"], rows.scaled.scale(rows.test), rows.test
        tensors: dict[str, Any] = {"positions": test, "p": np.ascontiguousarray(said.p), "fitted_on": fitted_on.bounds}
        if said.expected is not None:
            tensors["expected"] = np.ascontiguousarray(said.expected * scale)
        tensors["quantiles"] = np.ascontiguousarray(said.quantiles * scale[:, None])
        config = self.recipe.inference.uncertainty
        if forecast.band is not None and config is not None:
            tensors["band"] = apply_band(forecast.band, config, said, rows.scaled, test)
            write_band(folder, forecast.band)
        if self.recipe.combined:
            for name, one in forecast.said.items():
                tensors |= said_tensors(one, f"{name}|")
        y = self.data.labels.classes(rows.scaled.n_classes)[test]
        low, high = forecast.thresholds
        taught, judged = (
            self._earned(forecast.taught, forecast.taught_on, forecast.thresholds),
            self._earned(up_of(said.p), test, forecast.thresholds),
        )
        summary = {
            "n": {name: len(positions) for name, positions in {**rows.parts, "test": test}.items()},
            "thresholds": {"short_below": low, "long_above": high},
            "is_sharpe": sharpe_ratio(taught, self.path.periods),
            "oos_sharpe": sharpe_ratio(judged, self.path.periods),
            "psr": probabilistic_sharpe_ratio(judged).psr,
            "scores": classification_metrics(said.p, y),
            "looks_at": forecast.looks_at,
        }
        write_new(folder / "forecasts.safetensors", save_tensors(tensors))
        write_new(folder / "summary.json", readable_json(without_nan(summary)))

    def _earned(self, p_up: Float64Array, rows: Positions, thresholds: Thresholds) -> Float64Array:
        """Net returns of trading the forecasts at `rows`, at the bars from the first to the last decision of each stretch."""
        labels = self.data.labels
        net = self.path.traded(self.path.column(signal_of(p_up, thresholds), labels.t0[rows])).net
        inside = np.zeros(len(net), dtype=np.bool_)
        for first, last in stretches_of(labels, rows):
            inside[first - self.path.first : last + 1 - self.path.first] = True
        return net[inside]


if __name__ == "__main__":
    work(cross_validate)
