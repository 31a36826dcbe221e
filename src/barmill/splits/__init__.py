"""Who learns from what, and who judges: holdout, purged k-fold, combinatorial purged cross-validation, walk-forward.

Splits see nothing of a label but its first and last bar. Every one of them lets go of shared labels through the one
rule of `purging.py`; a split that needs another rule for it is wrong. Positions number the labels, in the order of t0, and
a fold holds them as ranges: a million labels are a few numbers.
"""

from barmill.splits.combinatorial import CPCV, CombinatorialPurgedCV, cpcv_counts, cpcv_path_ids, cpcv_paths, cpcv_splits
from barmill.splits.config import SplitConfig
from barmill.splits.cross_validation_config import CrossValidationConfig
from barmill.splits.frequency import FrequencyDefaults, frequency_defaults
from barmill.splits.holdout import Holdout, HoldoutBlocks, holdout, validation_slices
from barmill.splits.kfold import PurgedKFold, purged_kfold
from barmill.splits.out_of_fold import OofPiece, OofReport, check_out_of_fold, out_of_window
from barmill.splits.purging import purge, purge_embargo, purge_ranges
from barmill.splits.ranges import Fold, Ranges
from barmill.splits.spans import LabelSpans, OrderedSpans
from barmill.splits.splitter import Splitter
from barmill.splits.walk_forward import WalkForward, walk_forward

__all__ = [
    "CPCV",
    "CombinatorialPurgedCV",
    "CrossValidationConfig",
    "Fold",
    "FrequencyDefaults",
    "Holdout",
    "HoldoutBlocks",
    "LabelSpans",
    "OofPiece",
    "OofReport",
    "OrderedSpans",
    "PurgedKFold",
    "Ranges",
    "SplitConfig",
    "Splitter",
    "WalkForward",
    "check_out_of_fold",
    "cpcv_counts",
    "cpcv_path_ids",
    "cpcv_paths",
    "cpcv_splits",
    "frequency_defaults",
    "holdout",
    "out_of_window",
    "purge",
    "purge_embargo",
    "purge_ranges",
    "purged_kfold",
    "validation_slices",
    "walk_forward",
]
