"""CatBoost's trees as explanations see them."""

import json
import tempfile
from pathlib import Path
from typing import Any

import catboost as cb
import numpy as np

from barmill.models.boosting.explaining import Float32Array, Trees
from barmill.models.contract import Float64Array


def catboost_trees(content: bytes) -> Trees:
    """A CatBoost booster from its JSON.

    CatBoost keeps no gains; in their place stands its own measure, how much forecasts change on average when a row moves to the
    other side of a feature's splits (`PredictionValuesChange`), from the weights of the leaves.
    """
    booster = cb.CatBoost()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        path.write_bytes(content)
        booster.load_model(str(path), format="json")
    told: Any = json.loads(content)
    n_scores = len(told["scale_and_bias"][1])
    depths = [len(tree["splits"] or []) for tree in told["oblivious_trees"]]

    def contributions(rows: Float32Array) -> Float64Array:
        found = booster.get_feature_importance(cb.Pool(rows), type=cb.EFstrType.ShapValues, thread_count=1)
        return np.asarray(found, dtype=np.float64).reshape(len(rows), n_scores, rows.shape[1] + 1)

    def scores(rows: Float32Array) -> Float64Array:
        found = booster.predict(rows, prediction_type="RawFormulaVal", thread_count=1)
        return np.asarray(found, dtype=np.float64).reshape(len(rows), n_scores)

    gains = np.asarray(booster.get_feature_importance(type=cb.EFstrType.PredictionValuesChange, thread_count=1), dtype=np.float64)
    return Trees(contributions, scores, gains, tuple((depth,) * 2**depth for depth in depths))


__all__ = ["catboost_trees"]
