"""Fit XGBoost by histograms: one booster for p_up and, if asked for, one for E_r.

Source: Chen and Guestrin (2016), XGBoost: a scalable tree boosting system, KDD 22.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from xgboost.callback import TrainingCallback

from barmill.models.admission import admit
from barmill.models.boosting.explaining import explain_trees, trees_health, xgboost_trees
from barmill.models.boosting.params import XGBoostParams
from barmill.models.boosting.validation_loss import ValidationLoss, log_loss, return_loss
from barmill.models.catalogue import spec_of
from barmill.models.class_weights import class_weights
from barmill.models.contract import FitContext, FittedModel, Samples, View
from barmill.progress import Progress
from barmill.views import FeatureMatrix

_CLASS_LOSSES: dict[int, dict[str, Any]] = {2: {"objective": "binary:logistic"}, 3: {"objective": "multi:softprob", "num_class": 3}}


def fit_xgboost(params: XGBoostParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with early stopping on `valid`; bits do not depend on `context.threads`."""
    admit(spec_of("xgboost"), params, train, valid, context)
    per_class = class_weights(train.y, context.n_classes, params.class_weight)
    settings = _settings(params, context)
    # Binned once, by unweighted quantiles: the second booster swaps labels and weights of the same matrices.
    train_rows = xgb.QuantileDMatrix(_values(train.view), train.y, max_bin=params.max_bin, nthread=context.threads)
    valid_rows = xgb.QuantileDMatrix(_values(valid.view), valid.y, ref=train_rows, max_bin=params.max_bin, nthread=context.threads)
    train_rows.set_weight(train.weight * per_class[train.y])
    returns_too = "E_r" in context.outputs
    total = params.n_estimators * (2 if returns_too else 1)
    files: dict[str, bytes] = {}
    summary: dict[str, dict[str, Any]] = {}
    loss = log_loss(valid.y, valid.weight * per_class[valid.y], context.n_classes)
    told = _Told(context.progress, 0, total)
    files["p_up.ubj"], summary["p_up"] = _grow(settings | _CLASS_LOSSES[context.n_classes], params, train_rows, valid_rows, loss, told)
    if returns_too:
        train_rows.set_label(train.z)
        train_rows.set_weight(train.weight)
        valid_rows.set_label(valid.z)  # not looked at, but XGBoost checks that labels suit the objective
        loss = return_loss(valid.z, valid.weight, params.return_loss, params.huber_delta)
        told = _Told(context.progress, params.n_estimators, total)
        files["E_r.ubj"], summary["E_r"] = _grow(settings | _return_objective(params), params, train_rows, valid_rows, loss, told)
    context.progress.update(total, total)
    boosters = {name.removesuffix(".ubj"): xgboost_trees(content) for name, content in files.items()}
    for output, trees in boosters.items():
        summary[output]["health"] = trees_health(trees)
    return FittedModel("xgboost", files=files, summary=summary, explanation=explain_trees(boosters, context))


def _values(view: View) -> npt.NDArray[np.float32]:
    assert isinstance(view, FeatureMatrix)
    return view.values


def _settings(params: XGBoostParams, context: FitContext) -> dict[str, Any]:
    return {
        "tree_method": "hist",
        "device": "cpu",
        "eta": params.learning_rate,
        "max_depth": params.max_depth,
        "min_child_weight": params.min_child_weight,
        "gamma": params.gamma,
        "subsample": params.subsample,
        "colsample_bytree": params.colsample_bytree,
        "alpha": params.reg_alpha,
        "lambda": params.reg_lambda,
        "max_bin": params.max_bin,
        "nthread": context.threads,
        "seed": context.seed % 2**31,
        "verbosity": 0,
    }


def _return_objective(params: XGBoostParams) -> dict[str, Any]:
    if params.return_loss == "l2":
        return {"objective": "reg:squarederror"}
    return {"objective": "reg:pseudohubererror", "huber_slope": params.huber_delta}  # XGBoost has Huber's loss in its smooth form


def _grow(
    settings: dict[str, Any], params: XGBoostParams, train: xgb.DMatrix, valid: xgb.DMatrix, loss: ValidationLoss, told: "_Told"
) -> tuple[bytes, dict[str, Any]]:
    """One booster as UBJSON, and how its growth went."""
    history: dict[str, dict[str, list[float]]] = {}
    booster = xgb.train(
        settings | {"disable_default_eval_metric": True},
        train,
        params.n_estimators,
        evals=[(valid, "valid")],
        custom_metric=lambda predictions, _rows: ("loss", loss(predictions)),
        early_stopping_rounds=params.early_stopping_rounds,
        evals_result=history,
        verbose_eval=False,
        callbacks=[told],
    )
    curve = [float(value) for value in history["valid"]["loss"]]
    trees = int(booster.best_iteration) + 1
    kept = booster[:trees]
    kept.set_attr(best_iteration=None, best_score=None)
    summary = {"trees": trees, "best_valid_loss": curve[trees - 1], "history": {"valid": curve}}
    return bytes(kept.save_raw("ubj")), summary


class _Told(TrainingCallback):  # pyright: ignore[reportUntypedBaseClass] - the library has no types
    """Tells the progress of a booster, which is one part of `total` trees."""

    def __init__(self, progress: Progress, done: int, total: int) -> None:
        self._progress, self._done, self._total = progress, done, total

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        loss = next(iter(evals_log["valid"].values()))[-1]
        self._progress.update(self._done + epoch + 1, self._total, f"tree {epoch + 1}, valid loss {loss:.5f}")
        return False
