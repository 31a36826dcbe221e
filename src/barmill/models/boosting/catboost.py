"""Fit CatBoost: one booster for p_up and, if asked for, one for E_r.

Source: Prokhorenkova et al. (2018), CatBoost: unbiased boosting with categorical features, NeurIPS 31; the symmetric trees
are section 2 of Dorogush, Ershov and Gulin (2018), CatBoost: gradient boosting with categorical features support.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import catboost as cb
import numpy as np

from barmill.artefacts import canonical_json
from barmill.errors import TrainingError
from barmill.models.admission import admit
from barmill.models.boosting.catboost_explaining import catboost_trees
from barmill.models.boosting.explaining import explain_trees, trees_health
from barmill.models.boosting.params import CatBoostParams
from barmill.models.catalogue import spec_of
from barmill.models.class_weights import class_weights
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.progress import Progress
from barmill.views import FeatureMatrix

_CLASS_LOSSES = {2: "Logloss", 3: "MultiClass"}
_KEPT = ("features_info", "oblivious_trees", "scale_and_bias")


def fit_catboost(params: CatBoostParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with early stopping on `valid`; bits do not depend on `context.threads`."""
    admit(spec_of("catboost"), params, train, valid, context)
    per_class = class_weights(train.y, context.n_classes, params.class_weight)
    settings = _settings(params, context)
    losses: dict[str, dict[str, Any]] = {"p_up": {"loss_function": _CLASS_LOSSES[context.n_classes], "class_weights": per_class.tolist()}}
    if "E_r" in context.outputs:
        losses["E_r"] = {"loss_function": "RMSE" if params.return_loss == "l2" else f"Huber:delta={params.huber_delta!r}"}
    files: dict[str, bytes] = {}
    summary: dict[str, dict[str, Any]] = {}
    total = params.n_estimators * len(losses)
    for place, (output, loss) in enumerate(losses.items()):
        rows, valid_rows = (_pool(part, output, context.threads) for part in (train, valid))
        told = _Told(context.progress, place * params.n_estimators, total)
        files[f"{output}.json"], summary[output] = _grow(settings | loss, rows, valid_rows, told)
    context.progress.update(total, total)
    boosters = {name.removesuffix(".json"): catboost_trees(content) for name, content in files.items()}
    for output, trees in boosters.items():
        summary[output]["health"] = trees_health(trees)
    return FittedModel("catboost", files=files, summary=summary, explanation=explain_trees(boosters, context))


def _pool(samples: Samples, output: str, threads: int) -> cb.Pool:
    assert isinstance(samples.view, FeatureMatrix)
    target = samples.y if output == "p_up" else samples.z
    return cb.Pool(samples.view.values, target, weight=samples.weight, thread_count=threads)


def _settings(params: CatBoostParams, context: FitContext) -> dict[str, Any]:
    # All rows for every tree is a bootstrap of its own kind; otherwise those with large gradients are drawn more often.
    bootstrap = {"bootstrap_type": "No"} if params.subsample == 1 else {"bootstrap_type": "MVS", "subsample": params.subsample}
    return bootstrap | {
        "iterations": params.n_estimators,
        "learning_rate": params.learning_rate,
        "depth": params.max_depth,
        "rsm": params.colsample_bytree,
        "l2_leaf_reg": params.reg_lambda,
        "random_strength": params.random_strength,
        "border_count": params.max_bin,
        "boosting_type": "Plain",  # what CatBoost takes by itself for more than 50,000 rows: the choice must not hang on the fold
        "od_type": "Iter",
        "od_wait": params.early_stopping_rounds,
        "thread_count": context.threads,
        "random_seed": context.seed % 2**31,
        "allow_writing_files": False,
        "logging_level": "Silent",
    }


def _grow(settings: dict[str, Any], train: cb.Pool, valid: cb.Pool, told: "_Told") -> tuple[bytes, dict[str, Any]]:
    """One booster as JSON, and how its growth went."""
    booster = cb.CatBoost(settings)
    try:
        booster.fit(train, eval_set=valid, use_best_model=True, callbacks=[told])
    except cb.CatBoostError as error:
        mend = "CatBoost needs a feature that is not the same in every row."
        raise TrainingError("model 'catboost'", str(error).splitlines()[0], mend=mend) from error
    curve = [float(value) for value in next(iter(booster.get_evals_result()["validation"].values()))]
    trees = len(booster.get_tree_leaf_counts())
    summary = {"trees": trees, "best_valid_loss": curve[trees - 1], "history": {"valid": curve}}
    return _json(booster), summary


def _json(booster: cb.CatBoost) -> bytes:
    """The booster in CatBoost's own JSON, without the part that says where, when and with how many threads it was made."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        booster.save_model(str(path), format="json")
        content: dict[str, Any] = json.loads(path.read_bytes())
    return canonical_json({name: content[name] for name in _KEPT})


class _Told:
    """Tells the progress of a booster, which is one part of `total` trees."""

    def __init__(self, progress: Progress, done: int, total: int) -> None:
        self._progress, self._done, self._total = progress, done, total

    def after_iteration(self, info: Any) -> bool:
        """Called by CatBoost, which goes on as long as the answer is True."""
        loss = np.asarray(next(iter(info.metrics["validation"].values())))[-1]
        self._progress.update(self._done + info.iteration, self._total, f"tree {info.iteration}, valid loss {loss:.5f}")
        return True
