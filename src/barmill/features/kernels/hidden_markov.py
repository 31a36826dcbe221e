"""The forward filter of a hidden Markov model with Gaussian observations.

Source: Rabiner (1989), Proceedings of the IEEE 77(2); Hamilton (1989), Econometrica 57(2).
"""

import math

import numba
import numpy as np
from numba import types

from barmill.features.kernels.kernel import Float64Array, Kernel, kernel, routine

_MATRIX = types.float64[:, ::1]


@numba.njit(error_model="numpy", inline="always")
def _predict(states: Float64Array, trans: Float64Array, predicted: Float64Array) -> None:
    """`predicted` = `states` times `trans`, which is given row after row."""
    n = states.size
    for k in range(n):
        total = 0.0
        for j in range(n):
            total += states[j] * trans[j * n + k]
        predicted[k] = total


@numba.njit(error_model="numpy", inline="always")
def _correct(predicted: Float64Array, log_density: Float64Array, states: Float64Array) -> float:
    """`states` proportional to `predicted` times the density, sum 1. Returns the logarithm of what they were divided by.

    Densities are taken relative to the highest among the states that can be, so that it cannot underflow to nothing; an
    observation that no such state can give (-inf) tells nothing, and leaves what was predicted.
    """
    highest = -np.inf
    for k in range(predicted.size):
        if predicted[k] > 0.0 and log_density[k] > highest:
            highest = log_density[k]
    total = 0.0
    for k in range(predicted.size):
        weight = 1.0
        if highest > -np.inf:
            weight = math.exp(log_density[k] - highest) if predicted[k] > 0.0 else 0.0
        states[k] = predicted[k] * weight
        total += states[k]
    for k in range(predicted.size):
        states[k] /= total
    return highest + math.log(total)


@routine(types.void(types.float64[::1], types.float64[::1], _MATRIX, _MATRIX, types.float64[::1]))
def filter_states(
    start: Float64Array, trans: Float64Array, log_density: Float64Array, filtered: Float64Array, log_normaliser: Float64Array
) -> None:
    """Filter a whole history: `log_density` (n, K) to `filtered` (n, K) and `log_normaliser` (n,); `trans` row after row."""
    predicted = start.copy()
    for t in range(log_density.shape[0]):
        if t > 0:
            _predict(filtered[t - 1], trans, predicted)
        log_normaliser[t] = _correct(predicted, log_density[t], filtered[t])


def _state_size(params: tuple[float, ...]) -> int:
    n_states = int(params[0])
    n_args = (len(params) - 2 - n_states - n_states**2) // (2 * n_states + 2)
    return 1 + 4 * n_states + n_states * n_args


@kernel("hidden_markov", ("probability", "expected_state"), _state_size)
def hidden_markov(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: number of states K, the state asked for; fitted: start (K), transitions (K, K), means (K, d), variances (K, d),
    centre (d) and scale (d) of the observations, in which means and variances are counted; d rows of observations.

    state: bars seen, filtered (K), room for predicted, log densities and their constants (K each) and -1/(2 variance) (K, d).
    """
    n, asked = int(params[0]), int(params[1])
    d = (params.size - 2 - n - n * n) // (2 * n + 3)
    trans_at = 2 + n
    means_at = trans_at + n * n
    variances_at = means_at + n * d
    centre_at = variances_at + n * d
    scale_at = centre_at + d
    rows_at = scale_at + d
    start, trans = params[2:trans_at], params[trans_at:means_at]
    seen = state[0]
    states, predicted = state[1 : 1 + n], state[1 + n : 1 + 2 * n]
    log_density, constants, halves = state[1 + 2 * n : 1 + 3 * n], state[1 + 3 * n : 1 + 4 * n], state[1 + 4 * n :]
    for k in range(n):
        constants[k] = 0.0
        for i in range(d):
            variance = params[variances_at + k * d + i]
            constants[k] -= 0.5 * math.log(2.0 * math.pi * variance)
            halves[k * d + i] = -0.5 / variance
    for t in range(bars.shape[1]):
        known = True
        for i in range(d):
            known = known and np.isfinite(bars[int(params[rows_at + i]), t])
        if not known:
            out[0, t], out[1, t] = np.nan, np.nan
            continue
        for k in range(n):
            log_density[k] = constants[k]
        for i in range(d):
            x = (bars[int(params[rows_at + i]), t] - params[centre_at + i]) / params[scale_at + i]
            for k in range(n):
                away = x - params[means_at + k * d + i]
                log_density[k] += away * away * halves[k * d + i]
        if seen == 0.0:
            predicted[:] = start
        else:
            _predict(states, trans, predicted)
        _correct(predicted, log_density, states)
        expected = 0.0
        for k in range(n):
            expected += k * states[k]
        out[0, t], out[1, t] = states[asked], expected
        seen += 1.0
    state[0] = seen


# The same arithmetic under names of their own: runs of one kernel with the same parameters and arguments are shared, and these have
# other numbers fitted.
hmm_regimes = Kernel("hmm_regimes", hidden_markov.outputs, _state_size, hidden_markov.function)
markov_switching = Kernel("markov_switching", hidden_markov.outputs, _state_size, hidden_markov.function)

KERNELS = (hidden_markov, hmm_regimes, markov_switching)
ROUTINES = (filter_states,)
