"""Which decisions the statistical checks look at: all, or contiguous stretches of them, and their columns without holes."""

import numpy as np

from barmill.evaluation.leakage.dossier import Dossier, Float64Array, Int64Array
from barmill.evaluation.leakage.settings import LeakageSettings

STRETCHES = 4
LEAST_FILLED = 0.5  # share of finite values from which on a column is looked at


def used_rows(dossier: Dossier) -> Int64Array:
    """The decisions that are in a block, ascending; all where there are no blocks. What lies between blocks is nobody's."""
    blocks = [rows for rows in (dossier.blocks or {}).values() if rows.size]
    return np.unique(np.concatenate(blocks)).astype(np.int64) if blocks else np.arange(dossier.n, dtype=np.int64)


def independent_labels(dossier: Dossier, rows: Int64Array) -> float:
    """How many of the labels of `rows` fit side by side: their number over how many overlap one; all where spans are not known."""
    if dossier.t0 is None or dossier.t1 is None or rows.size < 2:
        return float(rows.size)
    length = float(np.median(dossier.t1[rows] - dossier.t0[rows]))
    spacing = max(1.0, float(np.median(np.diff(dossier.t0[rows]))))
    return rows.size / max(1.0, length / spacing)


def sampled(rows: Int64Array, settings: LeakageSettings) -> Int64Array:
    """At most `most_rows` of the ascending `rows`: four stretches, drawn one from each quarter, so that neighbours stay neighbours."""
    if rows.size <= settings.most_rows:
        return rows
    random = np.random.default_rng(settings.seed)
    length, quarter = settings.most_rows // STRETCHES, rows.size // STRETCHES
    starts = [k * quarter + int(random.integers(0, quarter - length + 1)) for k in range(STRETCHES)]
    return np.concatenate([rows[start : start + length] for start in starts])


def filled(dossier: Dossier, rows: Int64Array, columns: slice) -> tuple[Float64Array, np.ndarray]:
    """Values with holes filled by the column's median, and which columns have values enough and vary: (n, F) and bool (F,)."""
    values = dossier.rows(rows, columns)
    finite = np.isfinite(values)
    usable = finite.mean(axis=0) >= LEAST_FILLED
    for column in np.flatnonzero(~finite.all(axis=0)):
        kept = values[finite[:, column], column]
        values[~finite[:, column], column] = np.median(kept) if kept.size else 0.0
    usable &= values.max(axis=0) > values.min(axis=0)
    return values, usable


__all__ = ["filled", "independent_labels", "sampled", "used_rows"]
