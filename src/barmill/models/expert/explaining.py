"""The boosters of an expert with liquidity clusters as one, for its explanation."""

from collections.abc import Callable, Mapping

import numpy as np

from barmill.models.boosting.explaining import Float32Array, Trees
from barmill.models.contract import Float64Array
from barmill.models.expert.liquidity import CLUSTERS, cluster_of


def by_cluster(trees: Mapping[str, Trees], boosters: Mapping[str, str], column: int | None, borders: Float64Array) -> Trees:
    """Trees of which each row is given to those of its own cluster.

    A row is explained against what its own cluster's booster says in the mean, so what the liquidity is worth for choosing the booster
    stands in no contribution. Gains and leaves are those of all boosters together.

    Parameters
    ----------
    trees : by the file of their booster
    boosters : the file of each cluster; none without clusters, where `trees` has one
    column, borders : where the liquidity stands, and between which values the clusters lie
    """
    if column is None:
        return next(iter(trees.values()))

    def each(say: Callable[[Trees], Callable[[Float32Array], Float64Array]], rows: Float32Array) -> Float64Array:
        cluster = cluster_of(rows[:, column], borders)
        parts = {number: np.flatnonzero(cluster == number) for number in np.unique(cluster)}
        said = {number: say(trees[boosters[CLUSTERS[number]]])(rows[at]) for number, at in parts.items()}
        whole = np.empty((len(rows), *next(iter(said.values())).shape[1:]))
        for number, at in parts.items():
            whole[at] = said[number]
        return whole

    return Trees(
        contributions=lambda rows: each(lambda one: one.contributions, rows),
        scores=lambda rows: each(lambda one: one.scores, rows),
        gains=np.sum([one.gains for one in trees.values()], axis=0),
        leaves=tuple(tree for one in trees.values() for tree in one.leaves),
    )


__all__ = ["by_cluster"]
