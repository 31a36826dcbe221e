"""Single columns against the label: a column that is the label, and one that tells it better than any honest one could."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.evaluation.leakage.check import Looked, Missing, finding, need_values
from barmill.evaluation.leakage.dossier import Dossier, Float64Array, Int64Array
from barmill.evaluation.leakage.linkage import FEWEST, Links, links
from barmill.evaluation.leakage.report import LeakageFinding
from barmill.evaluation.leakage.sampling import filled, independent_labels, sampled, used_rows
from barmill.evaluation.leakage.settings import LeakageSettings
from barmill.evaluation.leakage.temporal_order import where

COLUMNS_AT_ONCE = 64
SAME = 1e-9  # relative difference at which a value is an outcome
FEWEST_SAME, SHARE_SAME = 5, 0.02
TIMES_CHANCE = 10  # how much oftener than at other rows' outcomes
OTHER_ROWS = 8
NEAR_ROWS = 4  # the next in the sample: where the tick is coarse, returns recur while the price stands at the same few levels
IMPLAUSIBLE_AUC = 0.73
"""Three noises taken off. The oracle of the simulated market, which knows the planted edge exactly, has 0.72 at its greatest strength."""
NOISES = 3.0
IMPLAUSIBLE_INFORMATION = 0.60  # sqrt(1 - exp(-2 I)), the correlation that carries as much; an AUC of 0.8 is about 0.5
BINS = 10
ROWS_A_BIN = 30  # independent labels for each tenth, below which information is not asked
LEARNED_AUC, FORGOTTEN = 0.70, 0.5
"""A column that reaches 0.7 on the training rows and loses more than half of that elsewhere was made from their labels."""


def look_at_labels_in_columns(dossier: Dossier, settings: LeakageSettings) -> Looked:
    """Columns whose correlation with the label reaches the threshold, and columns that hold the outcome itself at some rows."""
    need_values(dossier)
    if dossier.y is None and dossier.outcome is None:
        raise Missing("needs the labels (y or outcome), which nobody gave")
    rows = sampled(used_rows(dossier), settings)
    targets = {name: values[rows].astype(np.float64) for name in ("y", "outcome") if (values := getattr(dossier, name)) is not None}
    findings: list[LeakageFinding] = []
    for start in range(0, len(dossier.columns), COLUMNS_AT_ONCE):
        values, usable = filled(dossier, rows, slice(start, start + COLUMNS_AT_ONCE))
        findings += _correlated(dossier, rows, values, usable, start, targets, settings.correlation_threshold)
        told = {found.column for found in findings}
        if "outcome" in targets:
            copies = _copies(dossier, rows, values, start, targets["outcome"])
            findings += [found for found in copies if found.column not in told]
    looked = f"no correlation with the label reaches {settings.correlation_threshold:g}, and no column holds an outcome"
    return Looked(looked, tuple(findings))


def _correlated(
    dossier: Dossier,
    rows: Int64Array,
    values: Float64Array,
    usable: npt.NDArray[np.bool_],
    start: int,
    targets: dict[str, Float64Array],
    threshold: float,
) -> list[LeakageFinding]:
    findings: list[LeakageFinding] = []
    for k in np.flatnonzero(usable).tolist():
        for name, target in targets.items():
            kept = np.isfinite(target)
            if kept.sum() < 3 or np.ptp(target[kept]) == 0 or np.ptp(values[kept, k]) == 0:
                continue
            rho = float(np.corrcoef(values[kept, k], target[kept])[0, 1])
            if abs(rho) < threshold:
                continue
            words = "class" if name == "y" else "outcome"
            reason = f"its correlation with the label's {words} is {rho:+.3f}: it is the label"
            evidence: dict[str, float | int | str] = {"correlation": rho, "with": name, "threshold": threshold}
            place = where(dossier, int(rows[0]))
            findings.append(finding("L207", "critical", dossier.columns[start + k], reason, **place, evidence=evidence))
            break
    return findings


def _copies(dossier: Dossier, rows: Int64Array, values: Float64Array, start: int, outcome: Float64Array) -> list[LeakageFinding]:
    """Columns that equal the row's own outcome, simple or as a logarithm, oftener than they equal other rows' outcomes."""
    findings: list[LeakageFinding] = []
    logs = np.log1p(np.where(outcome > -1, outcome, 0.0))
    for k in range(values.shape[1]):
        column = values[:, k]
        for truth in (outcome, logs):
            same = _equal(column, truth)
            count = int(same.sum())
            if count < max(FEWEST_SAME, SHARE_SAME * rows.size):
                continue
            far = [1 + (number + 1) * rows.size // (OTHER_ROWS + 2) for number in range(OTHER_ROWS)]
            steps = [*range(-NEAR_ROWS, 0), *far]  # later rows: an earlier one's outcome may be known, and be in an honest column
            by_chance = max(int(_equal(column, np.roll(truth, step)).sum()) for step in steps)
            if count < FEWEST_SAME + TIMES_CHANCE * by_chance:
                continue
            reason = f"at {count:,} of {rows.size:,} rows it is the outcome of the row's own label, which is known only later"
            evidence: dict[str, float | int | str] = {"rows": count, "share": count / rows.size, "by_chance": by_chance}
            place = where(dossier, int(rows[np.argmax(same)]))
            findings.append(finding("L207", "critical", dossier.columns[start + k], reason, **place, evidence=evidence))
            break
    return findings


def _equal(column: Float64Array, truth: Float64Array) -> npt.NDArray[np.bool_]:
    return (truth != 0.0) & (np.abs(column - truth) <= SAME * np.abs(truth))


@dataclass(frozen=True, slots=True, eq=False)
class _Power:
    """How well single columns tell up from the rest on some rows: AUC, information, and the links with their noise."""

    rows: Int64Array
    auc: Float64Array
    information: Float64Array
    found: Links


def look_at_single_power(dossier: Dossier, settings: LeakageSettings) -> Looked:
    """Columns that alone tell the label better than honest columns do, or that tell it on training rows only."""
    need_values(dossier)
    if dossier.y is None:
        raise Missing("needs the classes (y), which nobody gave")
    parts = _parts(dossier, settings)
    up = (dossier.y == dossier.y.max()).astype(np.float64)
    parts = {name: rows for name, rows in parts.items() if rows.size >= FEWEST and np.ptp(up[rows]) > 0}
    if not parts:
        raise Missing(f"needs {FEWEST} rows of two classes or more")
    most_p = settings.family_error / max(1, 3 * len(dossier.columns))
    findings: list[LeakageFinding] = []
    best = 0.5
    for start in range(0, len(dossier.columns), COLUMNS_AT_ONCE):
        columns = slice(start, start + COLUMNS_AT_ONCE)
        powers = {name: _power(dossier, rows, columns, up[rows]) for name, rows in parts.items()}
        best = max(best, *(float(np.max(np.maximum(power.auc, 1 - power.auc))) for power in powers.values()))
        width = len(next(iter(powers.values())).auc)
        for k in range(width):
            told = _too_good(dossier, start + k, k, powers, most_p) or _learned(dossier, start + k, k, powers, most_p)
            findings += [told] if told is not None else []
    return Looked(f"the best of {len(dossier.columns)} columns alone has an AUC of {best:.3f}", tuple(findings))


def _parts(dossier: Dossier, settings: LeakageSettings) -> dict[str, Int64Array]:
    """Training and judging rows, or all rows where nobody says which is which."""
    found: dict[str, Int64Array] = {}
    for name, blocks in (("training", dossier.trained_on), ("judging", dossier.judged_by)):
        rows = [rows for _, rows in dossier.named_blocks(blocks)]
        if rows:
            found[name] = sampled(np.unique(np.concatenate(rows)), settings)
    return found or {"all": sampled(np.arange(dossier.n), settings)}


def _power(dossier: Dossier, rows: Int64Array, columns: slice, up: Float64Array) -> _Power:
    values, usable = filled(dossier, rows, columns)
    n, n_up = up.size, float(up.sum())
    order = np.argsort(values, axis=0, kind="stable")
    ranks = np.empty_like(values)
    np.put_along_axis(ranks, order, np.arange(1.0, n + 1)[:, None], axis=0)
    for k in range(values.shape[1]):
        _share_ties(values[order[:, k], k], order[:, k], ranks[:, k])
    auc = (up @ ranks - n_up * (n_up + 1) / 2) / (n_up * (n - n_up))
    auc = np.where(usable, auc, 0.5)
    return _Power(
        rows,
        auc,
        np.where(usable, _information(ranks, up), 0.0),
        links(np.where(usable, ranks, 0.0), up, independent_labels(dossier, rows)),
    )


def _share_ties(ascending: Float64Array, order: npt.NDArray[np.intp], ranks: Float64Array) -> None:
    """Give tied values their average rank."""
    begins = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
    if begins.size == ascending.size:
        return
    lengths = np.diff(np.append(begins, ascending.size))
    ranks[order] = np.repeat(begins + (lengths + 1) / 2, lengths)


def _information(ranks: Float64Array, up: Float64Array) -> Float64Array:
    """Mutual information of each column in tenths with the class, less its bias, as the correlation that carries as much."""
    n = up.size
    bins = np.minimum(((ranks - 0.5) * BINS / n).astype(np.int64), BINS - 1)
    told = np.zeros(ranks.shape[1])
    base = float(up.mean())
    for k in range(ranks.shape[1]):
        count = np.bincount(bins[:, k], minlength=BINS).astype(np.float64)
        hits = np.bincount(bins[:, k], weights=up, minlength=BINS)
        kept = count > 0
        p = np.clip(hits[kept] / count[kept], 1e-12, 1 - 1e-12)
        gain = p * np.log(p / base) + (1 - p) * np.log((1 - p) / (1 - base))
        told[k] = max(0.0, float(count[kept] @ gain) / n - (kept.sum() - 1) / (2 * n))  # Miller and Madow
    return np.sqrt(1 - np.exp(-2 * told))


def _too_good(dossier: Dossier, number: int, k: int, powers: dict[str, _Power], most_p: float) -> LeakageFinding | None:
    for name, power in powers.items():
        auc, information = float(power.auc[k]), float(power.information[k])
        at_least = _at_least(auc, power.found.one(k))
        by_rank = at_least >= IMPLAUSIBLE_AUC and bool(power.found.beyond_chance(most_p)[k])
        independent = min(float(power.found.noise[k]) ** -2, power.found.spans)
        by_information = information >= IMPLAUSIBLE_INFORMATION and independent >= ROWS_A_BIN * BINS
        if not (by_rank or by_information):
            continue
        reason = (
            f"alone it has an AUC of {max(auc, 1 - auc):.3f} on the {name} rows and says as much as a correlation of {information:.2f}; "
            "what knows a strong market exactly has 0.72"
        )
        evidence: dict[str, float | int | str] = {"auc": auc, "information": information, "on": name, "rows": int(power.rows.size)}
        return finding("L208", "critical", dossier.columns[number], reason, **where(dossier, int(power.rows[0])), evidence=evidence)
    return None


def _at_least(auc: float, found: Links) -> float:
    """The AUC of 0.5 or more that is left when the noises of the rank correlation are taken off."""
    rho = abs(float(found.rho[0]))
    return 0.5 + abs(auc - 0.5) * max(0.0, float(found.at_least(NOISES)[0])) / rho if rho > 0 else 0.5


def _learned(dossier: Dossier, number: int, k: int, powers: dict[str, _Power], most_p: float) -> LeakageFinding | None:
    """A column that tells the labels of the training rows and little of the judging ones'."""
    if not {"training", "judging"} <= set(powers):
        return None
    train, judge = powers["training"], powers["judging"]
    inside, outside = float(train.auc[k]) - 0.5, float(judge.auc[k]) - 0.5
    sign = 1.0 if inside > 0 else -1.0
    if abs(inside) < LEARNED_AUC - 0.5 or outside * sign >= FORGOTTEN * abs(inside):
        return None
    noises = [max(float(power.found.noise[k]), power.found.spans**-0.5) for power in (train, judge)]
    noise = float(np.hypot(noises[0], noises[1]))
    gap = Links(train.found.rho[k : k + 1] - judge.found.rho[k : k + 1], np.array([noise]), np.zeros(1), train.found.spans)
    if not (gap.p_values()[0] <= most_p and train.found.beyond_chance(most_p)[k]):
        return None
    reason = (
        f"alone it has an AUC of {0.5 + abs(inside):.3f} on the training rows and of {0.5 + outside * sign:.3f} on the judging ones: "
        "it was made from the training labels, such as a forecast of rows that its model had learned"
    )
    evidence: dict[str, float | int | str] = {"auc_training": 0.5 + inside, "auc_judging": 0.5 + outside}
    return finding("L208", "critical", dossier.columns[number], reason, **where(dossier, int(train.rows[0])), evidence=evidence)


__all__ = ["look_at_labels_in_columns", "look_at_single_power"]
