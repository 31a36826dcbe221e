"""All leakage checks, in the order of their codes: a readable table, from which the reference page is written too.

A code is for ever: one that is no longer used is not given to another check. The audit's own codes are F1xx.
"""

from barmill.evaluation.leakage.borders import look_at_embargo, look_at_overlap
from barmill.evaluation.leakage.check import LeakageCheck
from barmill.evaluation.leakage.temporal_order import look_at_clock, look_at_order

EXACT = "None: it compares integers."

LEAKAGE_CHECKS: tuple[LeakageCheck, ...] = (
    LeakageCheck(
        code="L201",
        name="temporal order",
        severity="critical",
        means="Decisions are not in order of time, or a block begins before the one before it has ended: training sees what comes later.",
        found="The times of the decisions must not fall; each block's first time must lie after the last of the block before it.",
        false_alarms=EXACT,
        mend="Sort by time before cutting, cut by time, and drop rows that are there twice.",
        look=look_at_order,
    ),
    LeakageCheck(
        code="L202",
        name="decision times",
        severity="critical",
        means="Decisions are not stamped with the close of their bar: a clock of another zone, or bars stamped with their open.",
        found="known_at against the close of bar t0. A stamp before the close, or whole hours off, is critical; a later one a warning.",
        false_alarms=EXACT,
        mend="Convert times to UTC once, where the data enter, and stamp a decision with the close of its bar.",
        look=look_at_clock,
    ),
    LeakageCheck(
        code="L203",
        name="embargo",
        severity="critical",
        means="A block begins within the embargo after the last label of the one before it, if only by a bar.",
        found="The bars between the latest label end of a run of rows and the next block, after training blocks and before judging ones.",
        false_alarms=EXACT,
        mend="Call `purge` with the embargo; count it in bars from the latest label end, not in rows and not from the last decision.",
        look=look_at_embargo,
    ),
    LeakageCheck(
        code="L204",
        name="label overlap",
        severity="critical",
        means="A row is in two blocks, or a label of one block shares a bar with a label of another: both know the same prices.",
        found="All pairs of labels of all pairs of blocks, by sorting; both ends of a label count.",
        false_alarms=EXACT,
        mend="Purge each block by the label ends of the others, after everything that moves rows or labels.",
        look=look_at_overlap,
    ),
)
