"""Ranks that follow from which model beats which, and are shared where none does."""

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


def significance_ranks(beats: BoolArray) -> IntArray:
    """The rank of each model, from 1: nothing beats those of rank 1; with these taken away, nothing beats those of rank 2; and so on.

    beats : bool of shape (n_models, n_models); beats[i, j] says that i is better than j by more than chance

    Returns
    -------
    int64 of shape (n_models,). No model beats another of its own rank, and each model of a rank below the first is beaten by one of
    the rank just above. That two models cannot be told apart is not passed on: A may beat C though neither can be told from B, who
    then stands with A, since nothing beats it.

    Raises: ShapeError for a matrix that is not square, or for models that beat each other in a circle.
    """
    if beats.ndim != 2 or beats.shape[0] != beats.shape[1]:
        raise ShapeError("beats", f"has shape {beats.shape}", expected="(n_models, n_models)")
    n = len(beats)
    ranks = np.zeros(n, dtype=np.int64)
    rank = 0
    while (ranks == 0).any():
        rank += 1
        waiting = ranks == 0
        unbeaten = waiting & ~beats[waiting].any(axis=0)
        if not unbeaten.any():
            names = ", ".join(str(number) for number in np.flatnonzero(waiting))
            raise ShapeError("beats", f"models {names} beat each other in a circle", expected="an order")
        ranks[unbeaten] = rank
    return ranks


__all__ = ["significance_ranks"]
