"""What the splits of a cross-validation come to together: backtest paths, their metrics, and how far they spread.

Of N groups, k of which judge at a time, every group is forecast by C(N - 1, k - 1) models that did not see it. The j-th forecast of
each group makes path j: a walk through all bars, each of them forecast once, out of sample. Folds and walk-forward make one.
"""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from barmill.artefacts import read_json, readable_json, without_nan, write_new
from barmill.bundles import ForecastBand
from barmill.evaluation import (
    JudgedPath,
    Thresholds,
    band_coverage,
    classification_scores,
    expected_calibration_error,
    explanation_stability,
    information_coefficient,
    label_losses,
    linear_correlation,
    stability,
    winkler_score,
)
from barmill.pipeline.bands.fitting import read_band_of
from barmill.pipeline.bands.judging import BandJudge
from barmill.pipeline.cutting import folds_told
from barmill.pipeline.dataset import Dataset, Positions
from barmill.pipeline.development import Development
from barmill.pipeline.ensembles.judged_diversity import diversity_of
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.judged import judged_in
from barmill.pipeline.model_fit import up_of
from barmill.pipeline.returns import MEAN, TYPICAL
from barmill.pipeline.trading_path import Float64Array, signal_of
from barmill.splits import OofPiece, Ranges, check_out_of_fold, cpcv_paths, out_of_window

UP, DECISION = "|up", "|t0"  # of the rows that models are compared by; no model can be called so
PATH_FORECASTS = "path_forecasts.safetensors"  # p_up of each model at each judged label, the mean of the paths
DRAWN_ROWS = 1500  # of an equity curve: more than a page has pixels
OF_TRADING = ("sharpe", "sortino", "calmar", "max_drawdown", "turnover", "total_return", "gross_total_return", "n_trades")
OF_FORECASTS = ("auc", "log_loss", "brier", "ece", "ic", "rank_ic", "coverage_90", "winkler_90")
SPREAD_OF = (*OF_TRADING, *OF_FORECASTS)


@dataclass(frozen=True, slots=True)
class SplitResult:
    """What one model did in one split.

    positions : int64 (n_test,), labels of the run that judged; p : float64 (n_test,), p_up of two classes, or (n_test, 3)
    thresholds : of its trading rule
    centre, low, high : float64 (n_test,), net log returns: E_r, or q50 where the model has none; q05; q95
    fitted_on : labels of the run that anything of it was fitted on
    summary : as the worker wrote it
    band : fitted in this split; ends : its lower and upper end, float64 (n_test, 2); None and NaN in a run without bands
    """

    positions: Positions
    p: Float64Array
    thresholds: Thresholds
    centre: Float64Array
    low: Float64Array
    high: Float64Array
    fitted_on: Ranges
    summary: Mapping[str, Any]
    band: ForecastBand | None
    ends: Float64Array

    @classmethod
    def read(cls, folder: Path) -> "SplitResult":
        tensors = load_tensors((folder / "forecasts.safetensors").read_bytes())
        summary = read_json(folder / "summary.json")
        thresholds = Thresholds(summary["thresholds"]["short_below"], summary["thresholds"]["long_above"])
        low, middle, high = (np.ascontiguousarray(level) for level in tensors["quantiles"].T)
        centre = tensors.get("expected", middle)
        seen, band = Ranges(tensors["fitted_on"]), read_band_of(folder)
        ends = np.full((len(low), 2), np.nan) if band is None else tensors["band"]
        return cls(tensors["positions"], tensors["p"], thresholds, centre, low, high, seen, summary, band, ends)

    @property
    def p_up(self) -> Float64Array:
        """float64 (n_test,)."""
        return up_of(self.p)

    @property
    def told(self) -> dict[str, Any]:
        """The figures of one split."""
        known = {name: math.nan if self.summary[name] is None else self.summary[name] for name in ("is_sharpe", "oos_sharpe", "psr")}
        return {**known, "auc": self.summary["scores"]["auc"]}


@dataclass(frozen=True, slots=True)
class ForecastPath:
    """One walk through the development bars: what was forecast at each of its labels, and the signal that it gave.

    positions : int64 (n,), ascending; p_up, signal : float64 (n,); centre, low, high, ends : as in `SplitResult`
    """

    positions: Positions
    p_up: Float64Array
    signal: Float64Array
    centre: Float64Array
    low: Float64Array
    high: Float64Array
    ends: Float64Array


def write_judgement(
    folder: Path, inputs: RunInputs, data: Dataset, development: Development, folders: Mapping[int, Mapping[str, Path]]
) -> None:
    """Write what the splits in `folders` (number -> model -> folder) come to: JSON, equity curves to draw, and returns per bar."""
    judged = _Paths(inputs, data, development)
    models: list[dict[str, Any]] = []
    curves: dict[str, Float64Array] = {}
    returns: dict[str, Float64Array] = {}
    losses: dict[str, Float64Array] = {}
    heard: dict[str, list[SplitResult]] = {}
    p_up: dict[str, Float64Array] = {}
    for entry in judged_in(inputs.recipe):
        results = heard[entry.label] = [SplitResult.read(folders[number][entry.label]) for number in sorted(folders)]
        told, backtests, paths = judged.model(entry.label, entry.members, results)
        losses[entry.label] = np.mean([label_losses(path.p_up, judged.up[path.positions]) for path in paths], axis=0)
        p_up[entry.label] = np.mean([path.p_up for path in paths], axis=0)
        models.append(told)
        curves |= {f"{entry.label}|{number}": result.equity_at_bars for number, result in enumerate(backtests)}
        returns[f"{MEAN}|{entry.label}"] = np.mean([result.net for result in backtests], axis=0)
        returns[f"{TYPICAL}|{entry.label}"] = backtests[_typical([result.metrics["sharpe"] for result in backtests])].net
    diversity = {
        entry.label: judged.diversity(entry.members, [heard[member] for member in entry.members])
        for entry in judged_in(inputs.recipe)
        if entry.members
    }
    write_new(folder / "cross_validation.json", readable_json(without_nan({**judged.cut(), "models": models, "diversity": diversity})))
    write_new(folder / "paths.parquet", _drawn(judged.path.bars.open_time, curves))
    write_new(folder / "returns.safetensors", save_tensors({name: np.ascontiguousarray(row) for name, row in returns.items()}))
    rows = {DECISION: data.labels.t0[development.covered], UP: judged.up[development.covered]}
    write_new(folder / "losses.safetensors", save_tensors({**{name: np.ascontiguousarray(row) for name, row in rows.items()}, **losses}))
    write_new(folder / PATH_FORECASTS, save_tensors({DECISION: np.ascontiguousarray(rows[DECISION]), **p_up}))


class _Paths:
    """What all models of a cross-validation share."""

    def __init__(self, inputs: RunInputs, data: Dataset, development: Development) -> None:
        self.inputs, self.data, self.development = inputs, data, development
        self.path = development.path(inputs.bars, inputs.recipe)
        self.up = (data.labels.classes(data.n_classes) == data.n_classes - 1).astype(np.int8)

    def cut(self) -> dict[str, Any]:
        """The groups and the splits, as a map shows them."""
        config = self.inputs.recipe.cross_validation
        assert config is not None
        return folds_told(self.development, config.method, self.inputs.bars)

    def diversity(self, members: tuple[str, ...], results: list[list[SplitResult]]) -> dict[str, Any]:
        """How differently the members of an ensemble err: each label as often as it was forecast, by models that did not see it.

        results : of each member
        """
        y = self.data.labels.classes(self.data.n_classes)[np.concatenate([one.positions for one in results[0]])]
        return diversity_of(members, [np.concatenate([one.p for one in each]) for each in results], y)

    def model(
        self, label: str, members: tuple[str, ...], results: list[SplitResult]
    ) -> tuple[dict[str, Any], list[JudgedPath], list[ForecastPath]]:
        """What is told of one model, the backtest of each of its paths, and the paths.

        members : of an ensemble, the models that it combines
        """
        paths = self._paths(results)
        out_of_fold = self._out_of_fold(label, members, results)
        backtests = [self._backtest(path) for path in paths]
        rows = [{"path": number, **result.metrics, **self._scores(paths[number])} for number, result in enumerate(backtests)]
        splits = [{"number": number, **result.told} for number, result in enumerate(results)]
        told = {
            "name": label,
            "paths": rows,
            "distribution": {metric: spread([row[metric] for row in rows]) for metric in SPREAD_OF},
            "splits": splits,
            "is_oos": stability(*([split[name] for split in splits] for name in ("is_sharpe", "oos_sharpe"))).to_json(),
            "band": self._band(paths, results),
            "oof": out_of_fold,
            "looks_at": _looks_at(results),
        }
        return told, backtests, paths

    def _paths(self, results: list[SplitResult]) -> list[ForecastPath]:
        """The splits' forecasts, put together so that each path holds every judged label once."""
        said = [
            np.column_stack((one.p_up, signal_of(one.p_up, one.thresholds), one.centre, one.low, one.high, one.ends)) for one in results
        ]
        splitter = self.development.combinatorial
        walks = cpcv_paths(said, splitter.n_groups, splitter.n_test_groups) if splitter else np.concatenate(said)[np.newaxis]
        covered = self.development.covered
        return [
            ForecastPath(covered, *map(np.ascontiguousarray, walk[:, :-2].T), ends=np.ascontiguousarray(walk[:, -2:])) for walk in walks
        ]

    def _band(self, paths: list[ForecastPath], results: list[SplitResult]) -> dict[str, Any] | None:
        """Whether the bands of the splits hold on the rows that judged them; None in a run without bands."""
        recipe, bands = self.inputs.recipe, [result.band for result in results if result.band is not None]
        config = recipe.inference.uncertainty
        if config is None or not bands:
            return None
        data, bars, covered = self.data.scaled_data, self.inputs.bars, self.development.covered
        return BandJudge(config, data, bars, covered, recipe.labels.every, len(paths)).told(bands, [path.ends for path in paths])

    def _out_of_fold(self, label: str, members: tuple[str, ...], results: list[SplitResult]) -> dict[str, Any]:
        """The proof that no forecast comes from a model that saw its label, and none is missing; raises ProvenanceError."""
        development, labels = self.development, self.data.labels
        splitter = development.combinatorial
        pieces: list[OofPiece] = []
        for number, (fold, result) in enumerate(zip(development.folds, results, strict=True)):
            path_ids = splitter.path_ids[number].tolist() if splitter else [0]
            blocks = [development.groups[group] for group in fold.test_groups] if splitter else [fold.test]
            for path, block in zip(path_ids, blocks, strict=True):
                forecast = Ranges.of(development.positions[block.positions()])
                pieces.append(OofPiece(path, forecast, result.fitted_on, f"{label}, split {number}"))
        lengths = {"purge_bars": development.purge_bars, "embargo_bars": development.embargo_bars}
        windows = [self.inputs.windows[member] for member in members or (label,)]
        longest = max((window for window in windows if isinstance(window, int)), default=1)
        beyond = out_of_window(labels, development.covered, longest)
        report = check_out_of_fold(labels, development.covered, pieces, out_of_reach=beyond, **lengths)
        return {**report.to_json(), "not_labelled": dict(labels.excluded)}

    def _backtest(self, path: ForecastPath) -> JudgedPath:
        return self.path.traded(self.path.column(path.signal, self.data.labels.t0[path.positions]))

    def _scores(self, path: ForecastPath) -> dict[str, float]:
        up, came = self.up[path.positions], self.data.labels.net_log_return[path.positions]
        scores = classification_scores(path.p_up, up)
        return {
            "auc": scores.roc_auc,
            "log_loss": scores.log_loss,
            "brier": scores.brier,
            "ece": expected_calibration_error(path.p_up, up).ece,
            "ic": linear_correlation(path.centre, came),
            "rank_ic": information_coefficient(path.centre, came),
            "coverage_90": band_coverage(came, path.low, path.high),
            "winkler_90": winkler_score(came, path.low, path.high),
        }


def _looks_at(results: list[SplitResult]) -> dict[str, Any]:
    """How much the splits agree about what the model looks at, by its shares and, where it has trees, by their gains."""
    told: list[Mapping[str, Any]] = [result.summary["looks_at"] for result in results]
    return {kind: explanation_stability([one[kind] for one in told]).to_json() for kind in told[0]}


def spread(values: list[float]) -> dict[str, float]:
    """Mean, deviation and percentiles of a metric over the paths; paths on which it is undefined are left out."""
    known = np.array([value for value in values if np.isfinite(value)])
    if not known.size:
        return dict.fromkeys(("mean", "std", "min", "p05", "p50", "p95", "max"), float("nan"))
    p05, p50, p95 = (float(value) for value in np.percentile(known, (5.0, 50.0, 95.0)))
    deviation = float(known.std(ddof=1)) if known.size > 1 else float("nan")
    low, high = float(known.min()), float(known.max())
    return {"mean": float(known.mean()), "std": deviation, "min": low, "p05": p05, "p50": p50, "p95": p95, "max": high}


def _typical(sharpes: list[float]) -> int:
    """The path whose Sharpe ratio is the median one (the lower of the two middle ones); undefined ones come first."""
    order = np.argsort(np.nan_to_num(np.array(sharpes), nan=-np.inf), kind="stable")
    return int(order[(len(sharpes) - 1) // 2])


def _drawn(open_time: Positions, curves: Mapping[str, Float64Array]) -> bytes:
    """Equity curves with few enough rows to draw: evenly chosen, the first and the last among them."""
    rows = np.unique(np.linspace(0, len(open_time) - 1, DRAWN_ROWS).round().astype(np.int64))
    buffer = io.BytesIO()
    pl.DataFrame({"open_time": open_time[rows], **{name: curve[rows] for name, curve in curves.items()}}).write_parquet(buffer)
    return buffer.getvalue()
