"""How differently an ensemble's members err, and what each of them brings: whether the ensemble earns its cost.

Figures of rows that neither a member nor the ensemble learned from. Members that err together add cost and nothing else; two that
are right as often and err apart are worth combining.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from barmill.ensembles.contract import Float64Array, Member, Said
from barmill.errors import ShapeError

PairedInterval: TypeAlias = Callable[[Float64Array], tuple[float, float]]


class Pair(NamedTuple):
    """Two members on the same rows.

    error_correlation : of came less p_up; 1 for members that err alike, NaN where one of them errs by the same everywhere
    q_statistic : of being right; 1 where they are right on the same rows, 0 for independence, below 0 where they make up for each
        other; NaN where a margin of the table is empty
    disagreement : share of rows on which one is right and the other is not
    """

    first: str
    second: str
    error_correlation: float
    q_statistic: float
    disagreement: float


def pairwise_diversity(members: Sequence[Member], said: Sequence[Said], y: npt.ArrayLike) -> list[Pair]:
    """Each pair of members on held-out rows, in the order of the members.

    Parameters
    ----------
    said : of each member, n rows that it did not learn from
    y : integers of shape (n,), the class that came; a member is right where that class is its likeliest (of two: where p_up is above
        one half and up came, or at most one half and it did not)

    Errors of probabilities are those of up against the rest. Raises: ShapeError for arrays that do not fit, or no rows.
    Source: Kuncheva & Whitaker (2003), Measures of diversity in classifier ensembles, Machine Learning 51, sections 3.1 (Q, after
    Yule 1900) and 3.3 (disagreement, after Skalak 1996).
    """
    came = np.asarray(y, dtype=np.int64)
    if came.ndim != 1 or came.size == 0 or len(said) != len(members) or any(len(member.p) != came.size for member in said):
        found = f"{len(said)} forecasts of {[len(member.p) for member in said]} rows"
        raise ShapeError("diversity", found, expected=f"one of {came.size} rows, at least 1, for each of {len(members)} members")
    errors = [_error(member.p, came) for member in said]
    right = [_right(member.p, came) for member in said]
    return [
        Pair(members[a].label, members[b].label, _correlation(errors[a], errors[b]), *_agreement(right[a], right[b]))
        for a, b in itertools.combinations(range(len(members)), 2)
    ]


def _error(p: Float64Array, y: npt.NDArray[np.int64]) -> Float64Array:
    return (y == 1) - p if p.ndim == 1 else (y == p.shape[1] - 1) - p[:, -1]


def _right(p: Float64Array, y: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return (p > 0.5) == (y == 1) if p.ndim == 1 else p.argmax(axis=1) == y


def _correlation(a: Float64Array, b: Float64Array) -> float:
    if a.max() == a.min() or b.max() == b.min():
        return math.nan
    a, b = (centred / np.abs(centred).max() for centred in (a - a.mean(), b - b.mean()))  # squares of tiny errors would vanish
    return float(np.clip((a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum()), -1.0, 1.0))


def _agreement(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Yule's Q and the disagreement."""
    both, neither = int((a & b).sum()), int((~a & ~b).sum())
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    together, apart = both * neither, only_a * only_b
    q = (together - apart) / (together + apart) if together + apart else math.nan
    return q, (only_a + only_b) / a.size


class LeaveOneOut(NamedTuple):
    """What an ensemble loses on the same held-out rows with all of its members, and without each of them.

    with_all : float64 of shape (n,), loss of each row
    without : by member, likewise; of ensembles fitted without it
    """

    with_all: Float64Array
    without: Mapping[str, Float64Array]

    def gains(self) -> dict[str, Float64Array]:
        """By member, what each row loses more without it: above 0 where the member helps."""
        return {label: losses - self.with_all for label, losses in self.without.items()}


def leave_one_out(members: Sequence[Member], losses_of: Callable[[Sequence[Member]], npt.ArrayLike]) -> LeaveOneOut:
    """Fit and score the ensemble with all members, then without each of them in turn.

    losses_of : given the members to take, in their order, fits on the rows behind every fit and gives the loss of each held-out row, the
        same rows each time

    Raises: ShapeError for fewer than two members, or series that differ in length or are not finite.
    """
    if len(members) < 2:
        raise ShapeError(
            "leave_one_out", f"{len(members)} members", expected="at least two, since an ensemble without its only one is none"
        )
    with_all = _series(losses_of(members), "with all members")
    without = {
        left_out.label: _series(
            losses_of([member for member in members if member is not left_out]), f"without '{left_out.label}'", with_all.size
        )
        for left_out in members
    }
    return LeaveOneOut(with_all, without)


def _series(losses: npt.ArrayLike, which: str, n_rows: int | None = None) -> Float64Array:
    series = np.asarray(losses, dtype=np.float64)
    if series.ndim != 1 or series.size == 0 or series.size != (n_rows or series.size) or not np.isfinite(series).all():
        raise ShapeError(f"losses {which}", f"of shape {series.shape}", expected=f"({n_rows or 'n'},) finite numbers")
    return series


def diversity_report(pairs: Sequence[Pair], losses: LeaveOneOut | None = None, interval: PairedInterval | None = None) -> dict[str, Any]:
    """The figures as plain JSON, with what they say; null where a figure is not defined.

    Parameters
    ----------
    pairs : of `pairwise_diversity`
    losses : of `leave_one_out`
    interval : given a series of paired differences in time order gives the ends of an interval of its mean, by a block bootstrap that
        respects labels that overlap; without it nothing is said of chance
    """
    report: dict[str, Any] = {
        "pairs": [{name: _sayable(value) for name, value in pair._asdict().items()} for pair in pairs],
        "mean": {name: _mean([getattr(pair, name) for pair in pairs]) for name in Pair._fields[2:]},
    }
    if losses is not None:
        report["loss"] = float(losses.with_all.mean())
        report["gains"] = [_gain(label, gain, interval) for label, gain in losses.gains().items()]
    return report


def _gain(member: str, series: Float64Array, interval: PairedInterval | None) -> dict[str, Any]:
    gain: dict[str, Any] = {"member": member, "gain": float(series.mean())}
    if interval is None:
        return gain
    low, high = interval(series)
    if low > 0:
        says = f"the ensemble is better for '{member}'"
    elif high < 0:
        says = f"the ensemble is worse for '{member}'"
    else:
        says = f"'{member}' changes nothing that chance would not"
    return {**gain, "low": _sayable(low), "high": _sayable(high), "says": says}


def _mean(values: Sequence[float]) -> float | None:
    defined = [value for value in values if math.isfinite(value)]
    return math.fsum(defined) / len(defined) if defined else None


def _sayable(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


__all__ = ["LeaveOneOut", "Pair", "PairedInterval", "diversity_report", "leave_one_out", "pairwise_diversity"]
