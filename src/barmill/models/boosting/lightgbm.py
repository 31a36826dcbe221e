"""Fit LightGBM: one booster for p_up and, if asked for, one for E_r, on the same binned rows.

Source: Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30.
"""

from typing import Any

from barmill.models.admission import admit
from barmill.models.boosting.explaining import explain_trees
from barmill.models.boosting.lightgbm_growing import Grown, Rows, Told, grow, settings_of
from barmill.models.boosting.params import LightGBMParams
from barmill.models.boosting.validation_loss import log_loss, return_loss
from barmill.models.catalogue import spec_of
from barmill.models.class_weights import class_weights
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.views import FeatureMatrix

_CLASS_LOSSES: dict[int, dict[str, Any]] = {2: {"objective": "binary"}, 3: {"objective": "multiclass", "num_class": 3}}


def fit_lightgbm(params: LightGBMParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with early stopping on `valid`; bits do not depend on `context.threads`."""
    admit(spec_of("lightgbm"), params, train, valid, context)
    assert isinstance(train.view, FeatureMatrix)
    assert isinstance(valid.view, FeatureMatrix)
    per_class = class_weights(train.y, context.n_classes, params.class_weight)
    settings = _settings(params, context)
    returns_too = "E_r" in context.outputs
    told = Told(context.progress, 2 if returns_too else 1, params.n_estimators)
    rows = Rows(train.view, valid.view, settings, context)
    labelled = rows.labelled(train.y, train.weight * per_class[train.y])
    loss = log_loss(valid.y, valid.weight * per_class[valid.y], context.n_classes)
    objective = settings | _CLASS_LOSSES[context.n_classes]
    grown: dict[str, Grown] = {"p_up": grow(objective, labelled, loss, told, params.early_stopping_rounds)}
    if returns_too:
        labelled = rows.labelled(train.z, train.weight)
        loss = return_loss(valid.z, valid.weight, params.return_loss, params.huber_delta)
        objective = settings | {"objective": params.return_loss, "alpha": params.huber_delta}
        grown["E_r"] = grow(objective, labelled, loss, told, params.early_stopping_rounds)
    files = {f"{output}.txt": booster.text for output, booster in grown.items()}
    summary = {output: booster.summary for output, booster in grown.items()}
    explanation = explain_trees({output: booster.trees for output, booster in grown.items()}, context)
    return FittedModel("lightgbm", files=files, summary=summary, explanation=explanation)


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
        **settings_of(context),
    }
