"""How good an expert is, in the terms of a trade: the alert charter, sections 4 to 7. Arrays are of shape (n,), one value a trade."""

import numpy as np
import numpy.typing as npt

from barmill.errors import InputError, ShapeError
from barmill.models.contract import Float64Array

FIXED_TARGET_R = 2.0  # what the reward expert is held against
TIE = 1e-9  # R; prices on a grid of ticks reach a level exactly, whatever the last digits of a quotient say


def pinball(y: npt.ArrayLike, q: npt.ArrayLike, level: float, weight: npt.ArrayLike | None = None) -> float:
    """Weighted mean of `pinball_of_rows`."""
    return float(np.average(pinball_of_rows(y, q, level), weights=None if weight is None else np.asarray(weight)))


def pinball_of_rows(y: npt.ArrayLike, q: npt.ArrayLike, level: float) -> Float64Array:
    """max(level·(y - q), (level - 1)·(y - q)) of each row (Koenker and Bassett 1978)."""
    came, said = _columns("pinball", y=y, q=q)
    if not 0.0 < level < 1.0:
        raise InputError("pinball.level", f"{level}", expected="between 0 and 1")
    error = came - said
    return np.maximum(level * error, (level - 1.0) * error)


def coverage(y: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Share of outcomes at or below the quantile said of them: near the level where it is right."""
    came, said = _columns("coverage", y=y, q=q)
    return float(np.mean(came <= said))


def stop_hit_rate(drawdown_kATR: npt.ArrayLike, sl_kATR: npt.ArrayLike) -> float:
    """Share of trades that a stop at `sl_kATR` would have ended: draw-down at or beyond it."""
    came, said = _columns("stop_hit_rate", drawdown_kATR=drawdown_kATR, sl_kATR=sl_kATR)
    return float(np.mean(came >= said))


def smape(y: npt.ArrayLike, median: npt.ArrayLike) -> float:
    """Mean of 2·abs(y - median)/(abs(y) + abs(median)), from 0 to 2; two zeros differ by 0."""
    came, said = _columns("smape", y=y, median=median)
    size = np.abs(came) + np.abs(said)
    return float(np.mean(np.divide(2.0 * np.abs(came - said), size, out=np.zeros_like(size), where=size > 0)))


def utility_of_target(realised_R: npt.ArrayLike, runup_R: npt.ArrayLike, target_R: npt.ArrayLike) -> Float64Array:
    """R that each trade would have brought with a target of its own, from what it brought without one.

    The target is earned where the run-up reached it before the stop or the time; else the trade ended as it did. A target of 0 or less is
    no trade and brings 0.

    realised_R, runup_R : of trades held without a target (`OutcomeConfig.target_R` none), net of costs
    """
    ended, reached, aimed = _columns("utility_of_target", realised_R=realised_R, runup_R=runup_R, target_R=target_R)
    return np.where(aimed <= 0.0, 0.0, np.where(reached >= aimed - TIE, aimed, ended))


def utility_uplift(realised_R: npt.ArrayLike, runup_R: npt.ArrayLike, rr_target: npt.ArrayLike, share: float = 1.0) -> float:
    """Mean R of trades that aim for `rr_target` less that of the same trades aiming for 2 R.

    share : of the trades, those with the highest `rr_target` (utility at k), 1 for all; the first of equal ones
    """
    return float(utility_gains(realised_R, runup_R, rr_target)[best_ranked(rr_target, share)].mean())


def utility_gains(realised_R: npt.ArrayLike, runup_R: npt.ArrayLike, rr_target: npt.ArrayLike) -> Float64Array:
    """The same of each trade: its R with the target `rr_target` less that with a target of 2 R."""
    aimed = utility_of_target(realised_R, runup_R, rr_target)
    return aimed - utility_of_target(realised_R, runup_R, np.full(aimed.shape, FIXED_TARGET_R))


def best_ranked(score: npt.ArrayLike, share: float) -> npt.NDArray[np.int64]:
    """Positions of the `share` of rows with the highest score, ascending, at least one; the first of equal ones."""
    if not 0.0 < share <= 1.0:
        raise InputError("best_ranked.share", f"{share}", expected="above 0 and up to 1")
    scores = np.asarray(score, dtype=np.float64)
    return np.sort(np.argsort(-scores, kind="stable")[: max(1, round(share * scores.size))])


def entry_style(offset_kATR: npt.ArrayLike) -> npt.NDArray[np.int8]:
    """+1 where an offset asks for a stop order, -1 for a limit order, 0 for an entry at the open."""
    return np.sign(np.asarray(offset_kATR, dtype=np.float64)).astype(np.int8)


def entry_style_share(best_offset: npt.ArrayLike, offset_kATR: npt.ArrayLike) -> float:
    """Share of trades for which the style of order was the one that turned out best."""
    came, said = _columns("entry_style_share", best_offset=best_offset, offset_kATR=offset_kATR)
    return float(np.mean(entry_style(came) == entry_style(said)))


def offset_uplift(offset_R: npt.ArrayLike, offsets: npt.ArrayLike, offset_kATR: npt.ArrayLike) -> float:
    """Mean of `offset_gains`."""
    return float(offset_gains(offset_R, offsets, offset_kATR).mean())


def offset_gains(offset_R: npt.ArrayLike, offsets: npt.ArrayLike, offset_kATR: npt.ArrayLike) -> Float64Array:
    """R of entering each trade at the tried offset nearest to what was said, less that of entering at the open.

    offset_R : (n, n_offsets), what each offset brought, 0 where its order was not filled; offsets : (n_offsets,), 0 among them
    """
    table, grid, said = (np.asarray(values, dtype=np.float64) for values in (offset_R, offsets, offset_kATR))
    if table.shape != (said.size, grid.size) or not (grid == 0.0).any():
        found = f"offset_R of shape {table.shape} for {said.size} trades and offsets {grid.tolist()}"
        raise ShapeError("offset_uplift", found, expected="(n_trades, n_offsets), 0 among the offsets")
    taken = table[np.arange(said.size), np.abs(said[:, None] - grid).argmin(axis=1)]
    return taken - table[:, int(np.argmax(grid == 0.0))]


def precision_at_k(p: npt.ArrayLike, y: npt.ArrayLike, group: npt.ArrayLike, k: int) -> float:
    """Share of good entries among the `k` most probable of each group (a symbol's day), over all groups; the first of equal ones."""
    said, came = _columns("precision_at_k", p=p, y=y)
    groups = np.asarray(group)
    if groups.shape != said.shape or k < 1:
        raise ShapeError("precision_at_k", f"groups of shape {groups.shape} and k {k}", expected=f"{said.shape} and at least 1")
    order = np.lexsort((np.arange(said.size), -said, groups))
    _, starts = np.unique(groups[order], return_index=True)
    rank = np.arange(said.size) - np.repeat(starts, np.diff(np.append(starts, said.size)))
    return float(came[order][rank < k].mean())


def expected_R_above(p: npt.ArrayLike, realised_R: npt.ArrayLike, threshold: float) -> float:
    """Mean R of the trades whose probability is at or above `threshold`; NaN where there is none."""
    said, brought = _columns("expected_R_above", p=p, realised_R=realised_R)
    taken = brought[said >= threshold]
    return float(taken.mean()) if taken.size else float("nan")


def _columns(place: str, **given: npt.ArrayLike) -> list[Float64Array]:
    """Each as finite float64 of one shape (n,), n at least 1."""
    arrays = [np.asarray(values, dtype=np.float64) for values in given.values()]
    for name, array in zip(given, arrays, strict=True):
        if array.ndim != 1 or array.shape != arrays[0].shape or not array.size:
            raise ShapeError(
                f"{place}.{name}", f"an array of shape {array.shape}", expected=f"({arrays[0].size},), one value for each trade"
            )
        if not np.isfinite(array).all():
            at = int(np.argmin(np.isfinite(array)))
            raise InputError(f"{place}.{name}[{at}]", f"{array[at]}", expected="a finite number")
    return arrays
