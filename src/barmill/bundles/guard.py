"""What no forecast may be: the last step before it is given out."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import ForecastError

Float64Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

TOTAL_TOLERANCE = 1e-9
_QUANTILE = re.compile(r"(?:(?P<of>.+)_)?q[0-9.]+")


class _Rule(NamedTuple):
    """What holds of a row: `holds` is asked with the row's values of `columns`, floats, or with those of many rows, arrays.

    It is written with operators that numbers and arrays share, so that one row and many are asked the same.
    """

    columns: tuple[str, ...]
    holds: Callable[..., Any]
    expected: str


def guard(columns: Mapping[str, Float64Array], rows: Rows, *, place: str, whole: bool = False) -> None:
    """Let nothing out but finite values, probabilities in [0, 1], quantiles in order, and a band whose ends do not cross.

    columns : float64 (n,) by name. Names that begin with "p_" are probabilities; q05, or sl_kATR_q70, are quantiles, the lowest first
    rows : int64 (n,), what an error calls the rows
    whole : the probabilities are of all classes, so that they sum to 1; otherwise to 1 at most

    Raises ForecastError naming the first row, the output and its value.
    """
    one = len(rows) == 1
    values: dict[str, Any] = {name: column.item() for name, column in columns.items()} if one else dict(columns)
    rules = _rules(tuple(columns), whole)
    seen = len(columns) if one and all(map(math.isfinite, values.values())) else 0  # of the rules, those of finite numbers come first
    for rule in rules[seen:]:
        holds = rule.holds(*[values[name] for name in rule.columns])
        if not (holds if one else holds.all()):
            raise _refusal(rule, columns, rows, place, np.atleast_1d(holds))


class RowGuard:
    """Whether `guard` lets one row out, whose columns lie side by side in one array."""

    def __init__(self, names: tuple[str, ...], *, whole: bool = False) -> None:
        self._rules = tuple((rule.holds, tuple(map(names.index, rule.columns))) for rule in _rules(names, whole))

    def lets_out(self, row: Float64Array) -> bool:
        """row : float64 (n_columns,)"""
        values = row.tolist()
        return all(holds(*[values[place] for place in places]) for holds, places in self._rules)


@lru_cache(maxsize=64)  # of the names, which a bundle has once and for all
def _rules(names: tuple[str, ...], whole: bool) -> tuple[_Rule, ...]:
    rules = [_Rule((name,), _finite, "a finite number") for name in names]
    probabilities = tuple(name for name in names if name.startswith("p_"))
    rules += [_Rule((name,), _probability, "a probability in [0, 1]") for name in probabilities]
    if len(probabilities) > 1:
        rules.append(_Rule(probabilities, _sums_to_one, "1") if whole else _Rule(probabilities, _sums_to_one_at_most, "at most 1"))
    quantiles = [(name, found["of"]) for name in names if (found := _QUANTILE.fullmatch(name))]
    rules += [_Rule((low, high), _in_order, f"at most {high}") for (low, of), (high, other) in pairwise(quantiles) if of == other]
    if "lower" in names and "upper" in names:
        rules.append(_Rule(("lower", "upper"), _in_order, "at most upper"))
    return tuple(rules)


def _finite(value: Any) -> Any:
    return abs(value) < math.inf


def _probability(p: Any) -> Any:
    return (p >= 0) & (p <= 1)


def _sums_to_one(*p: Any) -> Any:
    return abs(_total(p) - 1) <= TOTAL_TOLERANCE


def _sums_to_one_at_most(*p: Any) -> Any:
    return _total(p) <= 1 + TOTAL_TOLERANCE


def _in_order(low: Any, high: Any) -> Any:
    return low <= high


def _total(p: Sequence[Any]) -> Any:
    total = p[0]
    for other in p[1:]:
        total = total + other
    return total


def _refusal(rule: _Rule, columns: Mapping[str, Float64Array], rows: Rows, place: str, holds: npt.NDArray[np.bool_]) -> ForecastError:
    first = int(np.argmin(holds))
    summed = rule.holds in (_sums_to_one, _sums_to_one_at_most)
    name = " + ".join(rule.columns) if summed else rule.columns[0]
    value = float(_total([columns[one][first] for one in rule.columns]) if summed else columns[name][first])
    found = f"row {int(rows[first])}, {name} is {value!r} ({int(np.count_nonzero(~holds))} of {len(rows)} rows)"
    mend = "Report the bundle and the bars: a forecast must never look like this."
    reason = "not_finite" if rule.holds is _finite else "out_of_bounds"
    return ForecastError(place, found, expected=rule.expected, mend=mend, reason=reason)


__all__ = ["TOTAL_TOLERANCE", "RowGuard", "guard"]
