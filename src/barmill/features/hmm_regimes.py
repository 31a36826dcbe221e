"""A hidden Markov model of measures of the regime: the same fit, its states in an order that holds where no argument is a return."""

import math

import numpy as np
import numpy.typing as npt

from barmill.features.hidden_markov import fit_hmm
from barmill.features.kernels.kernel import Float64Array


def fit_hmm_regimes(n_states: int, observations: Float64Array, starts: npt.NDArray[np.int64]) -> tuple[float, ...]:
    """The numbers of `fit_hmm`, its states by ascending mean of the observation that tells them most apart.

    A return says by its variance which state is the wild one. A measure such as a percentile of volatility does not: its variance is nearly
    the same in every state and, ordered by it, states swap their meaning from one fold to the next. Which observation tells most is
    settled by the share of its variance that lies between the states.

    Parameters and errors as of `fit_hmm`.
    """
    d = observations.shape[1]
    shapes = [(n_states,), (n_states, n_states), (n_states, d), (n_states, d), (d,), (d,)]
    cuts = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    pieces = np.split(np.array(fit_hmm(n_states, observations, starts)), cuts)
    start, trans, means, variances, centre, scale = (piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True))
    shares = _stationary(trans)
    between = (shares[:, None] * (means - shares @ means) ** 2).sum(axis=0)
    order = np.lexsort((variances[:, 0], means[:, int(np.argmax(between))]))
    parts = (start[order], trans[order][:, order], means[order], variances[order], centre, scale)
    return tuple(float(number) for part in parts for number in np.ravel(part))


def _stationary(trans: Float64Array) -> Float64Array:
    """The share of time that a chain spends in each state in the long run."""
    n = len(trans)
    system = np.vstack([trans.T - np.eye(n), np.ones(n)])
    return np.asarray(np.linalg.lstsq(system, np.append(np.zeros(n), 1.0))[0], dtype=np.float64)


__all__ = ["fit_hmm_regimes"]
