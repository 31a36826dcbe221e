"""Leakage checks: each looks at a dossier of an experiment and says passed, failed or not applicable, with its evidence.

`dossier` is what is known of an experiment, `catalogue` the table of the checks, `running` runs them, `report` is what they say, `guards`
are for those who have arrays and no dossier.
A check reads nothing but the dossier, and its bounds are set by the rate at which clean experiments would be accused.
"""

from barmill.evaluation.leakage.catalogue import LEAKAGE_CHECKS
from barmill.evaluation.leakage.check import LeakageCheck
from barmill.evaluation.leakage.dossier import Dossier, FitPredict, Fitted, HigherTimeframe, SecondSeries
from barmill.evaluation.leakage.guard_suite import GuardSummary, LeakageGuardSuite
from barmill.evaluation.leakage.guards import (
    FeatureTargetLeakageScanner,
    GuardReport,
    LookAheadBiasDetector,
    NormalizationLeakageDetector,
    TemporalOrderValidator,
)
from barmill.evaluation.leakage.report import CheckResult, LeakageFinding, LeakageReport
from barmill.evaluation.leakage.running import run_leakage_checks
from barmill.evaluation.leakage.settings import LeakageSettings

__all__ = [
    "LEAKAGE_CHECKS",
    "CheckResult",
    "Dossier",
    "FeatureTargetLeakageScanner",
    "FitPredict",
    "Fitted",
    "GuardReport",
    "GuardSummary",
    "HigherTimeframe",
    "LeakageCheck",
    "LeakageFinding",
    "LeakageGuardSuite",
    "LeakageReport",
    "LeakageSettings",
    "LookAheadBiasDetector",
    "NormalizationLeakageDetector",
    "SecondSeries",
    "TemporalOrderValidator",
    "run_leakage_checks",
]
