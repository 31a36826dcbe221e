"""Conformal bands: forecasts widened until they hold the share of outcomes that they say, without an assumption about errors.

What is promised holds for exchangeable rows, which those of a market are not: coverage is to be looked at on rows that came later
(`evaluation.coverage_report`), and `AdaptiveConformal` follows it. Each method is a function of calibration and test rows, and a
fitted band that a server applies with NumPy alone. A new one is a module beside these and a row in `reading.py`.
"""

from barmill.uncertainty.conformal.adaptive import GAMMAS, AdaptiveConformal, AdaptiveState, Decided, Decision
from barmill.uncertainty.conformal.adaptive_block import AdaptiveBlock, adaptive_bands
from barmill.uncertainty.conformal.bands import CqrBand, JackknifeBand, SplitBand, fit_cqr_band, fit_jackknife_band, fit_split_band
from barmill.uncertainty.conformal.cv_plus_band import CvPlusBand, fit_cv_plus_band
from barmill.uncertainty.conformal.intervals import Bounds, ConformalInterval, cqr, split_conformal
from barmill.uncertainty.conformal.leave_out import cv_plus, jackknife, jackknife_plus
from barmill.uncertainty.conformal.rank import conformal_rank, rows_needed
from barmill.uncertainty.conformal.reading import ConformalBand, read_band
from barmill.uncertainty.conformal.regime_band import RegimeBand, RegimeThreshold, fit_regime_band

__all__ = [
    "GAMMAS",
    "AdaptiveBlock",
    "AdaptiveConformal",
    "AdaptiveState",
    "Bounds",
    "ConformalBand",
    "ConformalInterval",
    "CqrBand",
    "CvPlusBand",
    "Decided",
    "Decision",
    "JackknifeBand",
    "RegimeBand",
    "RegimeThreshold",
    "SplitBand",
    "adaptive_bands",
    "conformal_rank",
    "cqr",
    "cv_plus",
    "fit_cqr_band",
    "fit_cv_plus_band",
    "fit_jackknife_band",
    "fit_regime_band",
    "fit_split_band",
    "jackknife",
    "jackknife_plus",
    "read_band",
    "rows_needed",
    "split_conformal",
]
