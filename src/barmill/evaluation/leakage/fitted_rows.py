"""What was fitted: its rows against the rows that judge it, and its claim against a fit of its own rows."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from barmill.errors import BarmillError
from barmill.evaluation.leakage.borders import meeting
from barmill.evaluation.leakage.check import Looked, Missing, finding, need
from barmill.evaluation.leakage.dossier import Dossier, Fitted, Int64Array, Learned
from barmill.evaluation.leakage.report import LeakageFinding
from barmill.evaluation.leakage.settings import LeakageSettings
from barmill.evaluation.leakage.temporal_order import where


def look_at_provenance(dossier: Dossier, _: LeakageSettings) -> Looked:
    """Anything that was fitted, chosen, tuned or stopped on rows that judge it, or on labels that overlap theirs."""
    need(dossier, "fitted", "blocks")
    assert dossier.fitted is not None
    pairs = [(item, judge, rows) for item in dossier.fitted for judge, rows in dossier.named_blocks(item.judged_by) if item.rows.size]
    if dossier.fitted and not pairs:
        raise Missing("none of the blocks that judge what was fitted is there")
    findings = [told for item, judge, rows in pairs if (told := _seen(dossier, item, judge, np.unique(rows))) is not None]
    return Looked(f"{len(dossier.fitted)} things were fitted, none on rows that judge it", tuple(findings))


def _seen(dossier: Dossier, item: Fitted, judge: str, judged: Int64Array) -> LeakageFinding | None:
    rows = np.unique(item.rows)
    seen = np.isin(rows, judged, assume_unique=True)
    if dossier.t0 is not None and dossier.t1 is not None:
        seen |= meeting(dossier.t0, dossier.t1, rows, judged)
    if not seen.any():
        return None
    at, count = int(rows[np.argmax(seen)]), int(seen.sum())
    reason = (
        f"{item.what}: {count:,} of the {rows.size:,} rows that it was fitted on are in {judge}, which judges it, or share a bar with it"
    )
    evidence: dict[str, float | int | str] = {"rows": count, "fitted_rows": int(rows.size), "judged_by": judge}
    return finding("L211", "critical", _name(item), reason, **where(dossier, at), evidence=evidence)


def look_at_claims(dossier: Dossier, _: LeakageSettings) -> Looked:
    """Anything whose values are not those that a fit of the rows it names gives: then it was fitted on others."""
    need(dossier, "fitted")
    provable = [item for item in dossier.fitted or () if item.refit is not None and item.values is not None]
    if not provable:
        raise Missing("needs something fitted with its values and the means to fit it again, which nobody gave")
    findings = [told for item in provable for told in _disproved(dossier, item)]
    return Looked(f"{len(provable)} fits give the same values when they are made again on the rows that they name", tuple(findings))


def _disproved(dossier: Dossier, item: Fitted) -> Iterator[LeakageFinding]:
    assert item.refit is not None
    assert item.values is not None
    honest = item.refit(np.sort(item.rows))
    differing = _differing(item.values, honest, item.rtol)
    if not differing:
        return
    name, place = differing
    seen = _explained_by(dossier, item)
    because = f"; it is that of {seen}" if seen else ""
    column = item.columns[place] if 0 <= place < len(item.columns) else _name(item)
    at = int(item.rows.max()) if item.rows.size else 0
    reason = f"{item.what}: its {name} is not what fitting it on the {item.rows.size:,} rows that it names gives{because}"
    evidence: dict[str, float | int | str] = {"value": name, "fitted_rows": int(item.rows.size), "explained_by": seen}
    yield finding("L212", "critical", column, reason, **where(dossier, min(at + 1, dossier.n - 1)), evidence=evidence)


def _explained_by(dossier: Dossier, item: Fitted) -> str:
    """The rows whose fit gives these values, if all rows, or the named ones and a block, do; empty if not."""
    assert item.refit is not None
    assert item.values is not None
    tried: dict[str, Int64Array] = {"all rows": np.arange(dossier.n, dtype=np.int64)}
    for name, rows in (dossier.blocks or {}).items():
        tried[f"these rows and {name}"] = np.union1d(item.rows, rows)
        tried[name] = np.sort(rows)
    if dossier.blocks:
        tried["all blocks"] = np.unique(np.concatenate(list(dossier.blocks.values())))
    for words, rows in tried.items():
        try:
            if rows.size and not _differing(item.values, item.refit(rows), item.rtol):
                return words
        except (BarmillError, ValueError, ArithmeticError):  # a fit that these rows do not allow explains nothing
            continue
    return ""


def _differing(said: Learned, again: Learned, rtol: float) -> tuple[str, int] | None:
    """The first value that differs, and the place in it; None if none does."""
    for name in said:
        if name not in again:
            return name, -1
        one, other = np.asarray(said[name]), np.asarray(again[name])
        if one.shape != other.shape:
            return name, -1
        unequal = ~_close(one, other, rtol)
        if unequal.any():
            return name, int(np.argmax(unequal.reshape(unequal.shape[0], -1).any(axis=1))) if unequal.ndim else -1
    return None


def _close(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic], rtol: float) -> npt.NDArray[np.bool_]:
    if one.dtype.kind in "fiub" and other.dtype.kind in "fiub":
        return np.isclose(one.astype(np.float64), other.astype(np.float64), rtol=rtol, atol=rtol * 1e-3, equal_nan=True)
    return np.asarray(one.astype(str) == other.astype(str))


def _name(item: Fitted) -> str:
    return item.columns[0] if len(item.columns) == 1 else item.what


__all__ = ["look_at_claims", "look_at_provenance"]
