"""Fit LightGBM: one booster for p_up and, if asked for, one for E_r, on the same binned rows.

Source: Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30.
"""

from typing import Any

import lightgbm as lgb

from barmill.models.admission import admit
from barmill.models.boosting.explaining import explain_trees, lightgbm_trees, trees_health
from barmill.models.boosting.params import LightGBMParams
from barmill.models.boosting.validation_loss import ValidationLoss, log_loss, return_loss
from barmill.models.catalogue import spec_of
from barmill.models.class_weights import class_weights
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.progress import Progress
from barmill.views import FeatureMatrix

_CLASS_LOSSES: dict[int, dict[str, Any]] = {2: {"objective": "binary"}, 3: {"objective": "multiclass", "num_class": 3}}

_NO_COMMAS = str.maketrans(",", ";")  # a feature of two features has a comma in its name, which LightGBM's text format refuses


def fit_lightgbm(params: LightGBMParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with early stopping on `valid`; bits do not depend on `context.threads`."""
    admit(spec_of("lightgbm"), params, train, valid, context)
    assert isinstance(train.view, FeatureMatrix)
    assert isinstance(valid.view, FeatureMatrix)
    per_class = class_weights(train.y, context.n_classes, params.class_weight)
    settings = _settings(params, context)
    # Binned once: the second booster swaps the labels of the same dataset.
    names = [name.translate(_NO_COMMAS) for name in context.feature_names]
    train_rows = lgb.Dataset(train.view.values, train.y, weight=train.weight * per_class[train.y], feature_name=names, params=settings)
    valid_rows = train_rows.create_valid(valid.view.values, valid.y)
    returns_too = "E_r" in context.outputs
    total = params.n_estimators * (2 if returns_too else 1)
    files: dict[str, bytes] = {}
    summary: dict[str, dict[str, Any]] = {}
    loss = log_loss(valid.y, valid.weight * per_class[valid.y], context.n_classes)
    told = _Told(context.progress, 0, total)
    files["p_up.txt"], summary["p_up"] = _grow(settings | _CLASS_LOSSES[context.n_classes], params, train_rows, valid_rows, loss, told)
    if returns_too:
        train_rows.set_label(train.z)
        train_rows.set_weight(train.weight)
        objective = {"objective": params.return_loss, "alpha": params.huber_delta}
        loss = return_loss(valid.z, valid.weight, params.return_loss, params.huber_delta)
        told = _Told(context.progress, params.n_estimators, total)
        files["E_r.txt"], summary["E_r"] = _grow(settings | objective, params, train_rows, valid_rows, loss, told)
    context.progress.update(total, total)
    boosters = {name.removesuffix(".txt"): lightgbm_trees(text) for name, text in files.items()}
    for output, trees in boosters.items():
        summary[output]["health"] = trees_health(trees)
    return FittedModel("lightgbm", files=files, summary=summary, explanation=explain_trees(boosters, context))


def _settings(params: LightGBMParams, context: FitContext) -> dict[str, Any]:
    return {
        "learning_rate": params.learning_rate,
        "num_leaves": params.num_leaves,
        "max_depth": params.max_depth,
        "min_child_samples": params.min_child_samples,
        "subsample": params.subsample,
        "subsample_freq": 1 if params.subsample < 1 else 0,  # LightGBM ignores `subsample` unless told how often to draw
        "colsample_bytree": params.colsample_bytree,
        "reg_alpha": params.reg_alpha,
        "reg_lambda": params.reg_lambda,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": context.threads,
        "seed": context.seed % 2**31,
        "verbosity": -1,
    }


def _grow(
    settings: dict[str, Any], params: LightGBMParams, train: lgb.Dataset, valid: lgb.Dataset, loss: ValidationLoss, told: "_Told"
) -> tuple[bytes, dict[str, Any]]:
    """One booster as text, and how its growth went."""
    history: dict[str, dict[str, list[float]]] = {}
    booster = lgb.train(
        settings | {"metric": "none"},
        train,
        params.n_estimators,
        valid_sets=[valid],
        valid_names=["valid"],
        feval=lambda predictions, _rows: ("loss", loss(predictions), False),
        callbacks=[lgb.early_stopping(params.early_stopping_rounds, verbose=False), lgb.record_evaluation(history), told],
    )
    curve = history["valid"]["loss"]
    summary = {"trees": booster.best_iteration, "best_valid_loss": curve[booster.best_iteration - 1], "history": {"valid": curve}}
    return _text(booster), summary


def _text(booster: lgb.Booster) -> bytes:
    """The booster up to its best iteration, without the list of settings at its end.

    Forecasts do not need the settings, and they name the thread count, which must not change the model's bytes.
    """
    text = booster.model_to_string(num_iteration=booster.best_iteration, importance_type="gain")
    model, _, _ = text.partition("\nparameters:\n")
    return model.encode()


class _Told:
    """Tells the progress of a booster, which is one part of `total` trees."""

    def __init__(self, progress: Progress, done: int, total: int) -> None:
        self._progress, self._done, self._total = progress, done, total

    def __call__(self, env: Any) -> None:
        loss = env.evaluation_result_list[0][2]
        self._progress.update(self._done + env.iteration + 1, self._total, f"tree {env.iteration + 1}, valid loss {loss:.5f}")
