"""How well a model answers another question than where the label goes, each figure beside a naive baseline on the same rows.

The naive baseline knows the training rows and nothing of the row it speaks of: their share of each class, or their quantile of each
level. Source: the alert charter, sections 2 and 4 to 7.
"""

from barmill.evaluation.experts.gain import Control, gain_over
from barmill.evaluation.experts.outcomes import entry_scores, offset_scores, reward_scores, risk_scores
from barmill.evaluation.experts.patterns import TaughtPatterns, pattern_cnn_scores

__all__ = ["Control", "TaughtPatterns", "entry_scores", "gain_over", "offset_scores", "pattern_cnn_scores", "reward_scores", "risk_scores"]
