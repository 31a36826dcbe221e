"""Who learns from what, and who judges: holdout with its slices, and purged k-fold.

Splits see nothing of a label but its first and last bar. Every one of them lets go of shared labels through the one
`purge`; a split that needs another rule for it is wrong. Positions number the labels, in the order of t0.
"""

from barmill.splits.config import SplitConfig
from barmill.splits.holdout import Holdout, LabelSpans, holdout, validation_slices
from barmill.splits.kfold import purged_kfold
from barmill.splits.purging import purge, purge_embargo

__all__ = [
    "Holdout",
    "LabelSpans",
    "SplitConfig",
    "holdout",
    "purge",
    "purge_embargo",
    "purged_kfold",
    "validation_slices",
]
