"""Hidden Markov models with Gaussian observations: the forward filter, and how the numbers of a feature are fitted.

hmmlearn fits on training rows, once for each fold; the scan filters. Smoothed probabilities and the most likely path of a
whole series look ahead and are not offered (`docs/explanation/regimes.md`).
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from barmill.errors import InputError, MissingDependency, ShapeError
from barmill.features.kernels.hidden_markov import filter_states
from barmill.features.kernels.kernel import Float64Array

ROWS_PER_STATE: Final = 50  # fewer say little about a state's variance and less about when it ends
FEWEST_ROWS: Final = 10  # a state of fewer describes some odd rows, not a regime
VARIANCE_FLOOR: Final = 0.01  # of the variance on all rows: prices move in ticks, and a state of exact zeros has a density without bound
_TRIAL_ROWS: Final = 20_000  # the latest, on which the starts are compared
_TRIAL_STEPS: Final = 15
_STEPS: Final = 300
_GAIN: Final = 1e-6  # of the log likelihood per row; a step that brings less is the last
_SEED: Final = 0

_fits: dict[bytes, tuple[float, ...]] = {}  # the last few: one fit serves the probabilities of all its states
_FITS_KEPT: Final = 16


class HmmFilter(NamedTuple):
    """`filtered`, float64 of shape (n_bars, n_states), and `loglik`, the log likelihood of all observations."""

    filtered: Float64Array
    loglik: float


def hmm_filter(
    start: npt.ArrayLike,
    trans: npt.ArrayLike,
    likelihood: npt.ArrayLike | None = None,
    *,
    means: npt.ArrayLike | None = None,
    variances: npt.ArrayLike | None = None,
    x: npt.ArrayLike | None = None,
) -> HmmFilter:
    """Probability of each state of a hidden Markov model, given the observations so far: α_t ∝ (α_{t-1} · trans) · likelihood_t.

    Parameters
    ----------
    start : float64 array of shape (n_states,), probabilities of the first state
    trans : float64 array of shape (n_states, n_states), from row to column; each row sums to 1
    likelihood : float64 array of shape (n_bars, n_states), density of each observation in each state; or, instead of it,
    means, variances : float64 arrays of shape (n_states,) or (n_states, n_observed), variances and not standard deviations
    x : float64 array of shape (n_bars,) or (n_bars, n_observed), observations that are independent normals within a state

    Returns
    -------
    filtered : float64 array of shape (n_bars, n_states), rows sum to 1; row t is P(state_t | observations 0..t)
    loglik : float, sum of the logarithms of the normalisers

    Long series and tiny densities do not underflow. An observation that no possible state can give (all densities 0) leaves
    the prediction as it is, and makes `loglik` -inf.

    Timing: row t uses observations 0 .. t, so it is known at the close of bar t; later ones change no bit of it.
    Raises: ShapeError for arrays that do not fit together; InputError for probabilities that do not sum to 1, a likelihood
    below 0, a variance that is not above 0, or a value that is not finite.
    Source: Rabiner (1989), Proceedings of the IEEE 77(2), 257-286; Hamilton (1989), Econometrica 57(2), 357-384.
    """
    start, trans = _finite("start", start, 1), _finite("trans", trans, 2)
    n_states = len(start)
    if trans.shape != (n_states, n_states):
        raise ShapeError(
            "hmm_filter: trans", f"has shape {trans.shape}", expected=f"({n_states}, {n_states}), as start has {n_states} states"
        )
    _sums_to_one("start", start[None])
    _sums_to_one("trans", trans)
    if likelihood is not None and means is None and variances is None and x is None:
        log_density = _log_likelihood(likelihood, n_states)
    elif likelihood is None and means is not None and variances is not None and x is not None:
        log_density = _log_normal(means, variances, x, n_states)
    else:
        raise InputError("hmm_filter", "was not told the densities", expected="either likelihood, or all of means, variances and x")
    filtered, log_normaliser = np.empty_like(log_density), np.empty(len(log_density))
    filter_states.compiled(start, trans.ravel(), log_density, filtered, log_normaliser)
    return HmmFilter(filtered, float(log_normaliser.sum()))


def _finite(name: str, given: npt.ArrayLike, axes: int) -> Float64Array:
    array = np.array(given, dtype=np.float64, order="C")
    if array.ndim != axes or array.size == 0:
        raise ShapeError(f"hmm_filter: {name}", f"has shape {array.shape}", expected=f"{axes} axes, not empty" if axes > 1 else "one axis")
    if not np.isfinite(array).all():
        raise InputError(f"hmm_filter: {name}", "has a value that is not finite")
    return array


def _sums_to_one(name: str, rows: Float64Array) -> None:
    for row in rows:
        if row.min() < 0.0 or abs(row.sum() - 1.0) > 1e-6:
            raise InputError(f"hmm_filter: {name}", f"has a row {row.tolist()}", expected="probabilities that sum to 1")


def _log_likelihood(given: npt.ArrayLike, n_states: int) -> Float64Array:
    likelihood = np.asarray(given, dtype=np.float64)
    if likelihood.ndim != 2 or likelihood.shape[1] != n_states:
        raise ShapeError("hmm_filter: likelihood", f"has shape {likelihood.shape}", expected=f"(n_bars, {n_states})")
    wrong = np.flatnonzero(~(np.isfinite(likelihood) & (likelihood >= 0.0)).all(axis=1))
    if wrong.size:
        raise InputError(f"hmm_filter: likelihood row {wrong[0]}", f"is {likelihood[wrong[0]].tolist()}", expected="densities, 0 or more")
    with np.errstate(divide="ignore"):  # the logarithm of an impossible state is -inf
        return np.ascontiguousarray(np.log(likelihood))


def _log_normal(means: npt.ArrayLike, variances: npt.ArrayLike, x: npt.ArrayLike, n_states: int) -> Float64Array:
    of_states: dict[str, Float64Array] = {}
    for name, given in {"means": means, "variances": variances}.items():
        array = np.asarray(given, dtype=np.float64)
        of_states[name] = _finite(name, array[:, None] if array.ndim == 1 else array, 2)
    seen = np.asarray(x, dtype=np.float64)
    seen = seen[:, None] if seen.ndim == 1 else seen
    centre, variance = of_states["means"], of_states["variances"]
    shapes = (centre.shape, variance.shape, seen.shape)
    if seen.ndim != 2 or centre.shape != variance.shape or centre.shape != (n_states, seen.shape[1]):
        found = "means, variances and x have shapes {}, {}, {}".format(*shapes)
        raise ShapeError("hmm_filter", found, expected=f"({n_states}, n_observed) twice, and (n_bars, n_observed)")
    if variance.min() <= 0.0:
        raise InputError("hmm_filter: variances", f"has {variance.min()}", expected="numbers above 0")
    wrong = np.flatnonzero(~np.isfinite(seen).all(axis=1))
    if wrong.size:
        raise InputError(f"hmm_filter: x row {wrong[0]}", f"is {seen[wrong[0]].tolist()}", expected="finite observations")
    log_density = np.empty((len(seen), n_states))
    for k in range(n_states):
        away = (seen - centre[k]) ** 2 / (2.0 * variance[k])
        log_density[:, k] = -(away + 0.5 * np.log(2.0 * np.pi * variance[k])).sum(axis=1)
    return log_density


def n_fitted(n_states: int, n_observed: int) -> int:
    """How many numbers `fit_hmm` gives: start, transitions, means, variances, and the centre and scale of the observations."""
    return n_states + n_states**2 + 2 * n_states * n_observed + 2 * n_observed


def fit_hmm(n_states: int, observations: Float64Array, starts: npt.NDArray[np.int64]) -> tuple[float, ...]:
    """The numbers of a model with diagonal covariances, as the kernel `hidden_markov` takes them.

    Observations are brought to mean 0 and variance 1 first. EM runs from several starts: clusters of rows, rows cut into equal
    groups by each observation and by its size, and rows drawn with a fixed seed. The start that is the most likely on the latest rows is
    followed to its end. So that no state can run away, each row of transitions has one transition more, shared among all
    states, and no variance is below 0.01 of the variance on all rows. States are ordered by ascending variance of the first
    observation: a refit does not swap their meaning, and state 0 is the quiet one where the first observation is a return.

    Parameters
    ----------
    n_states : int
    observations : float64 array of shape (n_rows, n_observed), training rows alone, finite
    starts : int64 array, the first row of each stretch of consecutive bars

    Returns
    -------
    tuple of float: start (K), transitions (K x K, row after row), means (K x d), variances (K x d), centre (d), scale (d);
    means and variances are of the observations less the centre, over the scale.

    Raises: InputError for too few rows, an observation that does not vary, or a state that describes hardly any row;
    MissingDependency where hmmlearn is not installed.
    """
    question = hashlib.sha256(repr((n_states, observations.shape)).encode())
    question.update(np.ascontiguousarray(observations).data)
    question.update(np.ascontiguousarray(starts).data)
    key = question.digest()
    if key not in _fits:
        while len(_fits) >= _FITS_KEPT:
            del _fits[next(iter(_fits))]
        _fits[key] = _fit(n_states, observations, starts)
    return _fits[key]


def _fit(n_states: int, observations: Float64Array, starts: npt.NDArray[np.int64]) -> tuple[float, ...]:
    centre, scale = _centre_and_scale(n_states, observations)
    x = (observations - centre) / scale
    lengths = np.diff(np.append(starts, len(x)))
    cut = max(0, len(x) - _TRIAL_ROWS)
    trial_starts = np.append(cut, starts[starts > cut])
    trial_lengths = np.diff(np.append(trial_starts, len(x)))
    # A BLAS that adds up in several threads adds in another order: the last digits would depend on the machine's cores.
    with threadpool_limits(limits=1):
        trials = [_new_model(n_states, *guess) for guess in _guesses(n_states, x[cut:])]
        reached = [_improve(model, x[cut:], trial_lengths, _TRIAL_STEPS) for model in trials]
        best = trials[int(np.argmax(reached))]
        _improve(best, x, lengths, _STEPS)
        rows = best.predict_proba(x, lengths).sum(axis=0)
    if rows.min() < FEWEST_ROWS:
        found = f"one of {n_states} states describes {rows.min():.1f} of {len(x)} training rows"
        raise InputError("hidden Markov model", found, expected=f"{FEWEST_ROWS} or more", mend="Ask for fewer states or give more bars.")
    variances = _variances(best)
    order = np.lexsort((best.means_[:, 0], variances[:, 0]))
    parts = (best.startprob_[order], best.transmat_[order][:, order], best.means_[order], variances[order], centre, scale)
    return tuple(float(number) for part in parts for number in np.ravel(part))


def _centre_and_scale(n_states: int, observations: Float64Array) -> tuple[Float64Array, Float64Array]:
    needed = ROWS_PER_STATE * n_states
    if len(observations) < needed:
        found = f"{len(observations)} training rows for {n_states} states"
        raise InputError("hidden Markov model", found, expected=f"{needed} or more", mend="Give more bars.")
    for i, column in enumerate(observations.T):
        if column.min() == column.max():
            found = f"argument {i + 1} is {column[0]} on all training rows"
            raise InputError("hidden Markov model", found, expected="an observation that varies")
    return observations.mean(axis=0), observations.std(axis=0)


def _guesses(n_states: int, x: Float64Array) -> Iterator[tuple[Float64Array, Float64Array]]:
    """Means and variances to start from."""
    from sklearn.cluster import KMeans  # here and not above: filtering needs none of it

    if len(np.unique(x, axis=0)) >= n_states:
        groups = KMeans(n_states, random_state=_SEED).fit_predict(x)
        yield _of_groups(x, [np.flatnonzero(groups == k) for k in range(n_states)])
    for column in x.T:
        for key in (np.abs(column), column):
            yield _of_groups(x, np.array_split(np.argsort(key, kind="stable"), n_states))
    random = np.random.default_rng(_SEED)
    for _ in range(2):
        yield x[random.choice(len(x), n_states, replace=False)], np.ones((n_states, x.shape[1]))


def _of_groups(x: Float64Array, groups: Sequence[npt.NDArray[np.int64]]) -> tuple[Float64Array, Float64Array]:
    return np.array([x[rows].mean(axis=0) for rows in groups]), np.array([x[rows].var(axis=0) for rows in groups])


def _new_model(n_states: int, means: Float64Array, variances: Float64Array) -> Any:
    try:
        from hmmlearn.hmm import GaussianHMM
    except ImportError as error:
        mend = 'Install it with: pip install "barmill[stats]".'
        raise MissingDependency("hidden Markov model", "fitting needs hmmlearn, not installed here", mend=mend) from error
    one_more = 1.0 + 1.0 / n_states
    model = GaussianHMM(
        n_states,
        covariance_type="diag",
        startprob_prior=one_more,
        transmat_prior=one_more,
        covars_prior=0.0,
        n_iter=1,
        init_params="",
        implementation="log",  # the other one stops at an outlier
    )
    stays = 0.9
    model.startprob_ = np.full(n_states, 1.0 / n_states)
    model.transmat_ = np.full((n_states, n_states), (1.0 - stays) / (n_states - 1))
    np.fill_diagonal(model.transmat_, stays)
    model.means_ = means
    model.covars_ = np.maximum(variances, VARIANCE_FLOOR)
    return model


def _improve(model: Any, x: Float64Array, lengths: npt.NDArray[np.int64], steps: int) -> float:
    """So many steps of EM, or fewer once they gain little. Returns the log likelihood before the last."""
    likelihood = -np.inf
    for _ in range(steps):
        before = likelihood
        model.fit(x, lengths)
        model.covars_ = np.maximum(_variances(model), VARIANCE_FLOOR)
        likelihood = float(model.monitor_.history[-1])
        if likelihood - before < _GAIN * len(x):
            break
    return likelihood


def _variances(model: Any) -> Float64Array:
    return np.diagonal(model.covars_, axis1=1, axis2=2)


__all__ = ["HmmFilter", "fit_hmm", "hmm_filter", "n_fitted"]
