"""What a run with ensembles adds to a judgement: two of them, one whose weights move and one with a meta-learner."""

from typing import Any

import numpy as np

MEMBERS = ("logistic", "lightgbm", "xgboost")
N_POINTS = 60


def _as_ensemble(model: dict[str, Any], name: str, fit: dict[str, Any]) -> dict[str, Any]:
    shown = {"name": name, "model": name, "family": "ensemble", "view": "ensemble", "members": list(MEMBERS), "fit": fit}
    return {**model, **shown, "selected": False, "importance": [], "explanation": None}


def _pairs(offset: float) -> list[dict[str, Any]]:
    each = [("logistic", "lightgbm", 0.91), ("logistic", "xgboost", 0.9), ("lightgbm", "xgboost", 0.97)]
    return [
        {"first": a, "second": b, "error_correlation": c - offset, "q_statistic": 0.8, "disagreement": 0.2 + offset} for a, b, c in each
    ]


def comparison(standing: str = "not better", n_paths: int = 3) -> dict[str, Any]:
    paths = [{"path": k, "log_loss": -0.001 + 0.001 * k, "net_return": 0.01 - 0.02 * k} for k in range(n_paths)]
    return {
        "best_member": "lightgbm",
        "of": 3,
        "block": "cross_validation",
        "n_pairs": 15,
        "log_loss": {"difference": -0.0004, "p_value": 0.2, "p_adjusted": 0.8},
        "net_return": {"difference": 0.01, "p_value": 0.3, "p_adjusted": 1.0},
        "paths": paths,
        "standing": standing,
        "words": f"soft gate is {standing} than its best member, lightgbm: what the run said of it.",
    }


def _table() -> dict[str, Any]:
    figures = [(0.2, 0.0021, 0.0004, 0.0038, 1.1), (0.5, -0.0012, -0.002, -0.0003, 0.7), (0.3, 0.0001, -0.001, 0.0012, 3.4)]
    names = ("share", "gain", "low", "high", "shift")
    return {label: {**dict(zip(names, row, strict=True)), "error_correlation": 0.93} for label, row in zip(MEMBERS, figures, strict=True)}


def _through_time() -> dict[str, Any]:
    first = np.linspace(0.2, 0.4, N_POINTS).round(4)
    state = "hmm_regime_probability_2_0(volatility_percentile_20_480,trend_strength_20)"
    return {
        "open_time": (1_699_855_200_000 + 600_000 * np.arange(N_POINTS)).tolist(),
        "members": {"logistic": first.tolist(), "lightgbm": [0.3] * N_POINTS, "xgboost": (0.7 - first).round(4).tolist()},
        "regimes": {state: np.linspace(0, 1, N_POINTS).round(4).tolist()},
    }


def _ensemble(name: str, weights: dict[str, Any]) -> dict[str, Any]:
    left_out = {"pairs": _pairs(0.0), "loss": 0.6871, "n_folds": 5, "n_fits": 20, "not_left_out": None}
    alone = dict(zip(MEMBERS, (0.69, 0.688, 0.6885), strict=True))
    return {
        "name": name,
        "kind": name,
        "method": "gating",
        "members": list(MEMBERS),
        "comparison": comparison(),
        "table": _table(),
        "weights": weights,
        "out_of_fold": {
            "rows": 40757,
            "alone": alone,
            "diversity": left_out,
            "fold_information": {"words": "lightgbm.p_up jumps 1.10 times as far where folds meet as within them (p = 0.400): chance."},
        },
        "shift": {"rows": 1400, "words": "Refitting moved xgboost.p_up more than 2 times as far as fold models lie apart."},
        "diversity": {"cross_validation": {"rows": 90000, "pairs": _pairs(0.01)}, "test": {"rows": 8406, "pairs": _pairs(0.02)}},
    }


def combined(judgement: dict[str, Any]) -> dict[str, Any]:
    """`judgement` with a gate and a stacking of its first three models."""
    by_member = {"logistic": 0.25, "lightgbm": 0.3, "xgboost": 0.45}
    by_output = {"logistic.p_up": 0.2, "lightgbm.p_up": 0.4, "lightgbm.E_r": 0.1, "xgboost.p_up": 0.2, "regime.trend_regime_20": 0.1}
    moving = {"kind": "weights", "shares": by_member, "n_bars": 25618, "through_time": _through_time()}
    learned = {"rows": 40757, "folds": 5, "left_out": 12}
    gate = {
        "learned_from": learned,
        "weights": by_member,
        "regimes": [{"rows": 300.4, "weights": by_member, "pooled": False}, {"rows": 12.0, "weights": by_member, "pooled": True}],
        "words": "On folds that it did not see the gate's log loss is 0.68, less than equal weights.",
    }
    stack = {
        "learned_from": {**learned, "left_out": 0},
        "importance": {"p_up": by_output},
        "words": "The meta-learner's log loss is 0.6875.",
    }
    first = judgement["models"][0]
    judgement["models"] += [_as_ensemble(first, "hmm_gating", gate), _as_ensemble(first, "ridge_stacking", stack)]
    judgement["ensembles"] = [
        _ensemble("hmm_gating", moving),
        _ensemble("ridge_stacking", {"kind": "importance", "shares": by_output}),
    ]
    return judgement
