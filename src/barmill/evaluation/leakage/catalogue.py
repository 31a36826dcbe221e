"""All leakage checks, in the order of their codes: a readable table, from which the reference page is written too.

A code is for ever: one that is no longer used is not given to another check. The audit's own codes are F1xx.
"""

from barmill.evaluation.leakage.borders import look_at_embargo, look_at_overlap
from barmill.evaluation.leakage.check import LeakageCheck
from barmill.evaluation.leakage.fitted_rows import look_at_claims, look_at_provenance
from barmill.evaluation.leakage.higher_timeframes import look_at_higher_timeframes
from barmill.evaluation.leakage.known_times import look_at_known_times
from barmill.evaluation.leakage.label_link import look_at_labels_in_columns, look_at_single_power
from barmill.evaluation.leakage.prefix_invariance import look_at_prefixes
from barmill.evaluation.leakage.repeated_rows import look_at_repeated_rows
from barmill.evaluation.leakage.scaling import look_at_scaling
from barmill.evaluation.leakage.target_permutation import look_at_permuted_targets
from barmill.evaluation.leakage.telling_apart import look_at_telling_apart
from barmill.evaluation.leakage.temporal_order import look_at_clock, look_at_order
from barmill.evaluation.leakage.time_shift import look_at_time_shift

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
    LeakageCheck(
        code="L205",
        name="repeated rows",
        severity="critical",
        means="A judging row is a copy of a training row, or its bars stand in training under another time: what is judged was learned.",
        found="The bits of whole rows, and hours of returns to nine decimals; oftener than rows repeat within training.",
        false_alarms="None seen: a copy takes every column to the bit, or twenty moves in a row. Coarse columns make it not applicable.",
        mend="Drop duplicates, and balance classes, after the split and within training alone.",
        look=look_at_repeated_rows,
    ),
    LeakageCheck(
        code="L206",
        name="prefix invariance",
        severity="critical",
        means="A column has another value when later bars are taken away, or are others: it looks ahead, or at the whole sample.",
        found="The audit of features makes the columns again on fewer bars and with other futures. Other faults of the code are warnings.",
        false_alarms="None: it compares values of the same code on the same bars, to the bit or within 1e-9.",
        mend="See the finding's own words, and `barmill audit` on the code alone.",
        look=look_at_prefixes,
    ),
    LeakageCheck(
        code="L207",
        name="label in a column",
        severity="critical",
        means="A column is the label, or holds the outcome of its own row at some rows.",
        found="Correlation with class or outcome at the threshold (0.95) or more; values equal to the outcome oftener than to other rows'.",
        false_alarms="None seen: no forecast of a market correlates 0.95 with what it forecasts.",
        mend="Take the column out, or lag it by the whole label: an outcome is known at t1, not at t0.",
        look=look_at_labels_in_columns,
    ),
    LeakageCheck(
        code="L208",
        name="power of one column",
        severity="critical",
        means="One column alone tells the class better than is plausible, or tells it on training rows and not on others.",
        found="AUC of 0.73 or more, less three noises; as much mutual information; training rows against judging ones.",
        false_alarms="1e-4 for all columns together by its bound; the exact forecast of the strongest simulated market has an AUC of 0.72.",
        mend="Look for the label in how the column is made: an encoding by the target, a forecast of rows that its model had learned.",
        look=look_at_single_power,
    ),
    LeakageCheck(
        code="L209",
        name="time shift",
        severity="critical",
        means="A column knows more of the future than all the past can tell: a window, a join or a fill that reaches ahead.",
        found="What sixty numbers of the past do not explain of it, held against what came later; noise by circular shifts.",
        false_alarms="1e-4 for all columns together, and only links beyond those that honest columns have; see the decision on thresholds.",
        mend="Look at how many bars ahead the link is, then at windows that are centred, joins at the label, fills backwards.",
        look=look_at_time_shift,
    ),
    LeakageCheck(
        code="L210",
        name="scaling",
        severity="critical",
        means="Columns are standard, or run from 0 to 1, over rows that judge: their scaler has seen them.",
        found="Mean and deviation to the sixth digit, or the ends of the range in most columns, over all rows and not training.",
        false_alarms="None seen: a mean of 0 and a deviation of 1 to six digits are no coincidence.",
        mend="Fit the scaler on training rows, then transform all.",
        look=look_at_scaling,
    ),
    LeakageCheck(
        code="L211",
        name="provenance",
        severity="critical",
        means="Something was fitted, chosen, tuned, calibrated or stopped on rows that judge it, or whose labels share a bar with theirs.",
        found="The rows that each record names, against the blocks that judge it.",
        false_alarms=EXACT,
        mend="Fit on train; stop, calibrate and choose on slices of validation; open the test block once.",
        look=look_at_provenance,
    ),
    LeakageCheck(
        code="L212",
        name="claims of fits",
        severity="critical",
        means="What was fitted does not have the values that a fit of the rows it names gives: it was fitted on others.",
        found="It is fitted again on the rows that it names, and on other sets of rows to say which it is of.",
        false_alarms="None for a fit that is deterministic: values are compared within 1e-9.",
        mend="Fit on the rows that the record names, after the split.",
        look=look_at_claims,
    ),
    LeakageCheck(
        code="L213",
        name="blocks told apart",
        severity="critical",
        means="A column counts rows or time (critical), has stopped (warning), or blocks differ more than halves of training (info).",
        found="A straight line of row, bar or time; runs of one value; a classifier of training against judging rows, with folds in time.",
        false_alarms="None for counts. Drift is no leak and never more than an info.",
        mend="Take counts and times out; use the hour or the day of the week instead. Look at the source of a column that has stopped.",
        look=look_at_telling_apart,
    ),
    LeakageCheck(
        code="L214",
        name="target permutation",
        severity="critical",
        means="A model that has learned shuffled labels still forecasts: it has them from elsewhere, or rows share their labels.",
        found="Labels are moved round as a whole ten times; the mean AUC of the forecasts is held against its own spread.",
        false_alarms="1e-4 by its bound, and never below a mean AUC of 0.53.",
        mend="Look inside the model's own code for labels that it keeps, and at the purge.",
        look=look_at_permuted_targets,
    ),
    LeakageCheck(
        code="L215",
        name="higher timeframes",
        severity="critical",
        means="A column of a higher timeframe changes inside a bar of it, or shows a bar that has not closed.",
        found="Changes between decisions between which no bar of the timeframe closes; values against those of the last closed bar.",
        false_alarms=EXACT,
        mend="Show a bar from the moment of its close on, as `mtf_align` does; never join on its label.",
        look=look_at_higher_timeframes,
    ),
    LeakageCheck(
        code="L216",
        name="second series",
        severity="critical",
        means="A column shows a row of a second series before it was known: joined at its label, early, or as it was revised later.",
        found="The value shown against that of the last row known by then, and of the rows after it.",
        false_alarms="None where values differ from row to row; a value that an earlier row had too is not held against it.",
        mend="Join as of the time at which a row was known; keep revisions as rows of their own.",
        look=look_at_known_times,
    ),
)

__all__ = ["LEAKAGE_CHECKS"]
