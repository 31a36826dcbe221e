"""The outcome of a decision: triple barrier, fixed horizon and trades in R, net of costs, with weights by uniqueness, return and age.

A decision falls at the close of bar t0, is filled at the next open, and is settled at bar t1; nothing before t0 + 1 but
the ATR at t0 goes into it, and nothing after t1. What the data do not cover is not labelled, and counted. `make_labels`
is the way from bars; the functions below it take plain arrays. What a trade costs is asked of the market, never computed here.
"""

from barmill.labels.back_labeler import BackLabels, OutcomesInR, back_label, outcomes_in_R
from barmill.labels.back_labeler_config import OutcomeConfig
from barmill.labels.back_labeler_offsets import EntryOffsets, best_entry_offset
from barmill.labels.config import LabelConfig
from barmill.labels.events import cusum_filter, ewm_volatility
from barmill.labels.explaining import explain_label
from barmill.labels.explanation import LabelExplanation
from barmill.labels.fixed_horizon import fixed_horizon
from barmill.labels.make import decides_at, decision_bars, make_labels
from barmill.labels.outcome_stream import Outcomes, OutcomeStream
from barmill.labels.outcomes import BARRIERS, CLASS_NAMES, Labels, check_classes
from barmill.labels.triple_barrier import CloseOutcome, NetOutcome, triple_barrier_close, triple_barrier_net
from barmill.labels.uniqueness import average_uniqueness, concurrency
from barmill.labels.weights import return_attribution_weights, sequential_bootstrap, sequential_bootstrap_sample, time_decay_weights

__all__ = [
    "BARRIERS",
    "CLASS_NAMES",
    "BackLabels",
    "CloseOutcome",
    "EntryOffsets",
    "LabelConfig",
    "LabelExplanation",
    "Labels",
    "NetOutcome",
    "OutcomeConfig",
    "OutcomeStream",
    "Outcomes",
    "OutcomesInR",
    "average_uniqueness",
    "back_label",
    "best_entry_offset",
    "check_classes",
    "concurrency",
    "cusum_filter",
    "decides_at",
    "decision_bars",
    "ewm_volatility",
    "explain_label",
    "fixed_horizon",
    "make_labels",
    "outcomes_in_R",
    "return_attribution_weights",
    "sequential_bootstrap",
    "sequential_bootstrap_sample",
    "time_decay_weights",
    "triple_barrier_close",
    "triple_barrier_net",
]
