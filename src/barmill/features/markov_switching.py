"""Markov switching in mean and variance: how the numbers of the feature are fitted. statsmodels has the likelihood; our filter serves.

As a model it is a hidden Markov model of one observation; it is fitted differently from `hidden_markov`: by maximum likelihood, with
the chain in its stationary distribution before the first row, and without priors on transitions.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from barmill.errors import InputError, MissingDependency
from barmill.features.hidden_markov import FEWEST_ROWS, ROWS_PER_STATE, VARIANCE_FLOOR
from barmill.features.kernels.kernel import Float64Array

_TRIAL_ROWS: Final = 3_000  # the latest, on which the starts are compared
_TRIAL_STEPS: Final = 15
_APPROACH_ROWS: Final = 15_000  # the latest, on which the best start comes near: a step on all rows costs as many times more
_STEPS: Final = 150
_GAIN: Final = 1e-6  # of the log likelihood, relative; a step that brings less is the last
_MOST_SURE: Final = 12.0  # log-odds of a transition: no state is for ever, and none can never be left or reached
_STAYS: Final = 0.9


def fit_markov_switching(n_states: int, observations: Float64Array, starts: npt.NDArray[np.int64]) -> tuple[float, ...]:
    """The numbers of a Markov-switching model of one series, y = mean of the state + normal noise with the variance of the state.

    The likelihood is that of statsmodels' `MarkovRegression(y, n_states, switching_variance=True)`, summed over the stretches so that
    no transition is learned across a gap, and climbed by L-BFGS-B from several starts; the start that is the most likely on the
    latest rows is followed to its end. No variance is below 0.01 of that on all rows: prices move in ticks, and a state of exact zeros
    has a likelihood without bound. States are ordered by ascending variance, so a refit does not swap their meaning.

    Parameters
    ----------
    n_states : int
    observations : float64 array of shape (n_rows, 1), training rows alone, finite
    starts : int64 array, the first row of each stretch of consecutive bars

    Returns
    -------
    tuple of float, as `hidden_markov.fit_hmm` gives them for one observation: start (the stationary distribution), transitions,
    means, variances, centre, scale.

    Raises: InputError for too few rows, an observation that does not vary, or a state that describes hardly any row;
    MissingDependency where statsmodels is not installed.
    Source: Hamilton (1989), Econometrica 57(2), 357-384; Kim & Nelson (1999), State-Space Models with Regime Switching, chapter 4.
    """
    y = np.ascontiguousarray(observations[:, 0])
    return _fit(n_states, y.tobytes(), np.ascontiguousarray(starts).tobytes())


@lru_cache(maxsize=4)  # one fit serves the probabilities of all its states
def _fit(n_states: int, observed: bytes, started: bytes) -> tuple[float, ...]:
    y, starts = np.frombuffer(observed, np.float64), np.frombuffer(started, np.int64)
    _check(n_states, y)
    centre, scale = y.mean(), y.std()
    x = (y - centre) / scale
    # A BLAS that adds up in several threads adds in another order: the last digits would depend on the machine's cores.
    with threadpool_limits(limits=1):
        whole = _models(n_states, x, starts)
        near = _climb(_latest(n_states, x, starts, _APPROACH_ROWS), _best_start(n_states, x, starts), _STEPS)[0]
        best = _climb(whole, near, _STEPS)[0]
        params = whole[0].transform_params(best)
        rows = np.concatenate([model.filter(params).filtered_marginal_probabilities for model in whole]).sum(axis=0)
    if rows.min() < FEWEST_ROWS:
        found = f"one of {n_states} states describes {rows.min():.1f} of {len(y)} training rows"
        raise InputError("Markov switching model", found, expected=f"{FEWEST_ROWS} or more", mend="Ask for fewer states or give more bars.")
    means, variances = params[-2 * n_states : -n_states], params[-n_states:]
    order = np.lexsort((means, variances))
    trans = whole[0].regime_transition_matrix(params)[:, :, 0].T[order][:, order]  # statsmodels has it from column to row
    trans = trans / trans.sum(axis=1, keepdims=True)
    start = whole[0].initial_probabilities(params)[order]
    parts = (start / start.sum(), trans, means[order], variances[order], centre, scale)
    return tuple(float(number) for part in parts for number in np.ravel(part))


def _check(n_states: int, y: Float64Array) -> None:
    needed = ROWS_PER_STATE * n_states
    if len(y) < needed:
        found = f"{len(y)} training rows for {n_states} states"
        raise InputError("Markov switching model", found, expected=f"{needed} or more", mend="Give more bars.")
    if y.min() == y.max():
        raise InputError("Markov switching model", f"its argument is {y[0]} on all training rows", expected="an observation that varies")


def _models(n_states: int, x: Float64Array, starts: npt.NDArray[np.int64]) -> list[Any]:
    """statsmodels' model of each stretch of at least two rows: one alone tells nothing of a transition, and statsmodels refuses it."""
    try:
        from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression
    except ImportError as error:
        mend = 'Install it with: pip install "barmill[stats]".'
        raise MissingDependency("Markov switching model", "fitting needs statsmodels, not installed here", mend=mend) from error
    pieces = np.split(x, starts[1:])
    return [MarkovRegression(piece, n_states, switching_variance=True) for piece in pieces if len(piece) > 1]


def _best_start(n_states: int, x: Float64Array, starts: npt.NDArray[np.int64]) -> Float64Array:
    """The unconstrained numbers to start from: those that come the furthest in a few steps on the latest rows."""
    models = _latest(n_states, x, starts, _TRIAL_ROWS)
    reached = [_climb(models, guess, _TRIAL_STEPS) for guess in _guesses(n_states, x[-_TRIAL_ROWS:], models[0])]
    return min(reached, key=lambda end: end[1])[0]


def _latest(n_states: int, x: Float64Array, starts: npt.NDArray[np.int64], n_rows: int) -> list[Any]:
    """The models of the last `n_rows`."""
    cut = max(0, len(x) - n_rows)
    return _models(n_states, x[cut:], np.append(0, starts[starts > cut] - cut))


def _guesses(n_states: int, x: Float64Array, model: Any) -> list[Float64Array]:
    """Rows cut into equal groups by their size, by themselves, and one narrow group in the midst of a wide one."""
    guesses: list[Float64Array] = []
    for key, shares in ((np.abs(x), np.ones(n_states)), (x, np.ones(n_states)), (np.abs(x), 3.0 ** -np.arange(n_states))):
        cuts = (np.cumsum(shares)[:-1] / shares.sum() * len(x)).astype(np.int64)
        groups = [x[rows] for rows in np.split(np.argsort(key, kind="stable"), cuts)]
        staying = np.full((n_states - 1, n_states), (1.0 - _STAYS) / (n_states - 1))
        np.fill_diagonal(staying, _STAYS)  # row: to that state, but for the last; column: from
        means, variances = [group.mean() for group in groups], [max(group.var(), 2.0 * VARIANCE_FLOOR) for group in groups]
        guesses.append(model.untransform_params(np.concatenate([staying.ravel(), means, variances])))
    return guesses


def _climb(models: Sequence[Any], guess: Float64Array, steps: int) -> tuple[Float64Array, float]:
    """So many steps of L-BFGS-B, or fewer once they gain little. Returns where they end and the mean negative log likelihood there."""
    from scipy.optimize import minimize

    n_rows, n_states = sum(model.nobs for model in models), models[0].k_regimes

    def loss(free: Float64Array) -> float:
        params = models[0].transform_params(free)
        return -sum(float(model.loglike(params)) for model in models) / n_rows

    n_transitions = n_states * (n_states - 1)
    narrowest = np.sqrt(VARIANCE_FLOOR)  # statsmodels squares what is free
    bounds = [(-_MOST_SURE, _MOST_SURE)] * n_transitions + [(None, None)] * n_states + [(narrowest, None)] * n_states
    inside = np.clip(guess, [low or -np.inf for low, _ in bounds], [high or np.inf for _, high in bounds])
    end = minimize(loss, inside, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps, "ftol": _GAIN, "maxfun": 10**6})
    return end.x, float(end.fun)


__all__ = ["fit_markov_switching"]
