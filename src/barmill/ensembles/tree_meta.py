"""A few shallow trees of LightGBM as meta-learner: it may trust a member here and not there, as far as three questions can tell.

Source: Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.ensembles.contract import Float64Array
from barmill.ensembles.linear_meta import RowLearner
from barmill.ensembles.meta_features import MetaFeatures
from barmill.ensembles.params import LightGbmMetaParams
from barmill.errors import BundleError, ShapeError
from barmill.models.boosting.flat_trees import FlatTrees, check_alike
from barmill.models.boosting.lightgbm_text import read_lightgbm
from barmill.models.contract import RawForecast

TREES = ("p_up.txt", "E_r.txt")


@dataclass(frozen=True, slots=True, eq=False)
class TreeMeta:
    """Boosted trees on the meta-features in float32, as LightGBM grew them.

    texts : the boosters' own text by file name, "p_up.txt" and, where it was learned, "E_r.txt"
    up, returns : the trees in them
    """

    texts: Mapping[str, bytes]
    up: FlatTrees
    returns: FlatTrees | None

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "TreeMeta":
        """From the bytes of `TREES`. Raises BundleError where the first is missing or a text is no booster."""
        texts = {name: files[name] for name in TREES if name in files}
        try:
            if TREES[0] not in texts:
                raise ValueError(f"{TREES[0]} is missing")
            up, *rest = [read_lightgbm(text) for text in texts.values()]
            returns = rest[0] if rest else None
            check_alike([up, *rest])
            if returns is not None and returns.n_scores != 1:
                raise ValueError(f"{returns.n_scores} expected returns")
        except ValueError as error:
            raise BundleError("ensemble meta-learner", f"its trees cannot be read: {error!r}", mend="Build the bundle again.") from error
        return cls(texts, up, returns)

    def check(self, features: MetaFeatures) -> None:
        """Raise ShapeError where these trees ask other columns than `features`, or tell other classes apart."""
        found, expected = (self.up.n_scores, self.up.n_features), (1 if features.n_classes == 2 else 3, len(features.names))
        if found != expected:
            raise ShapeError("meta-learner of trees", f"gives {found[0]} scores of {found[1]} columns", expected=f"{expected}")

    def apply(self, x: Float64Array) -> RawForecast:
        """Logits, and the expected z where it was learned, of meta-features (k, n)."""
        rows = _inputs(x)
        return RawForecast(self.up.scores(rows), None if self.returns is None else self.returns.scores(rows))

    def one_row(self) -> RowLearner:
        """`apply` of one row of k meta-features, as plain floats: the logits, and the expected z or None."""
        inputs = np.zeros(self.up.n_features, dtype=np.float32)
        scores, returns = np.empty(self.up.n_scores), np.empty(1)
        up, expect = self.up.bound(inputs, scores), None if self.returns is None else self.returns.bound(inputs, returns)

        def say(x: Sequence[float]) -> tuple[Sequence[float], float | None]:
            for place, number in enumerate(x):
                inputs[place] = number
            up()
            if expect is None:
                return scores.tolist(), None
            expect()
            return scores.tolist(), returns.item()

        return say

    def importance(self) -> dict[str, Float64Array]:
        """Share of the gain that splits by each meta-feature brought, (k,): of p_up and of E_r; all 0 where no tree splits."""
        import lightgbm as lgb

        gains = {
            name.removesuffix(".txt"): np.asarray(lgb.Booster(model_str=text.decode()).feature_importance("gain"), np.float64)
            for name, text in self.texts.items()
        }
        return {output: gain / (gain.sum() or 1.0) for output, gain in gains.items()}


def fit_tree_meta(
    params: LightGbmMetaParams,
    x: Float64Array,
    y: npt.NDArray[np.int64],
    z: Float64Array | None,
    weight: Float64Array,
    n_classes: int,
    seed: int,
) -> TreeMeta:
    """Fit trees for the classes, by log loss, and for the expected z where `z` is given, by squared error.

    One thread and no sampling: bytes depend on the rows, the parameters and the seed alone.

    x : float64 of shape (k, n), standardised meta-features; y, z, weight : of shape (n,)
    """
    import lightgbm as lgb

    classes: dict[str, Any] = {"objective": "binary"} if n_classes == 2 else {"objective": "multiclass", "num_class": 3}
    settings: dict[str, Any] = {
        "learning_rate": params.learning_rate,
        "max_depth": params.max_depth,
        "num_leaves": 2**params.max_depth,
        "min_child_samples": params.min_child_samples,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed % 2**31,
        "verbosity": -1,
    }
    rows = lgb.Dataset(_inputs(x), y, weight=weight, params=settings).construct()
    texts = {"p_up.txt": _text(lgb.train(settings | classes, rows, params.n_estimators))}
    if z is not None:
        rows.set_label(z)
        texts["E_r.txt"] = _text(lgb.train(settings | {"objective": "l2"}, rows, params.n_estimators))
    return TreeMeta.from_files(texts)


def _inputs(x: Float64Array) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(x.T, dtype=np.float32)


def _text(booster: Any) -> bytes:
    """The trees, without the list of settings at the end, which forecasts do not need."""
    return booster.model_to_string(importance_type="gain").partition("\nparameters:\n")[0].encode()


__all__ = ["TREES", "TreeMeta", "fit_tree_meta"]
