"""Run folders as the pipeline writes them: a usual one, a simulated one with three classes, and one with nothing to say."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from barmill.artefacts import write_bytes, write_json
from console.banded import banded
from console.validated import path_curves, validated

RECIPE = """name: crypto-1m
symbol: FILUSDT
seed: 42
labels:
  method: triple_barrier
  horizon: 60
base_models:
- name: logistic
- name: lightgbm
"""
FEATURES = [
    "log_return_1",
    "log_return_60",
    "realised_volatility_60",
    "parkinson_volatility_20",
    "rsi_14",
    "rsi_14@5m",
    "rsi_14@15m",
    "macd_12_26_9",
    "atr_14",
    "adx_14@15m",
    "stochastic_k_14_3",
    "bollinger_width_20_2@5m",
    "ema_distance_50",
    "vwap_distance_60",
    "volume_ratio_20",
    "obv_slope_20",
    "rolling_skew_60",
    "rolling_kurtosis_60@15m",
    "minute_of_day_sin",
    "minute_of_day_cos",
]
STAGES = ["data", "features", "labels", "splits", "scaled", "fit-logistic", "fit-lightgbm", "judgement"]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def reliability(rng: np.random.Generator) -> dict[str, Any]:
    p = np.array([0.36, 0.41, 0.45, 0.48, 0.505, 0.53, 0.56, 0.61, 0.66])
    count = np.array([31, 260, 1900, 5200, 6100, 4200, 1500, 240, 22])
    share = np.clip(0.5 + 0.8 * (p - 0.5) + rng.normal(0, 0.5 / np.sqrt(count)), 0.02, 0.98)
    half = 1.96 * np.sqrt(share * (1 - share) / count)
    columns = {"mean_p": p, "share": share, "low": np.clip(share - half, 0, 1), "high": np.clip(share + half, 0, 1)}
    return {**{name: values.round(4).tolist() for name, values in columns.items()}, "count": count.tolist()}


def model(name: str, number: int, selected: bool, classes: int = 2, **trading: Any) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    auc = 0.507 + 0.006 * number
    family = {"logistic": "linear", "lightgbm": "boosting", "xgboost": "boosting", "lstm": "recurrent"}[name]
    curve = (0.694 - 0.004 * (1 - np.exp(-np.arange(80) / 25)) + rng.normal(0, 1e-4, 80)).round(6).tolist()
    fit: dict[str, Any] = {"iterations": 41, "converged": True}
    if family == "boosting":
        fit = {
            part: {"trees": 61, "trees_grown": 80, "loss": "log loss", "best_valid_loss": 0.69011, "history": {"valid": curve}}
            for part in ("p_up", "E_r")
        }
    if family == "recurrent":
        fit = {
            "epochs": 80,
            "best_epoch": 61,
            "stopped": "no gain in 10 epochs",
            "history": {"train": [loss - 0.003 for loss in curve], "valid": curve},
        }
    importance = [{"feature": feature, "mean": 0.012 * 0.72**rank - 0.0003, "std": 0.0006} for rank, feature in enumerate(FEATURES)]
    confusion = [[5812, 4011], [5203, 4627]] if classes == 2 else [[3301, 2100, 1203], [2504, 3900, 2301], [1280, 2040, 3120]]
    return {
        "name": name,
        "family": family,
        "view": "window_tensor" if family == "recurrent" else "feature_matrix",
        "outputs": ["p_up"] if family == "linear" else ["p_up", "E_r"],
        "selected": selected,
        "bundle": f"bundle/{name}/1",
        "digest": digest(name),
        "classification": {
            "auc": auc,
            "auc_interval": [auc - 0.0118, auc + 0.0121],
            "pr_auc": 0.512,
            "log_loss": 0.6921 + 0.0004 * (2 - number),
            "log_loss_base": 0.6926,
            "brier": 0.2493,
            "mcc": 0.021,
            "f1": 0.487,
            "base_rate": 0.4918,
            "confusion": confusion,
            "class_names": ["not up", "up"] if classes == 2 else ["down", "neither", "up"],
            "n": 19653,
        },
        "calibration": {
            "methods": ["temperature_scaling"],
            "ece_before": 0.0312,
            "ece": 0.0094 + 0.002 * number,
            "mce": 0.071,
            "ece_equal_mass": 0.0102,
            "rmsce_debiased": 0.0061,
            "brier_parts": {"reliability": 0.00021, "resolution": 0.00064, "uncertainty": 0.24989},
            "gain": {"verdict": "no difference beyond chance" if number else "helped"},
            "reliability": reliability(rng),
        },
        "forecast": {
            "ic": None if family == "linear" else 0.013 * number,
            "rank_ic": None if family == "linear" else 0.017,
            "pinball": {"q05": 0.000412, "q50": 0.001204, "q95": 0.000433},
            "coverage_90": 0.884,
        },
        "trading": {
            "sharpe": -1.2 - 1.4 * number,
            "sortino": -1.61,
            "calmar": -2.01,
            "max_drawdown": -0.1873,
            "win_rate": 0.431,
            "profit_factor": 0.91,
            "recovery_factor": -0.74,
            "turnover": 2841.0,
            "exposure": 0.412,
            "cost_paid": 0.1904,
            "n_trades": 214 + number,
            "total_return": -0.0812 - 0.02 * number,
            "gross_total_return": 0.1092,
            "random": {"p05": -8.1 + number, "p50": -2.9, "p95": 2.8, "share_below": 0.61, "n": 200},
            "long_above": 0.553,
            "short_below": 0.441,
            "above_chance": False,
            **trading,
        },
        "importance": importance,
        "fit": fit,
    }


def block(name: str, first: str, last: str, n: int) -> dict[str, Any]:
    return {"name": name, "first_bar": 0, "last_bar": n * 3, "first_time": first, "last_time": last, "n": n}


def usual_judgement() -> dict[str, Any]:
    """Four models on real bars; none beats chance."""
    baseline = {
        "sharpe": 0.84,
        "sortino": 1.2,
        "calmar": 2.2,
        "max_drawdown": -0.1421,
        "win_rate": 1.0,
        "profit_factor": "inf",
        "recovery_factor": "inf",
        "turnover": 19.6,
        "exposure": 1.0,
        "cost_paid": 0.0005,
        "n_trades": 1,
        "total_return": 0.0631,
        "gross_total_return": 0.0641,
    }
    flat = dict.fromkeys(baseline) | {
        "turnover": 0.0,
        "exposure": 0.0,
        "cost_paid": 0.0,
        "n_trades": 0,
        "total_return": 0.0,
        "gross_total_return": 0.0,
    }
    return {
        "format": 1,
        "name": "crypto-1m",
        "description": "FILUSDT perpetual, one-minute bars, August to November 2023.",
        "symbol": "FILUSDT",
        "timeframe": "1m",
        "seed": 42,
        "barmill": "0.1.0",
        "horizon_bars": 60,
        "classes": 2,
        "data": {
            "rows": 175680,
            "first": "2023-08-01 00:00 UTC",
            "last": "2023-11-30 23:59 UTC",
            "fingerprint": digest("bars"),
            "notes": ["open_time read as milliseconds", "column 'quote_asset_volume' taken as quote_volume"],
            "findings": [
                {
                    "code": "D010",
                    "name": "zero range",
                    "severity": "info",
                    "count": 212,
                    "first_time": "2023-08-02 04:11 UTC",
                    "message": "212 bars have high equal to low",
                },
                {
                    "code": "D007",
                    "name": "gap",
                    "severity": "warning",
                    "count": 3,
                    "first_time": "2023-09-14 02:00 UTC",
                    "message": "3 gaps against the calendar, 41 bars in all",
                },
            ],
        },
        "features": {"n": len(FEATURES), "names": FEATURES, "warmup_bars": 910, "not_ready": 304, "schema_hash": digest("schema")},
        "labels": {
            "method": "triple_barrier",
            "n": 58236,
            "excluded": {"outcome not covered": 20, "features not ready": 304, "no room for a stop": 0},
            "balance": {
                "train": {"not up": 20881, "up": 19876},
                "validation": {"not up": 4190, "up": 4021},
                "test": {"not up": 4302, "up": 4104},
            },
            "mean_net_return_bps": -10.4,
            "mean_cost_bps": 10.2,
            "median_move_bps": 31.4,
            "mean_uniqueness": 0.061,
            "mean_label_bars": 47.3,
        },
        "splits": {
            "n_bars": 175680,
            "blocks": [
                block("train", "2023-08-01 15:10 UTC", "2023-10-25 08:00 UTC", 40757),
                block("early_stopping", "2023-10-26 08:00 UTC", "2023-11-02 02:00 UTC", 3240),
                block("calibration", "2023-11-02 03:00 UTC", "2023-11-07 21:00 UTC", 2810),
                block("selection", "2023-11-07 22:00 UTC", "2023-11-12 06:00 UTC", 2001),
                block("test", "2023-11-13 06:00 UTC", "2023-11-30 22:58 UTC", 8406),
            ],
            "dropped": {"purged before validation": 20, "embargoed after train": 480, "embargoed after validation": 480},
        },
        "costs": {"fee": "4 bps", "slippage": "1 ticks", "round_trip_bps": 10.2},
        "models": [model(name, number, name == "lightgbm") for number, name in enumerate(["logistic", "lightgbm", "xgboost", "lstm"])],
        "baselines": {"buy_and_hold": baseline, "always_flat": flat},
        "oracle": None,
        "ledger": {"trials": 12, "fits": 12, "test_openings": 3},
        "provenance": [
            {"what": what, "fitted_on": where, "first_time": "2023-08-01 15:10 UTC", "last_time": "2023-10-25 08:00 UTC", "rows": rows}
            for what, where, rows in [
                ("scaler", "train", 40757),
                ("lightgbm", "train", 40757),
                ("lightgbm: early stopping", "early_stopping", 3240),
                ("lightgbm: temperature_scaling", "calibration", 2810),
                ("lightgbm: quantiles", "calibration", 2810),
                ("thresholds", "selection", 2001),
            ]
        ],
        "fingerprints": {
            "data": digest("bars"),
            "recipe": digest("recipe"),
            "code": digest("code"),
            "seed": 42,
            "stages": {stage: digest(stage) for stage in STAGES},
            "bundles": {name: digest(name) for name in ["logistic", "lightgbm", "xgboost", "lstm"]},
        },
    }


def simulated_judgement() -> dict[str, Any]:
    """Two models, three classes, on a simulated market; the selected one beats chance."""
    judgement = usual_judgement()
    good = {
        "sharpe": 6.42,
        "total_return": 0.214,
        "gross_total_return": 0.391,
        "above_chance": True,
        "max_drawdown": -0.031,
        "profit_factor": 1.61,
    }
    judgement |= {
        "name": "quickstart",
        "symbol": "SIM",
        "classes": 3,
        "models": [model("logistic", 0, False, 3), model("lightgbm", 3, True, 3, **good)],
        "oracle": {"auc": 0.613, "share_found": {"logistic": 0.062, "lightgbm": 0.71}},
    }
    judgement["data"] |= {"findings": [], "notes": []}
    judgement["labels"]["balance"] = {block: {"up": 3120, "neither": 2208, "down": 3078} for block in ("train", "validation", "test")}
    return judgement


def degenerate_judgement() -> dict[str, Any]:
    """One model that never traded, with everything unknown that can be."""
    judgement = usual_judgement()
    silent = model("logistic", 0, True)
    silent["classification"] = dict.fromkeys(silent["classification"]) | {
        "auc_interval": [None, None],
        "class_names": ["not up", "up"],
        "confusion": [[0, 0], [0, 0]],
        "n": 0,
    }
    silent["calibration"] = {
        "methods": [],
        "ece_before": None,
        "ece": None,
        "mce": None,
        "reliability": {column: [None, None] for column in ("mean_p", "share", "low", "high", "count")},
    }
    silent["forecast"] = {"ic": None, "rank_ic": None, "pinball": {"q05": None}, "coverage_90": None}
    silent["trading"] = dict.fromkeys(silent["trading"]) | {
        "profit_factor": "inf",
        "calmar": "-inf",
        "n_trades": 0,
        "above_chance": False,
        "random": {"p05": None, "p50": None, "p95": None, "share_below": None, "n": 0},
    }
    silent |= {"importance": [], "fit": {}}
    judgement |= {"models": [silent], "baselines": {}, "provenance": [], "ledger": {"trials": 0, "fits": 0, "test_openings": 0}}
    judgement["data"] |= {"rows": 0, "first": None, "last": None, "notes": [], "findings": []}
    judgement["labels"] = {
        "method": "fixed_horizon",
        "n": 0,
        "excluded": {},
        "balance": {"train": {"up": 0, "down": 0}},
        "mean_net_return_bps": None,
        "mean_cost_bps": None,
    }
    judgement["splits"] = {"n_bars": 0, "blocks": [], "dropped": {}}
    judgement["costs"] = {"fee": None, "slippage": None, "round_trip_bps": None}
    return judgement


def equity(names: list[str], n_bars: int) -> pl.DataFrame:
    rng = np.random.default_rng(5)
    open_time = 1_699_855_200_000 + 60_000 * np.arange(n_bars, dtype=np.int64)
    market = np.exp(np.cumsum(rng.normal(2e-6, 6e-4, n_bars)))
    columns: dict[str, Any] = {"open_time": open_time}
    for number, name in enumerate(names):
        columns[name] = np.exp(np.cumsum(rng.normal(-4e-6 * (number + 1), 4e-4, n_bars)))
    return pl.DataFrame({**columns, "buy_and_hold": market, "price": 4.5 * market})


def write_run(folder: Path, judgement: dict[str, Any], equity_frame: pl.DataFrame | None, timings: bool = True) -> Path:
    write_json(folder / "metrics" / "judgement.json", judgement)
    write_bytes(folder / "recipe.yaml", RECIPE.encode())
    libraries = {"numpy": "2.4.0", "polars": "2.1.0", "lightgbm": "4.6.0"}
    write_json(
        folder / "environment.json",
        {"barmill": "0.1.0", "python": "3.11.9", "system": "Linux", "machine": "x86_64", "cores": 2, "libraries": libraries},
    )
    if equity_frame is not None:
        equity_frame.write_parquet(folder / "metrics" / "equity.parquet")
    if timings:
        stages = {"bars": 0.41, "features": 3.2, "model lightgbm": 74.1}
        write_json(folder / "timings.json", {"stages": stages, "wall_s": 192.4, "peak_memory_mb": 1042, "estimated_memory_mb": 1400})
    return folder


@pytest.fixture(scope="session")
def usual_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ["logistic", "lightgbm", "xgboost", "lstm"]
    return write_run(tmp_path_factory.mktemp("usual") / "run", usual_judgement(), equity(names, 25_618))


@pytest.fixture(scope="session")
def validated_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cross-validated, tuned, checked for leakage and held against luck, with conformal bands."""
    names = ["logistic", "lightgbm", "xgboost", "lstm"]
    run = write_run(tmp_path_factory.mktemp("validated") / "run", banded(validated(usual_judgement())), equity(names, 25_618))
    path_curves().write_parquet(run / "metrics" / "paths.parquet")
    return run


@pytest.fixture(scope="session")
def simulated_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("simulated") / "run", simulated_judgement(), equity(["logistic", "lightgbm"], 8_900))


@pytest.fixture(scope="session")
def degenerate_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = pl.DataFrame({"open_time": [1_699_855_200_000], "logistic": [None], "price": [4.5]}, schema_overrides={"logistic": pl.Float64})
    return write_run(tmp_path_factory.mktemp("degenerate") / "run", degenerate_judgement(), frame, timings=False)


@pytest.fixture
def judgement() -> dict[str, Any]:
    """A judgement of one's own to change."""
    return copy.deepcopy(usual_judgement())


@pytest.fixture
def make_run(tmp_path: Path):
    """Write a run folder from a judgement."""

    def make(judgement: dict[str, Any], equity_frame: pl.DataFrame | None = None) -> Path:
        return write_run(tmp_path / "made", json.loads(json.dumps(judgement)), equity_frame)

    return make
