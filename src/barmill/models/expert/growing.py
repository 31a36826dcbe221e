"""Grow one LightGBM booster of an expert: bytes that depend on data, parameters and seed alone."""

from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from barmill.models.contract import FitContext, Float64Array
from barmill.models.expert.params import ExpertParams
from barmill.progress import Progress
from barmill.views import FeatureMatrix

ValidationLoss = Callable[[npt.NDArray[Any]], float]

_NO_COMMAS = str.maketrans(",", ";")  # a feature of two features has a comma in its name, which LightGBM's text format refuses


class Rows:
    """Rows of a matrix as LightGBM bins them, once for all boosters that learn from them."""

    def __init__(self, view: FeatureMatrix, valid: FeatureMatrix, settings: dict[str, Any], context: FitContext) -> None:
        names = [name.translate(_NO_COMMAS) for name in context.feature_names]
        self.train = lgb.Dataset(view.values, np.zeros(len(view)), feature_name=names, params=settings)
        self.valid = self.train.create_valid(valid.values, np.zeros(len(valid)))

    def labelled(self, y: npt.NDArray[Any], weight: Float64Array) -> tuple[lgb.Dataset, lgb.Dataset]:
        """The rows with what is to be learned; the validation rows need no labels, the loss has them."""
        self.train.construct()
        self.train.set_label(y)
        self.train.set_weight(weight)
        return self.train, self.valid


def settings_of(params: ExpertParams, context: FitContext) -> dict[str, Any]:
    """What LightGBM is told of the trees. Rows are drawn by blocks that do not depend on the number of threads."""
    return {
        "learning_rate": params.learning_rate,
        "num_leaves": params.num_leaves,
        "min_data_in_leaf": params.min_data_in_leaf,
        "feature_fraction": params.feature_fraction,
        "bagging_fraction": params.bagging_fraction,
        "bagging_freq": 1 if params.bagging_fraction < 1 else 0,  # LightGBM ignores the fraction unless told how often to draw
        "lambda_l2": params.lambda_l2,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": context.threads,
        "seed": context.seed % 2**31,
        "verbosity": -1,
        "metric": "none",
    }


def grow(
    settings: dict[str, Any], params: ExpertParams, rows: tuple[lgb.Dataset, lgb.Dataset], loss: ValidationLoss, told: "Told"
) -> tuple[bytes, dict[str, Any]]:
    """One booster as text, cut at the lowest validation loss, and how its growth went."""
    history: dict[str, dict[str, list[float]]] = {}
    booster = lgb.train(
        settings,
        rows[0],
        params.n_estimators,
        valid_sets=[rows[1]],
        valid_names=["valid"],
        feval=lambda predictions, _rows: ("loss", loss(predictions), False),
        callbacks=[lgb.early_stopping(params.early_stopping_rounds, verbose=False), lgb.record_evaluation(history), told],
    )
    curve = history["valid"]["loss"]
    text, _, _ = booster.model_to_string(num_iteration=booster.best_iteration, importance_type="gain").partition("\nparameters:\n")
    told.close()
    return text.encode(), {
        "trees": booster.best_iteration,
        "best_valid_loss": curve[booster.best_iteration - 1],
        "history": {"valid": curve},
    }


class Told:
    """Tells the progress of boosters that are grown one after the other."""

    def __init__(self, progress: Progress, boosters: int, trees: int) -> None:
        self._progress, self._trees, self._total, self._done = progress, trees, boosters * trees, 0

    def __call__(self, env: Any) -> None:
        loss = env.evaluation_result_list[0][2]
        self._progress.update(self._done + env.iteration + 1, self._total, f"tree {env.iteration + 1}, valid loss {loss:.5f}")

    def close(self) -> None:
        """A booster is grown, whether it took all its trees or not."""
        self._done += self._trees
        self._progress.update(self._done, self._total)
