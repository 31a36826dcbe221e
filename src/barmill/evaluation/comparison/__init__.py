"""Models side by side: is one better than another by more than chance, and which rank does that leave each of them.

Pure functions on arrays: a test on what two models lose at the same labels, a test on what they earn at the same bars, Holm's
correction for having made many such tests, ranks that models share where no test tells them apart, and scores of a 90 % band.
"""

from barmill.evaluation.comparison.band_scores import band_coverage, coverage_band, winkler_score
from barmill.evaluation.comparison.comparing import ALPHA, Comparison, ModelPair, compare_models
from barmill.evaluation.comparison.diebold_mariano import LossTest, diebold_mariano
from barmill.evaluation.comparison.holm import holm_adjusted
from barmill.evaluation.comparison.label_losses import label_losses
from barmill.evaluation.comparison.paired_returns import ReturnTest, paired_return_test, paired_return_tests
from barmill.evaluation.comparison.ranking import significance_ranks

__all__ = [
    "ALPHA",
    "Comparison",
    "LossTest",
    "ModelPair",
    "ReturnTest",
    "band_coverage",
    "compare_models",
    "coverage_band",
    "diebold_mariano",
    "holm_adjusted",
    "label_losses",
    "paired_return_test",
    "paired_return_tests",
    "significance_ranks",
    "winkler_score",
]
