"""A run whose models are explained in every way there is, as the pipeline writes it."""

from typing import Any

import numpy as np


def _features(names: list[str], seed: int, trees: bool) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    shares = np.sort(rng.dirichlet(0.5 * np.ones(len(names))))[::-1]
    gains = rng.dirichlet(20 * shares + 0.1)
    told: list[dict[str, Any]] = []
    for i, name in enumerate(names):
        one = {"feature": name, "share": float(shares[i]), "size": float(shares[i]), "direction": float(rng.uniform(-1, 1))}
        told.append({**one, **({"gain": float(gains[i])} if trees else {})})
    return told


def output(names: list[str], seed: int, method: str, **more: Any) -> dict[str, Any]:
    told = {"method": method, "explains": "log-odds of up", "baseline": "zeros", "gini": 0.71, **more}
    return {**told, "features": _features(names, seed, method == "tree_shap")}


def explanation(model: str, names: list[str], number: int) -> dict[str, Any]:
    if model == "logistic":
        return {"format": 1, "rows": 512, "outputs": {"p_up": output(names, number, "coefficients")}, "read_out": {}}
    if model in ("lightgbm", "xgboost"):
        exact = {"largest_error": 4e-15, "size": 0.21}
        outputs = {name: output(names, number, "tree_shap", completeness=exact) for name in ("p_up", "E_r")}
        return {"format": 1, "rows": 512, "outputs": outputs, "read_out": {}}
    by_position = np.exp(np.arange(60) / 9.0)
    attention = np.exp(-np.arange(60)[::-1] / 20.0)
    steps = np.arange(12)
    read_out = {
        "variables": [{"feature": name, "weight": 1 / (2 + i)} for i, name in enumerate(names)],
        "attention": (attention / attention.sum()).tolist(),
        "components": {
            "trend": {"mean": (0.01 * steps).tolist(), "size": (0.02 + 0.01 * steps).tolist()},
            "seasonal": {"mean": (0.01 * np.sin(steps)).tolist(), "size": [0.03] * 12},
        },
    }
    missed = {"mean_error": 0.0011, "largest_error": 0.02, "size": 0.4}
    found = output(names, number, "integrated_gradients", completeness=missed, by_position=(by_position / by_position.sum()).tolist())
    return {"format": 1, "rows": 256, "outputs": {"p_up": found}, "read_out": read_out}


def looks_at(names: list[str], number: int, kinds: tuple[str, ...]) -> dict[str, Any]:
    features = [{"feature": one["feature"], "mean": one["share"], "std": 0.2 * one["share"]} for one in _features(names, number, False)]
    agreed = {"splits": 15, "rank_correlation": 0.74, "least": 0.51, "top": 10, "top_kept": 0.83, "by_chance": 0.5, "features": features}
    return dict.fromkeys(kinds, agreed)


def explained(judgement: dict[str, Any]) -> dict[str, Any]:
    """`judgement` with explanations and health of every model; with agreement of splits where it cross-validates."""
    names = judgement["features"]["names"]
    for number, model in enumerate(judgement["models"]):
        model["explanation"] = explanation(model["name"], names, number)
        if "p_up" in model["fit"]:
            for part in ("p_up", "E_r"):
                model["fit"][part]["health"] = {"trees": 61, "leaves_per_tree": 30.7, "leaf_depth_mean": 8.21, "features_used_share": 0.95}
        elif model["name"] == "lstm":
            model["fit"]["health"] = {
                "gradient_norm_median": 0.31,
                "gradient_clipped_share": 0.021,
                "attention_entropy": 3.2,
                "some_figure": 4.0,
            }
        else:
            model["fit"]["health"] = {"nonzero_weights": 20, "condition": 41.3}
    paths = judgement.get("cross_validation") or {"models": []}
    for number, model in enumerate(paths["models"]):
        model["looks_at"] = looks_at(names, number, ("share", "gain") if "boost" in model["name"] or "gbm" in model["name"] else ("share",))
    return judgement
