"""What no forecast may be: the last step before it is given out."""

import re
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from barmill.errors import ForecastError

Float64Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_TOTAL_TOLERANCE = 1e-9
_QUANTILE = re.compile(r"(?:(?P<of>.+)_)?q[0-9.]+")


def guard(columns: Mapping[str, Float64Array], rows: Rows, *, place: str, whole: bool = False) -> None:
    """Let nothing out but finite values, probabilities in [0, 1], quantiles in order, and a band whose ends do not cross.

    columns : float64 (n,) by name. Names that begin with "p_" are probabilities; q05, or sl_kATR_q70, are quantiles, the lowest first
    rows : int64 (n,), what an error calls the rows
    whole : the probabilities are of all classes, so that they sum to 1; otherwise to 1 at most

    Raises ForecastError naming the first row, the output and its value.
    """
    for name, values in columns.items():
        _refuse(~np.isfinite(values), rows, name, values, place, "a finite number")
    probabilities = [name for name in columns if name.startswith("p_")]
    for name in probabilities:
        _refuse((columns[name] < 0) | (columns[name] > 1), rows, name, columns[name], place, "a probability in [0, 1]")
    if len(probabilities) > 1:
        total = np.sum([columns[name] for name in probabilities], axis=0)
        wrong = (total > 1 + _TOTAL_TOLERANCE) | (whole & (total < 1 - _TOTAL_TOLERANCE))
        _refuse(wrong, rows, " + ".join(probabilities), total, place, "1" if whole else "at most 1")
    quantiles = [(name, found["of"]) for name in columns if (found := _QUANTILE.fullmatch(name))]
    for (low, of), (high, other) in pairwise(quantiles):
        if of == other:
            _refuse(columns[low] > columns[high], rows, low, columns[low], place, f"at most {high}")
    if "lower" in columns and "upper" in columns:
        _refuse(columns["lower"] > columns["upper"], rows, "lower", columns["lower"], place, "at most upper")


def _refuse(wrong: npt.NDArray[np.bool_], rows: Rows, name: str, values: Float64Array, place: str, expected: str) -> None:
    if wrong.any():
        first = int(np.argmax(wrong))
        found = f"row {int(rows[first])}, {name} is {float(values[first])!r} ({int(wrong.sum())} of {len(values)} rows)"
        raise ForecastError(place, found, expected=expected, mend="Report the bundle and the bars: a forecast must never look like this.")


__all__ = ["guard"]
