"""How much of a Sharpe ratio is left when its p-value has paid for all the tests that were made.

Harvey & Liu (2015), "Backtesting", Journal of Portfolio Management 42(1).
"""

import math
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]
HaircutMethod = Literal["bonferroni", "holm", "bhy"]


class HaircutSharpe(NamedTuple):
    """sharpe : what is left, per observation; haircut : the share cut off, 0 to 1; p_value : of a single test, two-sided;
    adjusted_p_value : once all tests are paid for; method : how."""

    sharpe: float
    haircut: float
    p_value: float
    adjusted_p_value: float
    method: HaircutMethod

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan(self._asdict())


def haircut_sharpe(
    sr: float,
    n_obs: int,
    n_trials: int | None = None,
    trial_sharpes: npt.ArrayLike | None = None,
    method: HaircutMethod = "bonferroni",
) -> HaircutSharpe:
    """The Sharpe ratio whose single test would be as significant as `sr` is after `n_trials` tests.

    The t-value sr sqrt(n_obs) gives a two-sided p-value; it is adjusted for the number of tests; the adjusted one is turned back.

    Parameters
    ----------
    sr : per observation; n_obs : number of returns, at least 2
    n_trials : number of tests, this one included; as many as `trial_sharpes` if None
    trial_sharpes : Sharpe ratios per observation of the trials, this one among them, each over n_obs returns. "bhy" needs them; "holm"
        takes `sr` for the best trial without them, which makes it Bonferroni's. Fewer than n_trials: the others count as not significant.
    method : "bonferroni" and "holm" keep the chance of a single false discovery down, "bhy" (Benjamini, Hochberg & Yekutieli) the share
        of false ones among all discoveries, under any dependence

    Returns
    -------
    HaircutSharpe; NaN for sr <= 0 or NaN: there is no skill to cut.

    Returns are taken for independent and normal. Where they are not, pass the number of returns that gives the honest standard
    error, 1 / standard_error^2.
    """
    if method not in get_args(HaircutMethod):
        raise ShapeError("method", f"is {method!r}", expected=" or ".join(get_args(HaircutMethod)))
    if n_obs < 2:
        raise ShapeError("n_obs", f"is {n_obs}", expected="at least 2")
    if n_trials is None and trial_sharpes is None:
        raise ShapeError("haircut_sharpe", "neither n_trials nor trial_sharpes", expected="one of them")
    if method == "bhy" and trial_sharpes is None:
        raise ShapeError("trial_sharpes", "are missing", expected="all trials' Sharpe ratios for method 'bhy'")
    others = vector([sr] if trial_sharpes is None else trial_sharpes, "trial_sharpes", nan_allowed=True)
    others = others[~np.isnan(others)]
    tests = max(others.size, 1) if n_trials is None else n_trials
    if tests < max(others.size, 1):
        raise ShapeError("n_trials", f"is {tests}", expected=f"at least the {others.size} trials that were passed")
    if not sr > 0:
        return HaircutSharpe(math.nan, math.nan, math.nan, math.nan, method)
    p = float(_two_sided(np.array([sr]), n_obs)[0])
    adjusted = min(_adjusted(p, np.sort(_two_sided(others, n_obs)), tests, method), 1.0)
    left = min(abs(float(stdtrit(n_obs - 1, adjusted / 2))) / math.sqrt(n_obs), sr)
    return HaircutSharpe(left, 1 - left / sr, p, adjusted, method)


def _two_sided(sharpes: Float64Array, n_obs: int) -> Float64Array:
    return np.asarray(2 * stdtr(n_obs - 1, -np.abs(sharpes) * math.sqrt(n_obs)), dtype=np.float64)


def _adjusted(p: float, ascending: Float64Array, tests: int, method: HaircutMethod) -> float:
    """The adjusted p-value of the test with `p` among those `ascending`; the tests that are not listed have p-values of 1."""
    if method == "bonferroni":
        return p * tests
    rank = np.arange(1, ascending.size + 1)
    if method == "holm":
        factors = tests - rank + 1
        better = ascending < p
        return max(float((factors[better] * ascending[better]).max(initial=0.0)), p * (tests - int(better.sum())))
    of_any_dependence = tests * float((1 / np.arange(1, tests + 1)).sum())
    worse = ascending >= p
    return float((of_any_dependence / rank[worse] * ascending[worse]).min(initial=of_any_dependence / tests))


__all__ = ["HaircutMethod", "HaircutSharpe", "haircut_sharpe"]
