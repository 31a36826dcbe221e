"""PBO and DSR from the Sharpe ratios that people have at hand, called as they are used to; each result says what was computed.

`compute_pbo` and `compute_dsr` keep a calling form that is met in practice. A handful of in-sample and out-of-sample Sharpe ratios of
one model cannot give a probability of backtest overfitting: that asks how the *chosen* one of several configurations ranks.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.overfitting.cscv import best_ranks, pbo_cscv
from barmill.evaluation.overfitting.deflated_sharpe import deflated_sharpe_ratio
from barmill.evaluation.overfitting.interpretation import dsr_words, pbo_words
from barmill.evaluation.overfitting.stability import Stability, stability

Float64Array = npt.NDArray[np.float64]
PboMethod = Literal["cscv", "ranks_over_splits", "share_of_losing_folds"]


@dataclass(frozen=True, slots=True)
class PboMetrics:
    """What `compute_pbo` computed.

    method : "cscv" (from a matrix of returns), "ranks_over_splits" (from Sharpe ratios of several configurations over given splits) or
        "share_of_losing_folds" (from those of one model: **not** a PBO)
    is_pbo : whether the score is a probability of backtest overfitting
    score : the score; n_configurations, n_splits : of what
    prob_oos_loss : share of splits in which the chosen one has a Sharpe ratio below 0 out-of-sample
    logits : of its ranks, float64 (n_splits,); empty where there are none
    stability : in-sample against out-of-sample, of the chosen one
    words : what it means
    """

    method: PboMethod
    is_pbo: bool
    score: float
    n_configurations: int
    n_splits: int
    prob_oos_loss: float
    logits: Float64Array
    stability: Stability
    words: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan({**asdict(self), "logits": self.logits.tolist(), "stability": self.stability.to_json()})


def compute_pbo(
    train_sharpes: npt.ArrayLike | None = None,
    test_sharpes: npt.ArrayLike | None = None,
    *,
    trial_returns: npt.ArrayLike | None = None,
    n_blocks: int = 16,
) -> tuple[float, PboMetrics]:
    """A score for backtest overfitting, and what was computed.

    Parameters
    ----------
    train_sharpes, test_sharpes : Sharpe ratios in-sample and out-of-sample, on one scale:
        of shape (n_splits, n_configurations), at least two configurations: the score is the share of splits in which the best one
        in-sample ranks at or below the median out-of-sample, a PBO over these splits;
        of shape (n_folds,), one model: the score is the share of folds with a Sharpe ratio at or below 0 out-of-sample, about one half
        without skill, and **no PBO**
    trial_returns, n_blocks : instead of them, as in `pbo_cscv`: the PBO of its definition

    Returns
    -------
    score : float; metrics : PboMetrics, which names the method
    """
    if trial_returns is not None:
        if train_sharpes is not None or test_sharpes is not None:
            raise ShapeError("compute_pbo", "both Sharpe ratios and returns", expected="one of them")
        return _by_cscv(trial_returns, n_blocks)
    if train_sharpes is None or test_sharpes is None:
        raise ShapeError("compute_pbo", "nothing to compute from", expected="train_sharpes and test_sharpes, or trial_returns")
    train, test = np.asarray(train_sharpes, dtype=np.float64), np.asarray(test_sharpes, dtype=np.float64)
    if train.shape != test.shape or train.ndim not in (1, 2) or not train.size:
        found = f"has shape {test.shape}, train_sharpes {train.shape}"
        raise ShapeError("test_sharpes", found, expected="equal shapes, (n_folds,) or (n_splits, n_configurations)")
    if np.isinf(train).any() or np.isinf(test).any():
        raise ShapeError("compute_pbo", "an infinite Sharpe ratio", expected="finite numbers, or NaN where undefined")
    if train.ndim == 2 and train.shape[1] > 1:
        return _by_ranks(train, test)
    return _by_folds(train.ravel(), test.ravel())


def _by_cscv(trial_returns: npt.ArrayLike, n_blocks: int) -> tuple[float, PboMetrics]:
    found = pbo_cscv(trial_returns, n_blocks)
    kept = stability(found.in_sample, found.out_of_sample)
    metrics = PboMetrics(
        "cscv", True, found.pbo, found.n_configurations, found.n_combinations, found.prob_oos_loss, found.logits, kept, found.words
    )
    return found.pbo, metrics


def _by_ranks(train: Float64Array, test: Float64Array) -> tuple[float, PboMetrics]:
    logits, in_sample, out_of_sample = best_ranks(train, test)
    known = ~np.isnan(logits)
    score = float((logits[known] <= 0).mean()) if known.any() else math.nan
    words = f"{pbo_words(score)} (over {int(known.sum())} given splits, not by CSCV)"
    kept, loss = stability(in_sample, out_of_sample), _below(out_of_sample)
    n_splits, n_configurations = train.shape
    return score, PboMetrics("ranks_over_splits", True, score, n_configurations, n_splits, loss, logits, kept, words)


def _by_folds(train: Float64Array, test: Float64Array) -> tuple[float, PboMetrics]:
    known = ~np.isnan(test)
    score = float((test[known] <= 0).mean()) if known.any() else math.nan
    kept = stability(train, test)
    words = (
        f"no PBO: that needs the returns or Sharpe ratios of several configurations, and this is one model over {train.size} folds. "
        f"Share of folds without a gain out of sample: {score:.0%}; {kept.words}"
    )
    return score, PboMetrics("share_of_losing_folds", False, score, 1, train.size, _below(test), np.empty(0), kept, words)


def _below(sharpes: Float64Array) -> float:
    known = sharpes[~np.isnan(sharpes)]
    return float((known < 0).mean()) if known.size else math.nan


@dataclass(frozen=True, slots=True)
class ComputedDsr:
    """What `compute_dsr` computed; it formats and converts as `dsr`.

    dsr : the deflated Sharpe ratio, a probability: 0.95 is the usual bar
    deflated_sharpe : the Sharpe ratio less what luck alone would have shown, on the scale it came in: another quantity
    expected_max_sharpe : what luck alone would have shown, on that scale
    var_sharpes : variance of the trials' Sharpe ratios, on that scale; var_assumed : whether it was assumed for lack of a given one
    words : what it means
    """

    dsr: float
    deflated_sharpe: float
    expected_max_sharpe: float
    var_sharpes: float
    var_assumed: bool
    words: str

    def __float__(self) -> float:
        return self.dsr

    def __format__(self, spec: str) -> str:
        return format(self.dsr, spec)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan(asdict(self))


def compute_dsr(
    sharpe_ratio: float,
    n_trials: float,
    n_observations: int,
    var_sharpes: float | None = None,
    *,
    skew: float = 0.0,
    kurt: float = 3.0,
    periods_per_year: float = 1.0,
) -> ComputedDsr:
    """The deflated Sharpe ratio of a trial from the figures that people have at hand, and the deflated Sharpe beside it.

    Parameters
    ----------
    sharpe_ratio, var_sharpes : per observation, or annualised, with `periods_per_year`. If no variance of the trials' Sharpe ratios is
        given, that of trials which all have none is assumed: 1 / (n_observations - 1) per observation.
    n_trials : every trial that was made; n_observations : returns
    skew, kurt : of the returns, kurt not excess; normal if left out
    periods_per_year : of an annualised sharpe_ratio; 1 if it is per observation

    An annualised ratio that comes without its periods is taken for one per observation, and looks far too good.
    """
    if not (math.isfinite(periods_per_year) and periods_per_year > 0):
        raise ShapeError("periods_per_year", f"is {periods_per_year}", expected="a number above 0")
    if n_observations < 2:
        raise ShapeError("n_observations", f"is {n_observations}", expected="at least 2")
    scale = math.sqrt(periods_per_year)
    variance = 1 / (n_observations - 1) if var_sharpes is None else var_sharpes / periods_per_year
    sr = sharpe_ratio / scale
    dsr, sr0 = deflated_sharpe_ratio(sr, n_observations, skew, kurt, n_trials, variance)
    luck = sr0 * scale
    words = dsr_words(dsr, n_trials, sharpe_ratio, luck)
    return ComputedDsr(dsr, sharpe_ratio - luck, luck, variance * periods_per_year, var_sharpes is None, words)


__all__ = ["ComputedDsr", "PboMethod", "PboMetrics", "compute_dsr", "compute_pbo"]
