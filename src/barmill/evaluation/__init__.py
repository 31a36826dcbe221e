"""Judging: metrics, one backtest, baselines, provenance and the ledger that counts every trial.

Pure functions on arrays, with the formulas of the definitions page; nothing here fits a model, prints or draws. What may
be touched: a new metric is a function in the module of its kind and a name below. Only `ledger.py` writes to the disk,
and its format is for ever: it is the memory of what was tried.
"""

from barmill.evaluation.auc_interval import Interval, auc_interval
from barmill.evaluation.audit.auditing import audit_features
from barmill.evaluation.audit.findings import AUDIT_CODES, AuditFinding, FeatureAudit
from barmill.evaluation.audit.tables import FeatureMaker, MadeTable, PlanTable
from barmill.evaluation.audit.user_code import CallableTable
from barmill.evaluation.audit.user_command import CommandTable
from barmill.evaluation.backtest import BacktestResult, backtest, backtest_net_returns
from barmill.evaluation.baselines import Baselines, RandomBand, baselines, random_band
from barmill.evaluation.calibration_error import (
    CalibrationError,
    ReliabilityCurve,
    expected_calibration_error,
    reliability_curve,
    top_label_calibration_error,
)
from barmill.evaluation.classification import ClassificationScores, average_ranks, classification_metrics, classification_scores
from barmill.evaluation.drift import kolmogorov_smirnov, psi
from barmill.evaluation.feature_correlation import Correlations
from barmill.evaluation.feature_flags import FLAG_KINDS, FeatureFlag, FlagKind, feature_flags, worst_first
from barmill.evaluation.feature_profile import FeatureProfile, Histogram, TableProfile, profile_features
from barmill.evaluation.fitted_on import LabelSpans, Provenance, check_provenance, provenance
from barmill.evaluation.forecasts import forecast_metrics, information_coefficient, linear_correlation, pinball_loss
from barmill.evaluation.importance import permutation_importance
from barmill.evaluation.leakage import (
    LEAKAGE_CHECKS,
    CheckResult,
    Dossier,
    Fitted,
    HigherTimeframe,
    LeakageFinding,
    LeakageReport,
    LeakageSettings,
    SecondSeries,
    run_leakage_checks,
)
from barmill.evaluation.ledger import Ledger, LedgerEntry, ledger_folder, ledgers_in
from barmill.evaluation.ledger_counts import DataSpan, LedgerCounts, Overlap
from barmill.evaluation.performance import (
    Kept,
    TradeStats,
    calmar_ratio,
    drop_missing,
    equity_curve,
    max_drawdown,
    sharpe_ratio,
    sortino_ratio,
    trade_stats,
)
from barmill.evaluation.stationarity import DickeyFuller, augmented_dickey_fuller
from barmill.evaluation.trades import Trades
from barmill.evaluation.trading_rule import Thresholds, TradingRule, fit_thresholds, positions

__all__ = [
    "AUDIT_CODES",
    "FLAG_KINDS",
    "LEAKAGE_CHECKS",
    "AuditFinding",
    "BacktestResult",
    "Baselines",
    "CalibrationError",
    "CallableTable",
    "CheckResult",
    "ClassificationScores",
    "CommandTable",
    "Correlations",
    "DataSpan",
    "DickeyFuller",
    "Dossier",
    "FeatureAudit",
    "FeatureFlag",
    "FeatureMaker",
    "FeatureProfile",
    "Fitted",
    "FlagKind",
    "HigherTimeframe",
    "Histogram",
    "Interval",
    "Kept",
    "LabelSpans",
    "LeakageFinding",
    "LeakageReport",
    "LeakageSettings",
    "Ledger",
    "LedgerCounts",
    "LedgerEntry",
    "MadeTable",
    "Overlap",
    "PlanTable",
    "Provenance",
    "RandomBand",
    "ReliabilityCurve",
    "SecondSeries",
    "TableProfile",
    "Thresholds",
    "TradeStats",
    "Trades",
    "TradingRule",
    "auc_interval",
    "audit_features",
    "augmented_dickey_fuller",
    "average_ranks",
    "backtest",
    "backtest_net_returns",
    "baselines",
    "calmar_ratio",
    "check_provenance",
    "classification_metrics",
    "classification_scores",
    "drop_missing",
    "equity_curve",
    "expected_calibration_error",
    "feature_flags",
    "fit_thresholds",
    "forecast_metrics",
    "information_coefficient",
    "kolmogorov_smirnov",
    "ledger_folder",
    "ledgers_in",
    "linear_correlation",
    "max_drawdown",
    "permutation_importance",
    "pinball_loss",
    "positions",
    "profile_features",
    "provenance",
    "psi",
    "random_band",
    "reliability_curve",
    "run_leakage_checks",
    "sharpe_ratio",
    "sortino_ratio",
    "top_label_calibration_error",
    "trade_stats",
    "worst_first",
]
