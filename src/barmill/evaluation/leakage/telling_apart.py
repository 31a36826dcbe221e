"""Adversarial validation: can training and judging rows be told apart, and by what?

That they can is the rule on markets, so it alone accuses nobody: the two are compared with halves of training. What is never honest is
a column that is the number of the row, or the time.
"""

from collections.abc import Iterator

import numpy as np

from barmill.evaluation.classification import average_ranks
from barmill.evaluation.leakage.check import Looked, Missing, finding, need, need_values
from barmill.evaluation.leakage.dossier import Dossier, Float64Array, Int64Array
from barmill.evaluation.leakage.report import LeakageFinding
from barmill.evaluation.leakage.sampling import filled, sampled
from barmill.evaluation.leakage.settings import LeakageSettings
from barmill.evaluation.leakage.temporal_order import where

INDEX = 1 - 1e-7  # correlation with the number of the bar, or the time: nothing but a count has it
ROWS = 3_000  # of each side
FOLDS = 4
GAP = 0.05  # of a side, left free between learning and judging
APART, MORE_THAN_HALVES = 0.97, 0.15
DEAD = 0.5  # of the judging rows, in one run of one value, where no run in training has a tenth of that
COLUMNS_AT_ONCE = 64


def look_at_telling_apart(dossier: Dossier, settings: LeakageSettings) -> Looked:
    """Columns that count rows or time, columns that have stopped, and how well a classifier tells the blocks apart."""
    need(dossier, "blocks")
    need_values(dossier)
    training = [rows for _, rows in dossier.named_blocks(dossier.trained_on)]
    judging = [rows for _, rows in dossier.named_blocks(dossier.judged_by)]
    if not training or not judging:
        raise Missing("needs a training block and one that judges")
    train, judge = np.unique(np.concatenate(training)), np.unique(np.concatenate(judging))
    if min(train.size, judge.size) < FOLDS * 10:
        raise Missing(f"needs {FOLDS * 10} rows of each side or more")
    findings = [*_counters(dossier, train, judge, settings), *_stopped(dossier, train, judge)]
    told = {found.column for found in findings}
    apart, halves, best = _told_apart(dossier, train, judge, settings)
    if not told and apart >= APART and apart - halves >= MORE_THAN_HALVES:
        reason = (
            f"a classifier tells judging rows from training rows with an AUC of {apart:.2f}, and halves of training with {halves:.2f}, "
            f"most by {best}: the market has moved on, or a column is of another kind there"
        )
        evidence: dict[str, float | int | str] = {"auc": apart, "auc_within_training": halves, "column": best}
        findings.append(finding("L213", "info", best, reason, **where(dossier, int(judge[0])), evidence=evidence))
    looked = f"a classifier tells judging rows from training rows with an AUC of {apart:.2f}, and halves of training with {halves:.2f}"
    return Looked(looked, tuple(findings))


def _counters(dossier: Dossier, train: Int64Array, judge: Int64Array, settings: LeakageSettings) -> Iterator[LeakageFinding]:
    """Columns that are a straight line of the number of the row, of the bar, or of the time."""
    rows = sampled(np.union1d(train, judge), settings)
    lines: dict[str, Float64Array] = {"number of the row": rows.astype(np.float64)}
    if dossier.t0 is not None:
        lines["number of the bar"] = dossier.t0[rows].astype(np.float64)
    if dossier.decision_times is not None:
        lines["time"] = (dossier.decision_times[rows] - dossier.decision_times[rows[0]]).astype(np.float64)
    for start in range(0, len(dossier.columns), COLUMNS_AT_ONCE):
        values, usable = filled(dossier, rows, slice(start, start + COLUMNS_AT_ONCE))
        for k in np.flatnonzero(usable).tolist():
            for words, line in lines.items():
                rho = float(np.corrcoef(values[:, k], line)[0, 1])
                if abs(rho) < INDEX:
                    continue
                reason = f"it is the {words} (correlation {rho:+.9f}): it tells when, and so which block, and nothing that lasts"
                evidence: dict[str, float | int | str] = {"correlation": rho, "line": words}
                yield finding("L213", "critical", dossier.columns[start + k], reason, **where(dossier, int(judge[0])), evidence=evidence)
                break


def _stopped(dossier: Dossier, train: Int64Array, judge: Int64Array) -> Iterator[LeakageFinding]:
    """Columns that hold one value through half of the judging rows or more, and did nothing of the kind in training."""
    for start in range(0, len(dossier.columns), COLUMNS_AT_ONCE):
        columns = slice(start, start + COLUMNS_AT_ONCE)
        there, before = dossier.rows(judge, columns), dossier.rows(train, columns)
        for k in range(there.shape[1]):
            length, begin = _longest_run(there[:, k])
            if length < DEAD * judge.size or _longest_run(before[:, k])[0] > length // 10:
                continue
            at = int(judge[begin])
            reason = f"it stands still for {length:,} of {judge.size:,} judging rows, and moved all through training: its source has ended"
            evidence: dict[str, float | int | str] = {"rows": length, "value": float(there[begin, k])}
            yield finding("L213", "warning", dossier.columns[start + k], reason, **where(dossier, at), evidence=evidence)


def _longest_run(values: Float64Array) -> tuple[int, int]:
    """Length and first row of the longest run of one finite value."""
    moved = np.flatnonzero(values[1:] != values[:-1]) + 1
    edges = np.concatenate([[0], moved, [values.size]])
    lengths = np.diff(edges)
    longest = int(np.argmax(lengths))
    return int(lengths[longest]), int(edges[longest])


def _told_apart(dossier: Dossier, train: Int64Array, judge: Int64Array, settings: LeakageSettings) -> tuple[float, float, str]:
    """AUC of judging against the last training rows, of the halves of these, and the column that told most."""
    last, first = train[-ROWS:], judge[:ROWS]
    apart, gains = _classified(dossier, last, first, settings)
    half = last.size // 2
    halves, _ = _classified(dossier, last[:half], last[half:], settings)
    return apart, halves, dossier.columns[int(np.argmax(gains))]


def _classified(dossier: Dossier, one: Int64Array, other: Int64Array, settings: LeakageSettings) -> tuple[float, Float64Array]:
    """AUC out of fold of a small LightGBM that tells `other` from `one`, and what each column gave; folds are parts in time with a gap."""
    import lightgbm

    rows = np.concatenate([one, other])
    values = dossier.rows(rows)
    is_other = np.concatenate([np.zeros(one.size), np.ones(other.size)])
    place = np.concatenate([np.arange(size) / size for size in (one.size, other.size)])
    parameters = {"objective": "binary", "num_leaves": 7, "learning_rate": 0.2, "min_data_in_leaf": 20, "feature_fraction": 0.5}
    parameters |= {"verbosity": -1, "num_threads": 1, "deterministic": True, "seed": settings.seed, "max_bin": 31}
    score, gains = np.zeros(rows.size), np.zeros(len(dossier.columns))
    for fold in range(FOLDS):
        low, high = fold / FOLDS, (fold + 1) / FOLDS
        judged = (place >= low) & (place < high)
        learned = (place < low - GAP) | (place >= high + GAP)
        data = lightgbm.Dataset(values[learned], is_other[learned])
        model = lightgbm.train(parameters, data, num_boost_round=15)
        score[judged] = np.asarray(model.predict(values[judged], num_threads=1))
        gains += model.feature_importance("gain")
    ranks = average_ranks(score)
    n_other = float(is_other.sum())
    auc = float((ranks[is_other == 1].sum() - n_other * (n_other + 1) / 2) / (n_other * one.size))
    return max(auc, 1.0 - auc), gains


__all__ = ["look_at_telling_apart"]
