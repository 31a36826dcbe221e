"""Does a model look at the same features in every split? A model that does not has found no market, only its rows."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.classification import average_ranks

TOP = 10  # features, or half of them where there are fewer than 20


class ExplanationStability(NamedTuple):
    """splits : compared with each other
    rank_correlation, least : Spearman's, of the features' shares: the mean over all pairs of splits, and the lowest
    top : features that are taken for the top of a split
    top_kept : the share of a split's top that is in the top of another, the mean over all pairs; by_chance : what random tops share
    features : per feature the mean of its share over the splits and its deviation (ddof=1)
    """

    splits: int
    rank_correlation: float
    least: float
    top: int
    top_kept: float
    by_chance: float
    features: tuple[Mapping[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan({**self._asdict(), "features": list(self.features)})


def explanation_stability(shares: Sequence[Mapping[str, float]]) -> ExplanationStability:
    """Compare what a model looks at over the splits of a cross-validation.

    Parameters
    ----------
    shares : for each split the share of every feature, the same features in all of them

    A split in which all shares are equal has no ranks, and is in no pair; splits share training rows, so even a model of noise agrees
    with itself somewhat. What is undefined, as with one split, is NaN.

    Raises: ShapeError if the splits name different features, or none.
    """
    if not shares or not shares[0] or any(set(one) != set(shares[0]) for one in shares):
        raise ShapeError("explanation_stability.shares", "splits that name different features, or none", expected="the same in each")
    names = tuple(shares[0])
    table = np.array([[one[name] for name in names] for one in shares], dtype=np.float64)
    varied = table[np.ptp(table, axis=1) > 0]
    top = max(1, min(TOP, len(names) // 2))
    pairs = np.triu_indices(len(varied), k=1)
    ranks = np.array([average_ranks(row) for row in varied]).reshape(len(varied), len(names))
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    centred /= np.sqrt((centred**2).sum(axis=1, keepdims=True))
    correlations = (centred @ centred.T)[pairs]
    in_top = np.zeros(varied.shape)
    np.put_along_axis(in_top, np.argsort(-varied, axis=1, kind="stable")[:, :top], 1.0, axis=1)
    kept = (in_top @ in_top.T)[pairs] / top
    deviation = table.std(axis=0, ddof=1) if len(table) > 1 else np.full(len(names), math.nan)
    mean = table.mean(axis=0)
    features = tuple({"feature": names[i], "mean": float(mean[i]), "std": float(deviation[i])} for i in np.argsort(-mean, kind="stable"))
    least = float(correlations.min()) if correlations.size else math.nan
    return ExplanationStability(len(table), _mean(correlations), least, top, _mean(kept), top / len(names), features)


def _mean(values: npt.NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else math.nan


__all__ = ["ExplanationStability", "explanation_stability"]
