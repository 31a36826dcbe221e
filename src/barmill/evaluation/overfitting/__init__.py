"""Is it skill or luck: what is left of a Sharpe ratio after its length, its tails and the number of trials.

Pure functions on returns and Sharpe ratios per observation, formulas as in the definitions page, one idea per module: its
error and what a longer record would show (`sharpe_standard_error`, `probabilistic_sharpe_ratio`, `min_track_record_length`), the
price of many trials (`deflated_sharpe_ratio`, `haircut_sharpe`, `effective_number_of_trials`), choosing (`pbo_cscv`,
`reality_check`, `superior_predictive_ability`), folds (`stability`), and intervals for any figure (`bootstrap_interval`). What
may be touched: a new statistic is a module and a name below; a binding formula never changes.
"""

from barmill.evaluation.overfitting.bootstrap_interval import bootstrap_interval, bootstrap_intervals
from barmill.evaluation.overfitting.cscv import BacktestOverfitting, pbo_cscv
from barmill.evaluation.overfitting.deflated_sharpe import (
    DeflatedSharpe,
    DeflatedTrials,
    deflated_sharpe_ratio,
    expected_max_sharpe,
)
from barmill.evaluation.overfitting.from_sharpes import ComputedDsr, PboMetrics, compute_dsr, compute_pbo
from barmill.evaluation.overfitting.haircut import HaircutSharpe, haircut_sharpe
from barmill.evaluation.overfitting.interpretation import DSR_BAR, dsr_words, interpretation, pbo_words, stability_words
from barmill.evaluation.overfitting.moments import SharpeMoments, sharpe_moments
from barmill.evaluation.overfitting.probabilistic_sharpe import (
    ProbabilisticSharpe,
    min_track_record_length,
    probabilistic_sharpe_ratio,
)
from barmill.evaluation.overfitting.reality_check import RealityCheck, reality_check, superior_predictive_ability
from barmill.evaluation.overfitting.stability import Stability, stability
from barmill.evaluation.overfitting.standard_error import SharpeError, sharpe_standard_error
from barmill.evaluation.overfitting.stationary_bootstrap import optimal_block_length
from barmill.evaluation.overfitting.trial_clusters import EffectiveTrials, effective_number_of_trials

__all__ = [
    "DSR_BAR",
    "BacktestOverfitting",
    "ComputedDsr",
    "DeflatedSharpe",
    "DeflatedTrials",
    "EffectiveTrials",
    "HaircutSharpe",
    "PboMetrics",
    "ProbabilisticSharpe",
    "RealityCheck",
    "SharpeError",
    "SharpeMoments",
    "Stability",
    "bootstrap_interval",
    "bootstrap_intervals",
    "compute_dsr",
    "compute_pbo",
    "deflated_sharpe_ratio",
    "dsr_words",
    "effective_number_of_trials",
    "expected_max_sharpe",
    "haircut_sharpe",
    "interpretation",
    "min_track_record_length",
    "optimal_block_length",
    "pbo_cscv",
    "pbo_words",
    "probabilistic_sharpe_ratio",
    "reality_check",
    "sharpe_moments",
    "sharpe_standard_error",
    "stability",
    "stability_words",
    "superior_predictive_ability",
]
