"""Which features say the same: rank correlations, clusters of them, and an order that puts like beside like."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.evaluation.classification import average_ranks

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

CLUSTER_DISTANCE = 0.3  # a cluster's members correlate by 0.7 in the mean
FEWEST_ROWS = 100
READY_SHARE = 0.5  # of the rows: a feature with fewer has no correlations, so that it does not take the rows of all others


@dataclass(frozen=True, slots=True, eq=False)
class Correlations:
    """Spearman correlations of the features that have enough rows and vary on them.

    rho : float64 of shape (n_features, n_features); NaN where one has no correlations
    order : int64, the features that have some, in the order of the tree's leaves
    clusters : features that belong together, two or more, the largest cluster first; in each, the most typical member first
    n_rows : rows on which all of them are finite, and were ranked
    """

    rho: Float64Array
    order: Int64Array
    clusters: tuple[tuple[int, ...], ...]
    n_rows: int


def correlations(sample: Float64Array) -> Correlations:
    """Rank correlations between features, and the clusters of average linkage at distance 1 - abs(rho).

    Parameters
    ----------
    sample : float64 of shape (n_features, n_rows); what is not finite is missing

    A feature that is finite on less than half of the rows is left out, and so is one that does not vary on the rows that remain; of the
    others the rows count on which all are finite. With fewer than 100 such rows nothing is said.
    """
    n_features = sample.shape[0]
    finite = np.isfinite(sample)
    held = np.flatnonzero(finite.mean(axis=1) >= READY_SHARE) if sample.size else np.empty(0, dtype=np.int64)
    rows = np.flatnonzero(finite[held].all(axis=0))
    rho = np.full((n_features, n_features), np.nan)
    if rows.size < FEWEST_ROWS:
        return Correlations(rho, np.empty(0, dtype=np.int64), (), int(rows.size))
    ranks = np.array([average_ranks(sample[feature, rows]) for feature in held]).reshape(held.size, rows.size)
    varied = np.ptp(ranks, axis=1) > 0
    held, ranks = held[varied], ranks[varied]
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    centred /= np.sqrt((centred**2).sum(axis=1, keepdims=True))
    between = np.clip(centred @ centred.T, -1.0, 1.0)
    np.fill_diagonal(between, 1.0)
    rho[np.ix_(held, held)] = between
    order, clusters = _tree(np.abs(between))
    return Correlations(rho, held[order], tuple(tuple(int(held[i]) for i in members) for members in clusters), int(rows.size))


def _tree(strength: Float64Array) -> tuple[Int64Array, list[Int64Array]]:
    """The order of the leaves, and the clusters of two or more."""
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(strength) < 2:
        return np.arange(len(strength)), []
    tree = linkage(squareform(1.0 - strength, checks=False), method="average", optimal_ordering=True)
    order = leaves_list(tree).astype(np.int64)
    number = fcluster(tree, CLUSTER_DISTANCE, criterion="distance")
    groups = [np.flatnonzero(number == one) for one in range(1, int(number.max()) + 1)]
    typical = [group[np.argsort(-strength[np.ix_(group, group)].mean(axis=1), kind="stable")] for group in groups if group.size > 1]
    return order, sorted(typical, key=lambda group: (-group.size, int(group[0])))


__all__ = ["Correlations", "correlations"]
