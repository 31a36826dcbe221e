"""The leaderboard of a run: its models under identical controls, ranked by what is significant.

By the paths of the cross-validation where there are any, else by the test block. Everything in it follows from the run's results and
its ledger; clocks (training time, latency) stand in `leaderboard.json` beside them, which has no fingerprint.
"""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from safetensors.numpy import load as load_tensors

from barmill.artefacts import without_nan, write_bytes
from barmill.evaluation import Comparison, compare_models, coverage_band, label_losses, winkler_score
from barmill.pipeline.development import Development
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.judged import judged_in
from barmill.pipeline.judging import LEAST_BLOCK
from barmill.pipeline.path_judging import DECISION, UP
from barmill.pipeline.plan import Stages
from barmill.pipeline.prepare import dataset_of
from barmill.pipeline.returns import MEAN, path_returns, test_returns
from barmill.pipeline.trading_path import Float64Array
from barmill.pipeline.workspace import Workspace

LOSSES, RETURNS = "label_losses.parquet", "net_returns.parquet"  # in `metrics`: what other runs are compared with
LEADERBOARD_FILE = "leaderboard.json"
BAND = 0.9


@dataclass(frozen=True, slots=True)
class Evidence:
    """What models are compared by, row by row, with the times that tell which rows other runs share.

    losses : open_time of the decision (int64, ms), UP (int8) and the log loss of each model
    returns : open_time of the bar (int64, ms) and the net return of each model
    """

    losses: pl.DataFrame
    returns: pl.DataFrame

    @classmethod
    def read(cls, run: Path) -> "Evidence":
        """What a finished run kept."""
        return cls(pl.read_parquet(run / "metrics" / LOSSES), pl.read_parquet(run / "metrics" / RETURNS))

    def write(self, run: Path) -> None:
        for name, frame in ((LOSSES, self.losses), (RETURNS, self.returns)):
            buffer = io.BytesIO()
            frame.write_parquet(buffer)
            write_bytes(run / "metrics" / name, buffer.getvalue())


def evidence_of(inputs: RunInputs, stages: Stages, workspace: Workspace) -> Evidence:
    """The rows of the run: of the paths, each row the mean over them, or of the test block."""
    bars, data = inputs.bars, dataset_of(inputs, stages, workspace)
    if stages.cross_validation is not None:
        kept = load_tensors((workspace.path(stages.cross_validation) / "losses.safetensors").read_bytes())
        t0, up = kept[DECISION], kept[UP]
        losses = {label: kept[label] for label in stages.judged}
        returns = path_returns(stages, workspace, MEAN)
        first = Development.of(data.labels, data.positions, inputs.recipe, bars).first_bar
    else:
        test = data.positions["test"]
        t0 = data.labels.t0[test]
        up = (data.labels.classes(data.n_classes)[test] == data.n_classes - 1).astype(np.int8)
        losses = {label: label_losses(frame["p_up"], up) for label, frame in _forecasts(stages, workspace, bars.open_time[t0]).items()}
        returns = test_returns(stages, workspace)
        first = int(t0[0])
    n_bars = len(next(iter(returns.values())))
    times = bars.open_time[first : first + n_bars]
    return Evidence(pl.DataFrame({"open_time": bars.open_time[t0], UP: up, **losses}), pl.DataFrame({"open_time": times, **returns}))


def overlap_of(horizon: int, every: int) -> int:
    """Labels that share an outcome with the next ones: as many as are decided within one label's horizon."""
    return max(1, math.ceil(horizon / every))


def compare_evidence(evidence: Evidence, names: tuple[str, ...], *, horizon: int, every: int, hold: int, seed: int) -> Comparison:
    """Both paired tests of every pair of the models `names` on the rows of `evidence`."""
    n_bars = evidence.returns.height
    return compare_models(
        {name: evidence.losses[name].to_numpy() for name in names},
        {name: evidence.returns[name].to_numpy() for name in names},
        overlap=overlap_of(horizon, every),
        block=float(min(max(hold, LEAST_BLOCK), max(1, n_bars // 2))),
        seed=seed,
    )


def leaderboard_section(
    inputs: RunInputs, stages: Stages, workspace: Workspace, evidence: Evidence, judgement: Mapping[str, Any]
) -> dict[str, Any]:
    """The leaderboard as plain JSON.

    judgement : of the run, with its sections on cross-validation and overfitting
    """
    recipe = inputs.recipe
    names, judged = tuple(stages.judged), {one.label: one for one in judged_in(recipe)}
    found = compare_evidence(
        evidence, names, horizon=recipe.labels.horizon, every=recipe.labels.every, hold=recipe.hold_bars, seed=recipe.seed
    )
    by_name = {model["name"]: model for model in judgement["models"]}
    luck = {model["name"]: model for model in judgement["overfitting"]["models"]}
    figures = _path_figures(judgement) if judgement["cross_validation"] else _test_figures(inputs, stages, workspace, judgement)
    losses = dict(zip(names, found.mean_loss.tolist(), strict=True))
    pbo = judgement["overfitting"]["pbo"]
    n_labels = evidence.losses.height
    band = coverage_band(n_labels / overlap_of(recipe.labels.horizon, recipe.labels.every), BAND)
    return without_nan(
        {
            "block": judgement["overfitting"]["block"],
            "n_labels": n_labels,
            "n_bars": evidence.returns.height,
            "overlap": overlap_of(recipe.labels.horizon, recipe.labels.every),
            "ranked_by": "log_loss",
            "alpha": found.alpha,
            "coverage_band": list(band),
            "pbo": pbo and pbo["pbo"],
            "models": [
                {
                    "rank": found.loss_ranks[name],
                    "net_rank": found.net_ranks[name],
                    "name": name,
                    **{key: by_name[name][key] for key in ("model", "family", "view", "selected")},
                    "paired_log_loss": losses[name],
                    **{key: luck[name][key] for key in ("sharpe", "interval", "dsr")},
                    **figures[name],
                    "inputs": None if judged[name].members else len(judged[name].inputs) or len(inputs.plan.names),
                    "members": list(judged[name].members),
                    "size_bytes": _bundle_bytes(workspace.root / by_name[name]["bundle"]),
                    "beaten_by": list(found.beaten_by(name)),
                }
                for name in found.order
            ],
            "pairs": [pair.to_json() for pair in found.pairs],
        }
    )


_FIGURES = ("auc", "ic", "rank_ic", "log_loss", "ece", "coverage_90", "winkler_90", "turnover", "max_drawdown", "total_return")


def _path_figures(judgement: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Means over the paths."""
    return {
        model["name"]: {figure: model["distribution"][figure]["mean"] for figure in _FIGURES}
        for model in judgement["cross_validation"]["models"]
    }


def _test_figures(inputs: RunInputs, stages: Stages, workspace: Workspace, judgement: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    data = dataset_of(inputs, stages, workspace)
    test = data.positions["test"]
    came = data.labels.net_log_return[test]
    forecasts = _forecasts(stages, workspace, inputs.bars.open_time[data.labels.t0[test]])
    told: dict[str, dict[str, float]] = {}
    for model in judgement["models"]:
        frame = forecasts[model["name"]]
        parts = {**model["classification"], **model["forecast"], **model["trading"], "ece": model["calibration"]["ece"]}
        winkler = winkler_score(came, frame["q05"], frame["q95"])
        told[model["name"]] = {figure: winkler if figure == "winkler_90" else parts[figure] for figure in _FIGURES}
    return told


def _forecasts(stages: Stages, workspace: Workspace, open_time: npt.NDArray[np.int64]) -> dict[str, dict[str, Float64Array]]:
    """What each model forecast at the bars that open at `open_time`."""
    found: dict[str, dict[str, Float64Array]] = {}
    for label, model in stages.judged.items():
        frame = pl.read_parquet(workspace.path(model.forecast) / "forecasts.parquet", columns=["open_time", "p_up", "q05", "q95"])
        rows = np.searchsorted(frame["open_time"].to_numpy(), open_time)
        found[label] = {name: frame[name].to_numpy()[rows] for name in ("p_up", "q05", "q95")}
    return found


def _bundle_bytes(folder: Path) -> int:
    """What a server must copy: every file of the version."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def with_clocks(section: Mapping[str, Any], timings: Mapping[str, Any]) -> dict[str, Any]:
    """The leaderboard with what clocks said of each model: seconds of its fit for the bundle, and microseconds of one forecast."""
    models = [
        {
            **model,
            "train_s": timings["stages"].get(f"fit {model['name']}"),
            "latency_us": timings["latency"].get(model["name"], {}).get("p50_us"),
        }
        for model in section["models"]
    ]
    return {"format": 1, **section, "models": models}
