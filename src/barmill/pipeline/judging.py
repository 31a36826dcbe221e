"""The judgement: what the forecasts of the test block were worth, under identical controls, net of costs."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from safetensors.numpy import save as save_tensors

import barmill
from barmill.artefacts import read_json, readable_json, without_nan, write_new
from barmill.evaluation import (
    JudgedPath,
    auc_interval,
    average_ranks,
    backtest,
    bootstrap_intervals,
    calmar_ratio,
    classification_metrics,
    classification_scores,
    forecast_metrics,
    max_drawdown,
    positions,
    random_band,
    sharpe_ratio,
    sortino_ratio,
)
from barmill.labels import CLASS_NAMES, decision_bars
from barmill.market import Bars, Calendar, cost_rate
from barmill.pipeline.bands.fitting import read_band_of
from barmill.pipeline.bands.judging import ENDS, BandJudge, mean_overlap
from barmill.pipeline.calibrating import regimes_at
from barmill.pipeline.calibration_judging import calibration_judgement, errors_by_regime
from barmill.pipeline.dataset import Dataset
from barmill.pipeline.events import Listener
from barmill.pipeline.facts import facts
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.judged import Judged, judged_in
from barmill.pipeline.plan import Stages
from barmill.pipeline.prepare import dataset_of
from barmill.pipeline.workspace import Workspace
from barmill.uncertainty import read_calibrator

Float64Array = npt.NDArray[np.float64]
REFERENCES = {"buy_and_hold": 1.0, "always_flat": 0.0}
TIMES = ("open_time", "known_at")
NOT_OUTPUTS = (*TIMES, "p_up_uncalibrated")
N_BOOT = 500  # resamples behind an interval
LEAST_BLOCK = 20  # bars


def judge(inputs: RunInputs, stages: Stages, workspace: Workspace, listener: Listener) -> None:
    """Compute the judgement stage if it is not there: metrics, equity, baselines, provenance."""
    stage = stages.judgement
    if workspace.record(stage) is not None:
        return
    listener.started(stage.name)
    began = time.perf_counter()
    data = dataset_of(inputs, stages, workspace)
    with workspace.writing(stage) as folder:
        judgement, equity, returns = _Judge(inputs, stages, workspace, data).judged(listener)
        write_new(folder / "judgement.json", readable_json(judgement))
        equity.write_parquet(folder / "equity.parquet")
        write_new(folder / "returns.safetensors", save_tensors(returns))
    listener.finished(stage.name, time.perf_counter() - began)


class _Judge:
    """The test block with everything that its models share: bars, labels, costs, rule and random signals."""

    def __init__(self, inputs: RunInputs, stages: Stages, workspace: Workspace, data: Dataset) -> None:
        self.inputs, self.stages, self.workspace, self.data = inputs, stages, workspace, data
        bars, test = inputs.bars, data.positions["test"]
        self.rows = data.labels.t0[test]
        self.first = int(self.rows[0])
        self.bars: Bars = bars.slice(self.first, len(bars))
        self.rate = np.asarray(cost_rate(bars.instrument, self.bars.open))
        self.periods = Calendar.named(bars.instrument.calendar).periods_per_year(bars.timeframe)
        self.y = data.labels.classes(inputs.recipe.labels.classes)[test]
        self.realised = data.labels.net_log_return[test]
        self.hold = inputs.recipe.hold_bars

    def judged(self, listener: Listener) -> tuple[dict[str, Any], pl.DataFrame, dict[str, Float64Array]]:
        inputs, recipe, bars = self.inputs, self.inputs.recipe, self.inputs.bars
        models: list[dict[str, Any]] = []
        equity: dict[str, Float64Array] = {}
        returns: dict[str, Float64Array] = {}
        selected = self._selected()
        judged = judged_in(recipe)
        for entry in judged:
            model, result = self._model(entry)
            models.append({**model, "selected": entry.label == selected})
            equity[entry.label], returns[entry.label] = result.equity_at_bars, result.net
            listener.progressed("judgement", len(models), len(judged), entry.label)
        held = {
            name: backtest(self.bars.open, np.full(len(self.bars), position), self.rate, self.periods)
            for name, position in REFERENCES.items()
        }
        equity["buy_and_hold"] = held["buy_and_hold"].equity_at_bars
        frame = pl.DataFrame({"open_time": self.bars.open_time, **equity, "price": self.bars.close})
        judgement = {
            "format": 1,
            "name": recipe.name,
            "description": recipe.description,
            "symbol": bars.instrument.symbol,
            "timeframe": str(bars.timeframe),
            "seed": recipe.seed,
            "barmill": barmill.__version__,
            "horizon_bars": recipe.labels.horizon,
            "classes": recipe.labels.classes,
            **facts(inputs, self.data),
            "models": models,
            "baselines": {name: result.metrics for name, result in held.items()},
            "oracle": self._oracle(models),
        }
        return without_nan(judgement), frame, returns

    def _folder(self, label: str, role: str) -> Path:
        return self.workspace.path(getattr(self.stages.judged[label], role))

    def _selected(self) -> str:
        """The model that the cross-validation chose by the mean log loss of its paths, or else the selection slice; the test block
        has no say."""
        if self.stages.cross_validation is not None:
            judged = read_json(self.workspace.path(self.stages.cross_validation) / "cross_validation.json")
            found = {model["name"]: model["distribution"]["log_loss"]["mean"] for model in judged["models"]}
            return min(found, key=lambda label: found[label])
        losses = {
            label: read_json(self._folder(label, "calibrate") / "selection.json")["metrics"]["log_loss"] for label in self.stages.judged
        }
        return min(losses, key=lambda label: losses[label])

    def _model(self, entry: Judged) -> tuple[dict[str, Any], JudgedPath]:
        n_classes, label = self.inputs.recipe.labels.classes, entry.label
        calibrated, published = self._folder(label, "calibrate"), read_json(self._folder(label, "bundle") / "published.json")
        thresholds = read_json(calibrated / "thresholds.json")
        forecasts = pl.read_parquet(self._folder(label, "forecast") / "forecasts.parquet")
        at_bars = _by_bar(forecasts, self.bars)
        at_rows = {name: column[self.rows - self.first] for name, column in at_bars.items()}
        p_up = at_rows["p_up"]
        p = p_up if n_classes == 2 else np.column_stack((at_rows["p_down"], 1 - at_rows["p_down"] - p_up, p_up))
        up = (self.y == n_classes - 1).astype(np.int8)
        calibration = read_calibrator(read_json(calibrated / "calibration.json"))
        said_before, seed = at_rows["p_up_uncalibrated"], self.inputs.recipe.seed
        overlap = mean_overlap(self.data.labels, self.inputs.recipe.labels.every)
        judged = calibration_judgement(p_up, said_before, up, calibration.methods, overlap=overlap, seed=seed)
        regime = regimes_at(self.inputs.recipe, self.data.scaled_data, self.data.positions["test"])
        result, trading = self._trading(at_bars["p_up"], thresholds)
        interval = auc_interval(p_up, up, self._block(), seed)
        model = {
            "name": label,
            "model": entry.name,
            "family": entry.family,
            "view": entry.view,
            "members": list(entry.members),
            "outputs": [name for name in forecasts.columns if name not in NOT_OUTPUTS],
            "bundle": published["path"],
            "digest": published["digest"],
            "classification": {
                **classification_metrics(p, self.y),
                "auc_interval": [interval.low, interval.high],
                "n": len(self.y),
                "class_names": list(CLASS_NAMES[n_classes]),
            },
            "calibration": {
                **judged,
                "by": errors_by_regime(calibration, p_up, said_before, up, regime),
                "chosen_by": read_json(calibrated / "selection.json").get("calibrated_by"),
            },
            "band": self._band(label, at_rows),
            "forecast": forecast_metrics(at_rows.get("E_r"), at_rows["q05"], at_rows["q50"], at_rows["q95"], self.realised),
            "trading": trading,
            "importance": _kept(calibrated / "importance.json") or [],
            "fit": read_json(self._folder(label, "fit") / "summary.json"),
            "explanation": _kept(self._folder(label, "fit") / "explanation.json"),
        }
        return model, result

    def _band(self, label: str, at_rows: dict[str, Float64Array]) -> dict[str, Any] | None:
        """Whether the band that was served holds on the test block; None in a run without bands."""
        config, band = self.inputs.recipe.inference.uncertainty, read_band_of(self._folder(label, "calibrate"))
        if config is None or band is None:
            return None
        rows, every = self.data.positions["test"], self.inputs.recipe.labels.every
        judge = BandJudge(config, self.data.scaled_data, self.inputs.bars, rows, every)
        return judge.told([band], [np.column_stack([at_rows[end] for end in ENDS])])

    def _block(self) -> int:
        """Samples in a bootstrap block: at least as many as a label overlaps."""
        return max(1, self.inputs.recipe.labels.horizon // self.inputs.recipe.labels.every)

    def _trading(self, p_up: Float64Array, thresholds: dict[str, float]) -> tuple[JudgedPath, dict[str, Any]]:
        recipe = self.inputs.recipe
        decided = np.where(decision_bars(self.bars, recipe.labels.every), p_up, np.nan)
        position = positions(decided, thresholds["short_below"], thresholds["long_above"], self.hold)
        result = backtest(self.bars.open, position, self.rate, self.periods)
        band = random_band(self.bars.open, position, self.rate, self.periods, recipe.seed, recipe.random_signals)
        told = {**result.metrics, "intervals": self._intervals(result), "random": band.to_json(), "above_chance": band.above_chance}
        return result, {**told, **thresholds}

    def _intervals(self, result: JudgedPath) -> dict[str, list[float]]:
        """Bootstrap intervals of the headline figures; blocks are as long as a position is held at least."""
        metrics = {
            "sharpe": lambda net: sharpe_ratio(net, self.periods),
            "sortino": lambda net: sortino_ratio(net, self.periods),
            "calmar": lambda net: calmar_ratio(net, self.periods),
            "max_drawdown": max_drawdown,
            "total_return": lambda net: float(np.prod(1.0 + net) - 1.0),
        }
        block = float(min(max(self.hold, LEAST_BLOCK), max(1, result.net.size // 2)))
        found = bootstrap_intervals(result.net, metrics, block=block, n_boot=N_BOOT, seed=self.inputs.recipe.seed)
        return {name: list(interval) for name, interval in found.items()}

    def _oracle(self, models: list[dict[str, Any]]) -> dict[str, Any] | None:
        """How much of a simulated market's planted edge the models found; None for real bars."""
        if self.inputs.oracle is None:
            return None
        up = (self.y == self.inputs.recipe.labels.classes - 1).astype(np.int8)
        known = average_ranks(self.inputs.oracle[self.rows]) / len(up)  # an AUC asks no more than ranks
        auc = classification_scores(known, up).roc_auc
        found = {model["name"]: (model["classification"]["auc"] - 0.5) / (auc - 0.5) if auc > 0.5 else None for model in models}
        return {"auc": auc, "share_found": found}


def _kept(file: Path) -> Any:
    """What a stage told of a model; None of an ensemble, whose members tell it."""
    return read_json(file) if file.exists() else None


def _by_bar(forecasts: pl.DataFrame, bars: Bars) -> dict[str, Float64Array]:
    """Each output as a column over `bars`, NaN where there is no forecast."""
    rows = np.searchsorted(bars.open_time, forecasts["open_time"].to_numpy())
    columns: dict[str, Float64Array] = {}
    for name in forecasts.columns:
        if name not in TIMES:
            columns[name] = np.full(len(bars), np.nan)
            columns[name][rows] = forecasts[name].to_numpy()
    return columns
