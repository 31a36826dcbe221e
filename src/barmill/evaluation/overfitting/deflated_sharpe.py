"""Is the best of N trials better than the best of N lucky ones?

Bailey & López de Prado (2014), "The deflated Sharpe ratio", Journal of Portfolio Management 40(5). Everything is per
observation: divide annualised Sharpe ratios by sqrt(periods_per_year), their variance by periods_per_year, first.
"""

import math
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.overfitting.moments import SharpeMoments, sharpe_moments, trial_matrix
from barmill.evaluation.overfitting.probabilistic_sharpe import probabilistic_sharpe_ratio

EULER_MASCHERONI = 0.57721566490153286


class DeflatedSharpe(NamedTuple):
    """dsr : the probability that the true Sharpe ratio is above sr0; sr0 : what the best of so many trials without skill is expected to
    show."""

    dsr: float
    sr0: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan(self._asdict())


class DeflatedTrials(NamedTuple):
    """dsr, sr0 : as in `DeflatedSharpe`
    selected : column of the trial with the highest Sharpe ratio (the first, if tied); None if none has one
    sr, skew, kurt : of the selected trial; var_sr : sample variance of all trials' Sharpe ratios
    """

    dsr: float
    sr0: float
    selected: int | None
    sr: float
    skew: float
    kurt: float
    var_sr: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan(self._asdict())


def expected_max_sharpe(n_trials: float, var_sr: float) -> float:
    """The highest Sharpe ratio that `n_trials` independent trials without skill are expected to show.

    sqrt(var_sr) ((1 - g) z(1 - 1/N) + g z(1 - 1/(N e))), g the Euler-Mascheroni constant.

    Parameters
    ----------
    n_trials : at least 1; every configuration that was evaluated, failed and discarded ones too. A fraction is taken (an effective number).
    var_sr : variance of the trials' Sharpe ratios per observation, at least 0

    Returns
    -------
    float per observation; 0 for one trial, and where the approximation would fall below it (fractions just above 1). NaN if var_sr is.
    """
    if not n_trials >= 1 or var_sr < 0:
        raise ShapeError(
            "expected_max_sharpe", f"n_trials {n_trials}, var_sr {var_sr}", expected="at least 1 trial, a variance of at least 0"
        )
    if n_trials == 1:
        return 0.0
    # z(1 - q) = -z(q), which keeps its digits for many trials
    highest = -(1 - EULER_MASCHERONI) * ndtri(1 / n_trials) - EULER_MASCHERONI * ndtri(1 / (n_trials * math.e))
    return math.sqrt(var_sr) * max(float(highest), 0.0)


@overload
def deflated_sharpe_ratio(sr: float, n_obs: float, skew: float, kurt: float, n_trials: float, var_sr: float) -> DeflatedSharpe: ...
@overload
def deflated_sharpe_ratio(trial_returns: npt.ArrayLike, /, *, n_trials: float | None = None) -> DeflatedTrials: ...
@overload
def deflated_sharpe_ratio(*, trial_returns: npt.ArrayLike, n_trials: float | None = None) -> DeflatedTrials: ...
def deflated_sharpe_ratio(
    sr: npt.ArrayLike | None = None,
    n_obs: float | None = None,
    skew: float | None = None,
    kurt: float | None = None,
    n_trials: float | None = None,
    var_sr: float | None = None,
    *,
    trial_returns: npt.ArrayLike | None = None,
) -> DeflatedSharpe | DeflatedTrials:
    """The probability that the best of several trials has a true Sharpe ratio above what luck alone would have shown.

    It is the probabilistic Sharpe ratio with `expected_max_sharpe` as its benchmark. It is a probability, and 0.95 the usual bar; the
    difference sr - sr0 is another quantity, see `compute_dsr`.

    Parameters
    ----------
    sr, n_obs, skew, kurt : of the selected trial, per observation, kurt not excess
    n_trials : number of trials, as a ledger counts them
    var_sr : variance of all trials' Sharpe ratios per observation
    trial_returns : instead of them: float64 of shape (n_rows, n_trials), one column per trial; each column drops its own NaN rows.
        A column without a Sharpe ratio (it failed, or never traded) is a trial and counts in N, and not in the variance.
        With it, `n_trials` may say that there were more trials than columns, or how many they amount to.

    Returns
    -------
    dsr, sr0 from numbers; dsr, sr0, selected, sr, skew, kurt, var_sr from trials. NaN where undefined.
    """
    matrix = trial_returns if trial_returns is not None else sr
    if matrix is not None and n_obs is None and np.ndim(matrix) > 0:
        return _of_trials(trial_matrix(matrix), n_trials)
    if sr is None or n_obs is None or skew is None or kurt is None or n_trials is None or var_sr is None:
        expected = "sr, n_obs, skew, kurt, n_trials and var_sr, or trial_returns"
        raise ShapeError("deflated_sharpe_ratio", "neither numbers nor trials", expected=expected)
    sr0 = expected_max_sharpe(n_trials, var_sr)
    return DeflatedSharpe(probabilistic_sharpe_ratio(float(np.asarray(sr)), sr0, n_obs, skew, kurt), sr0)


def _of_trials(trials: npt.NDArray[np.float64], n_trials: float | None) -> DeflatedTrials:
    moments = [sharpe_moments(column) for column in trials.T]
    sharpes = np.array([each.sr for each in moments])
    known = sharpes[~np.isnan(sharpes)]
    var_sr = float(known.var(ddof=1)) if known.size > 1 else math.nan
    sr0 = expected_max_sharpe(trials.shape[1] if n_trials is None else n_trials, var_sr)
    selected = int(np.nanargmax(sharpes)) if known.size else None
    best = moments[selected] if selected is not None else SharpeMoments(math.nan, math.nan, math.nan, 0)
    dsr = probabilistic_sharpe_ratio(best.sr, sr0, best.n_obs, best.skew, best.kurt)
    return DeflatedTrials(dsr, sr0, selected, best.sr, best.skew, best.kurt, var_sr)


__all__ = ["DeflatedSharpe", "DeflatedTrials", "deflated_sharpe_ratio", "expected_max_sharpe"]
