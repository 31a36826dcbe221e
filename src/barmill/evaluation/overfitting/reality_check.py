"""Is the best of several strategies better than a benchmark, once it is known that it was the best?

White (2000), "A reality check for data snooping", Econometrica 68(5); Hansen (2005), "A test for superior predictive ability",
Journal of Business & Economic Statistics 23(4). Both resample all strategies together, by the stationary bootstrap, so that
what they have in common is kept.

Only means are resampled: how often each row was drawn, times the rows, which is a product of matrices.
"""

import math
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.overfitting.autocovariance import autocovariances
from barmill.evaluation.overfitting.moments import trial_matrix, whole_rows
from barmill.evaluation.overfitting.stationary_bootstrap import optimal_block_length, require_block, resampled_means
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]
_NEGLIGIBLE = 1e-12  # weight below which an autocovariance is left out


class RealityCheck(NamedTuple):
    """p_value : of the hypothesis that no strategy beats the benchmark
    statistic : sqrt(n) times the largest mean (White), or the largest t-value and at least 0 (Hansen)
    lower, consistent, upper : Hansen's three p-values, from the most daring to the most careful; `p_value` is the consistent one. NaN
        in White's check.
    best : column with the largest statistic; None if none varies
    method, n_configurations, block (mean length in rows), n_boot : how
    """

    p_value: float
    statistic: float
    lower: float
    consistent: float
    upper: float
    best: int | None
    method: Literal["reality_check", "superior_predictive_ability"]
    n_configurations: int
    block: float
    n_boot: int

    @property
    def words(self) -> str:
        if math.isnan(self.p_value):
            return "undefined: no configuration varies"
        of = f"the best of {self.n_configurations:,}"
        if self.p_value < 0.05:
            return f"{of} beats the benchmark beyond what choosing it explains (p {self.p_value:.3f})"
        return f"that {of} beats the benchmark is explained by choosing it (p {self.p_value:.3f})"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan({**self._asdict(), "words": self.words})


def reality_check(
    trial_returns: npt.ArrayLike, benchmark: npt.ArrayLike | None = None, block: float | None = None, n_boot: int = 1000, seed: int = 0
) -> RealityCheck:
    """White's reality check: is the largest mean return larger than the largest of as many without an edge?

    Parameters
    ----------
    trial_returns : float64 of shape (n_rows, n_configurations); a row with a NaN is left out for all
    benchmark : float64 of shape (n_rows,), returns to beat; 0 if None
    block : mean length of a block in rows; the longest that any column asks for (Politis & White) if None
    n_boot : resamples, at least 20; seed : of the draws

    Poor and noisy strategies among the trials make it lenient: prefer `superior_predictive_ability`, which does not mind them.
    """
    excess = _excess(trial_returns, benchmark)
    n, n_configurations = excess.shape
    mean_length, means = _block(excess, block), excess.mean(axis=0)
    if not _varies(excess).any():
        return _undefined("reality_check", n_configurations, mean_length, n_boot)
    statistic = math.sqrt(n) * float(means.max())
    luck = math.sqrt(n) * (resampled_means(excess, mean_length, n_boot, seed) - means).max(axis=1)
    p = float((luck >= statistic).mean())
    return RealityCheck(
        p, statistic, math.nan, math.nan, math.nan, int(means.argmax()), "reality_check", n_configurations, mean_length, n_boot
    )


def superior_predictive_ability(
    trial_returns: npt.ArrayLike, benchmark: npt.ArrayLike | None = None, block: float | None = None, n_boot: int = 1000, seed: int = 0
) -> RealityCheck:
    """Hansen's test for superior predictive ability: White's check on t-values, unmoved by strategies that are clearly bad.

    Parameters as in `reality_check`. A strategy that does not vary has no t-value and is left out.

    Returns
    -------
    RealityCheck with three p-values, which differ in what they take for the true mean of a strategy with a negative one: itself
    (lower), 0 (upper), and 0 unless it is below -sqrt(2 ln ln n) standard errors (consistent).
    """
    excess = _excess(trial_returns, benchmark)
    n, n_configurations = excess.shape
    mean_length = _block(excess, block)
    moving = np.flatnonzero(_varies(excess))
    if not moving.size or n < 3:
        return _undefined("superior_predictive_ability", n_configurations, mean_length, n_boot)
    moved = excess[:, moving]
    means, errors = moved.mean(axis=0), np.sqrt(_variances(moved, mean_length))
    t = math.sqrt(n) * means / errors
    statistic = max(float(t.max()), 0.0)
    away = math.sqrt(n) * (resampled_means(moved, mean_length, n_boot, seed) - means) / errors
    clearly_bad = t < -math.sqrt(2 * math.log(math.log(n)))
    kept = {"lower": np.minimum(t, 0.0), "consistent": np.where(clearly_bad, t, 0.0), "upper": np.zeros(t.size)}
    p = {name: float((np.maximum((away + shift).max(axis=1), 0.0) > statistic).mean()) for name, shift in kept.items()}
    return RealityCheck(
        p["consistent"], statistic, **p, best=int(moving[t.argmax()]), method="superior_predictive_ability",
        n_configurations=n_configurations, block=mean_length, n_boot=n_boot,
    )  # fmt: skip


def _excess(trial_returns: npt.ArrayLike, benchmark: npt.ArrayLike | None) -> Float64Array:
    trials = trial_matrix(trial_returns)
    if benchmark is not None:
        trials = trials - vector(benchmark, "benchmark", trials.shape[0], nan_allowed=True)[:, None]
    excess, _ = whole_rows(trials)
    if excess.shape[0] < 2:
        raise ShapeError("trial_returns", f"has {excess.shape[0]} rows without NaN", expected="at least 2")
    return excess


def _block(excess: Float64Array, block: float | None) -> float:
    if block is None:
        block = max(optimal_block_length(column) for column in excess.T)
    return require_block(block, excess.shape[0])


def _varies(excess: Float64Array) -> npt.NDArray[np.bool_]:
    return np.asarray(excess.max(axis=0) > excess.min(axis=0))


def _undefined(method: Literal["reality_check", "superior_predictive_ability"], n: int, block: float, n_boot: int) -> RealityCheck:
    nan = math.nan
    return RealityCheck(nan, nan, nan, nan, nan, None, method, n, block, n_boot)


def _variances(excess: Float64Array, block: float) -> Float64Array:
    """n times the variance of a resampled mean, by its formula (Politis & Romano 1994, lemma 1), float64 (n_columns,)."""
    n = excess.shape[0]
    lag = np.arange(1, n)
    stay = 1 - 1 / block
    # a lag k is met forwards, and on the circle backwards as n - k
    weights = (1 - lag / n) * stay**lag + lag / n * stay ** (n - lag)
    used = weights > _NEGLIGIBLE
    found = np.empty(excess.shape[1])
    for j, column in enumerate(excess.T):
        covariances = autocovariances(column, n - 1)
        found[j] = covariances[0] + 2 * (weights[used] @ covariances[1:][used])
    # a sum of weighted autocovariances of a circle is positive but for rounding
    return np.maximum(found, np.finfo(np.float64).tiny)


__all__ = ["RealityCheck", "reality_check", "superior_predictive_ability"]
