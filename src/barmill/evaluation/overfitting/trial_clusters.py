"""How many independent trials a number of trials amounts to: variants of one idea are fewer than they seem.

Trials are clustered by the correlation of their returns, after López de Prado & Lewis (2019), "Detection of false investment
strategies using unsupervised learning methods", Quantitative Finance 19(9). They take each cluster for one trial. That says
too little where a cluster hangs together loosely: the best of ten trials with a correlation of 0.6 is luckier than one. So a
cluster of m trials with mean correlation r counts as r + (1 - r) m, the interpolation of Bailey & López de Prado (2014),
appendix 3: 1 where they are the same, m where they have nothing in common.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import without_nan
from barmill.evaluation.overfitting.moments import trial_matrix, whole_rows

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

WEAK_STRUCTURE = 0.25  # mean silhouette below which clusters may be artificial (Kaufman & Rousseeuw 1990, table 4)
_MOST_CUTS = 64  # numbers of clusters that are tried


@dataclass(frozen=True, slots=True)
class EffectiveTrials:
    """What a number of trials amounts to.

    n_effective : float, 1 to n_trials
    n_trials : int, columns
    n_clusters : int; 1 where the trials fall into no clusters
    labels : int64 (n_trials,), cluster of each trial, numbered by first appearance
    silhouette : float, mean silhouette of that clustering; NaN where there is none
    """

    n_effective: float
    n_trials: int
    n_clusters: int
    labels: IntArray
    silhouette: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan(
            {
                "n_effective": self.n_effective,
                "n_trials": self.n_trials,
                "n_clusters": self.n_clusters,
                "silhouette": self.silhouette,
                "labels": self.labels.tolist(),
            }
        )


def effective_number_of_trials(trial_returns: npt.ArrayLike) -> EffectiveTrials:
    """How many independent trials these trials amount to.

    Distances sqrt((1 - correlation) / 2), average linkage, and that number of clusters whose mean silhouette is the highest; no clusters
    where that is below 0.25. No random number is drawn.

    Parameters
    ----------
    trial_returns : float64 of shape (n_rows, n_trials), the same rows for all; a row with a NaN is left out for all

    Returns
    -------
    EffectiveTrials. Trials without variation (they never traded) are one trial together. Fewer than two rows: every trial counts as one.

    The ledger's count is the safe figure: this one is smaller, and supposes that the returns tell all that trials have in common.
    Cost: n_rows x n_trials^2, once, and n_trials^2 for each of at most 64 cuts.
    """
    trials, _ = whole_rows(trial_matrix(trial_returns))
    n_rows, n_trials = trials.shape
    if n_rows < 2:
        return EffectiveTrials(float(n_trials), n_trials, n_trials, np.arange(n_trials), math.nan)
    moves = trials.max(axis=0) > trials.min(axis=0)
    correlation = _correlations(trials[:, moves])
    labels, silhouette = _clusters(correlation)
    effective = sum(_effective(correlation[np.ix_(labels == each, labels == each)]) for each in np.unique(labels))
    every = np.full(n_trials, -1, dtype=np.int64)
    every[moves] = labels
    if not moves.all():
        effective += 1.0
    every = _by_appearance(every)
    return EffectiveTrials(min(max(float(effective), 1.0), float(n_trials)), n_trials, int(every.max()) + 1, every, silhouette)


def _correlations(trials: Float64Array) -> Float64Array:
    n = trials.shape[1]
    if n < 2:
        return np.ones((n, n))
    away = trials - trials.mean(axis=0)
    scaled = away / np.sqrt((away * away).sum(axis=0))
    correlation = np.clip(scaled.T @ scaled, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return (correlation + correlation.T) / 2


def _clusters(correlation: Float64Array) -> tuple[IntArray, float]:
    """Labels and mean silhouette of the best cut of the tree; all in one, and NaN, where no cut is good."""
    from scipy.cluster.hierarchy import cut_tree, linkage
    from scipy.spatial.distance import squareform

    n = correlation.shape[0]
    together = np.zeros(n, dtype=np.int64)
    if n < 3:
        return together, math.nan
    distance = np.sqrt((1 - correlation) / 2)
    tree = linkage(squareform(distance, checks=False), method="average")
    cuts = np.unique(np.geomspace(2, n - 1, min(_MOST_CUTS, n)).round().astype(np.int64))
    labels = cut_tree(tree, n_clusters=cuts).astype(np.int64)
    silhouettes = np.array([_silhouette(distance, column) for column in labels.T])
    best = int(np.argmax(silhouettes))
    if silhouettes[best] < WEAK_STRUCTURE:
        return together, math.nan
    return labels[:, best], float(silhouettes[best])


def _silhouette(distance: Float64Array, labels: IntArray) -> float:
    """Mean of (b - a) / max(a, b): a the mean distance to one's own cluster, b that to the nearest other; 0 for a cluster of one.

    As scikit-learn has it, without its checks, which cost more than the sums (Rousseeuw 1987).
    """
    members = np.eye(labels.max() + 1)[labels]
    sizes = members.sum(axis=0)
    sums = distance @ members
    own = sizes[labels]
    rows = np.arange(labels.size)
    a = sums[rows, labels] / np.maximum(own - 1, 1)
    means = sums / sizes
    means[rows, labels] = np.inf
    b = means.min(axis=1)
    larger = np.maximum(a, b)
    scores = np.where((own > 1) & (larger > 0), (b - a) / np.where(larger > 0, larger, 1.0), 0.0)
    return float(scores.mean())


def _effective(correlation: Float64Array) -> float:
    m = correlation.shape[0]
    if m == 1:
        return 1.0
    mean = max((float(correlation.sum()) - m) / (m * (m - 1)), 0.0)
    return mean + (1 - mean) * m


def _by_appearance(labels: IntArray) -> IntArray:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


__all__ = ["EffectiveTrials", "effective_number_of_trials"]
