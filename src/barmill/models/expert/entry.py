"""The entry expert: LightGBM on whether a proposed trade reaches +1 R before -1 R, one booster for each liquidity cluster.

The class is the samples' own: `BackLabels.classes`, or any labels of two or three classes.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import canonical_json
from barmill.errors import RecipeError, nearest
from barmill.models.admission import admit
from barmill.models.boosting.explaining import explain_trees, trees_health
from barmill.models.boosting.lightgbm_growing import Grown, Rows, Told, grow
from barmill.models.boosting.validation_loss import log_loss
from barmill.models.class_weights import class_weights
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.expert.explaining import by_cluster
from barmill.models.expert.forecasters import EntryForecaster
from barmill.models.expert.growing import settings_of
from barmill.models.expert.liquidity import CLUSTERS, cluster_of, fit_borders
from barmill.models.expert.metrics import precision_at_k
from barmill.models.expert.params import EntryParams
from barmill.models.expert.specs import SPECS
from barmill.views import FeatureMatrix

_OBJECTIVES: dict[int, dict[str, Any]] = {2: {"objective": "binary"}, 3: {"objective": "multiclass", "num_class": 3}}
POOLED = "entry_pooled.txt"


def fit_entry(params: EntryParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with early stopping on `valid`; bits do not depend on `context.threads`.

    A cluster with too few training rows, or without one of the classes, uses the booster of all rows; the summary says so.
    """
    admit(SPECS[0], params, train, valid, context)
    assert isinstance(train.view, FeatureMatrix)
    assert isinstance(valid.view, FeatureMatrix)
    column = _column(params, context)
    borders = np.zeros(0) if column is None else fit_borders(train.view.values[:, column])
    told = Told(context.progress, 1 if column is None else 1 + len(CLUSTERS), params.n_estimators)
    grown: dict[str, Grown] = {}
    boosters: dict[str, str] = {}
    clusters: dict[str, Any] = {}
    for name, own, own_valid in _clusters(train, valid, column, borders):
        clusters[name] = {"rows": len(own), "valid_rows": len(own_valid)}
        shortage = _shortage(params, own, own_valid, context.n_classes)
        if shortage:
            boosters[name] = POOLED
            clusters[name]["pooled"] = shortage
            told.close()
            continue
        boosters[name] = f"entry_{name}.txt"
        grown[boosters[name]] = _grow(params, own, own_valid, context, told)
        clusters[name] |= grown[boosters[name]].summary
    summary: dict[str, Any] = {"borders": borders.tolist(), "clusters": clusters}
    if not boosters or POOLED in boosters.values():
        grown[POOLED] = _grow(params, train, valid, context, told)
        summary["pooled"] = grown[POOLED].summary
    else:
        told.close()
    about = {
        "format": 1,
        "n_classes": context.n_classes,
        "n_features": len(context.feature_names),
        "column": column,
        "borders": borders.tolist(),
        "boosters": boosters,
    }
    files = {**{name: booster.text for name, booster in grown.items()}, "expert.json": canonical_json(about)}
    trees = by_cluster({name: booster.trees for name, booster in grown.items()}, boosters, column, borders)
    explains = {"p_up": "log-odds of a good entry"} if context.n_classes == 2 else {}
    return FittedModel(
        "entry",
        files=files,
        summary={**summary, "p_up": {"health": trees_health(trees)}, "valid": _judged(files, valid, context.n_classes)},
        explanation=explain_trees({"p_up": trees}, context, explains),
    )


def _clusters(
    train: Samples, valid: Samples, column: int | None, borders: npt.NDArray[np.float64]
) -> Iterator[tuple[str, Samples, Samples]]:
    """Each cluster's name with its training and its validation rows; none without a column to tell them by."""
    if column is None:
        return
    assert isinstance(train.view, FeatureMatrix)
    assert isinstance(valid.view, FeatureMatrix)
    own, own_valid = (cluster_of(view.values[:, column], borders) for view in (train.view, valid.view))
    for number, name in enumerate(CLUSTERS):
        yield name, _rows(train, np.flatnonzero(own == number)), _rows(valid, np.flatnonzero(own_valid == number))


def _column(params: EntryParams, context: FitContext) -> int | None:
    if params.liquidity is None:
        return None
    if params.liquidity not in context.feature_names:
        found = f"there is no feature '{params.liquidity}' to tell liquidity by"
        raise RecipeError("model 'entry': liquidity", found, mend=nearest(params.liquidity, context.feature_names))
    return context.feature_names.index(params.liquidity)


def _shortage(params: EntryParams, train: Samples, valid: Samples, n_classes: int) -> str:
    """Why a cluster cannot have a booster of its own; empty where it can."""
    if len(train) < params.min_cluster_rows:
        return f"{len(train)} training rows, fewer than {params.min_cluster_rows}"
    if np.bincount(train.y, minlength=n_classes).min() == 0:
        return "a class without a training row"
    return "" if len(valid) else "no validation rows"


def _rows(samples: Samples, at: npt.NDArray[np.int64]) -> Samples:
    return Samples(samples.view.take(at), samples.y[at], samples.z[at], samples.weight[at])


def _judged(files: dict[str, bytes], valid: Samples, n_classes: int) -> dict[str, float]:
    """What the fitted bytes get right of the validation rows: how many good entries are among the most probable tenth, and among all."""
    logits = EntryForecaster.from_files(files).raw(valid.view).logits
    score = logits if n_classes == 2 else logits[:, -1] - logits[:, 0]
    good = (valid.y == n_classes - 1).astype(np.float64)
    best = precision_at_k(score, good, np.zeros(len(good)), max(1, len(good) // 10))
    return {"good_share": float(good.mean()), "good_share_of_best_tenth": best}


def _grow(params: EntryParams, train: Samples, valid: Samples, context: FitContext, told: Told) -> Grown:
    assert isinstance(train.view, FeatureMatrix)
    assert isinstance(valid.view, FeatureMatrix)
    per_class = class_weights(train.y, context.n_classes, params.class_weight)
    settings = settings_of(params, context) | _OBJECTIVES[context.n_classes]
    rows = Rows(train.view, valid.view, settings, context).labelled(train.y, train.weight * per_class[train.y])
    loss = log_loss(valid.y, valid.weight * per_class[valid.y], context.n_classes)
    return grow(settings, rows, loss, told, params.early_stopping_rounds)
