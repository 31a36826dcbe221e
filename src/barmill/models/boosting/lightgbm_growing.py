"""Grow one LightGBM booster: bytes that depend on data, parameters and seed alone."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from barmill.models.boosting.explaining import Trees, lightgbm_trees, trees_health
from barmill.models.boosting.validation_loss import ValidationLoss
from barmill.models.contract import FitContext, Float64Array
from barmill.progress import Progress
from barmill.views import FeatureMatrix

_NO_COMMAS = str.maketrans(",", ";")  # a feature of two features has a comma in its name, which LightGBM's text format refuses


class Grown(NamedTuple):
    """A booster as text, its trees as explanations see them, and how its growth went, in plain JSON."""

    text: bytes
    trees: Trees
    summary: dict[str, Any]


class Rows:
    """Rows of a matrix as LightGBM bins them, once for all boosters that learn from them."""

    def __init__(self, view: FeatureMatrix, valid: FeatureMatrix, settings: Mapping[str, Any], context: FitContext) -> None:
        names = [name.translate(_NO_COMMAS) for name in context.feature_names]
        self.train = lgb.Dataset(view.values, np.zeros(len(view)), feature_name=names, params=dict(settings))
        self.valid = self.train.create_valid(valid.values, np.zeros(len(valid)))

    def labelled(self, y: npt.NDArray[Any], weight: Float64Array) -> tuple[lgb.Dataset, lgb.Dataset]:
        """The rows with what is to be learned; the validation rows need no labels, the loss has them."""
        self.train.construct()
        self.train.set_label(y)
        self.train.set_weight(weight)
        return self.train, self.valid


def settings_of(context: FitContext) -> dict[str, Any]:
    """What every booster is told beside the parameters of its trees, so that its bits do not depend on the number of threads."""
    return {
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": context.threads,
        "seed": context.seed % 2**31,
        "verbosity": -1,
        "metric": "none",  # the loss is ours, see `validation_loss`
    }


def grow(settings: Mapping[str, Any], rows: tuple[lgb.Dataset, lgb.Dataset], loss: ValidationLoss, told: "Told", patience: int) -> Grown:
    """One booster, cut at the lowest validation loss.

    It grows up to the trees of `told`, and stops after `patience` of them without a lower loss.

    The list of settings at the end of LightGBM's text is left out: forecasts do not need them, and they name the number of threads, which
    must not change the model's bytes.
    """
    history: dict[str, dict[str, list[float]]] = {}
    booster = lgb.train(
        dict(settings),
        rows[0],
        told.trees,
        valid_sets=[rows[1]],
        valid_names=["valid"],
        feval=lambda predictions, _rows: ("loss", loss(predictions), False),
        callbacks=[lgb.early_stopping(patience, verbose=False), lgb.record_evaluation(history), told],
    )
    told.close()
    n_trees, curve = booster.best_iteration, history["valid"]["loss"]
    text = booster.model_to_string(num_iteration=n_trees, importance_type="gain").partition("\nparameters:\n")[0].encode()
    trees = lightgbm_trees(text)
    summary = {"trees": n_trees, "best_valid_loss": curve[n_trees - 1], "history": {"valid": curve}, "health": trees_health(trees)}
    return Grown(text, trees, summary)


class Told:
    """Tells the progress of boosters that are grown one after the other, `trees` each at most."""

    def __init__(self, progress: Progress, boosters: int, trees: int) -> None:
        self._progress, self.trees, self._total, self._done = progress, trees, boosters * trees, 0

    def __call__(self, env: Any) -> None:
        loss = env.evaluation_result_list[0][2]
        self._progress.update(self._done + env.iteration + 1, self._total, f"tree {env.iteration + 1}, valid loss {loss:.5f}")

    def close(self) -> None:
        """A booster is grown, whether it took all its trees or not."""
        self._done += self.trees
        self._progress.update(self._done, self._total)


__all__ = ["Grown", "Rows", "Told", "grow", "settings_of"]
