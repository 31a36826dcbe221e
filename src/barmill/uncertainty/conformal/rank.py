"""Which of the sorted scores a band reaches to: k = ceil((n + 1)(1 - alpha)), where rounding cannot move it."""

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError, SplitError

Float64Array = npt.NDArray[np.float64]

_HALF_ULP = Fraction(1, 2**53)  # how far 1 - 0.9 may be from 0.1: the rounding of one operation at 1
_DENOMINATOR = 1_000_000  # a level that a person writes has a smaller one: 0.1, 0.025, 1/3


def conformal_rank(n_rows: int, alpha: float) -> int:
    """k = ceil((n_rows + 1)(1 - alpha)) in exact arithmetic; n_rows + 1 where the rows are too few for alpha.

    A float that rounding alone keeps from a plain fraction stands for that fraction: 0.1 is 1/10, and so is 1 - 0.9. With 9 rows both
    give 9, where floating point gives 10 for the second.

    n_rows : int, at least 0; alpha : in (0, 1)

    Source: definitions.md, section 12; Lei et al. (2018), JASA 113, section 2.
    """
    checked_alpha(alpha)
    place = (n_rows + 1) * (1.0 - alpha)
    if abs(place - round(place)) > 1e-14 * (n_rows + 1):  # far from a whole number, where no rounding matters; fractions are slow
        return math.ceil(place)
    return math.ceil((n_rows + 1) * (1 - _fraction(alpha)))


def rows_needed(alpha: float) -> int:
    """The fewest calibration rows with which a band of level 1 - alpha is finite: 9 for alpha = 0.1."""
    checked_alpha(alpha)
    return math.ceil(1 / _fraction(alpha)) - 1


def kth_smallest(scores: Float64Array, k: int) -> float:
    """The k-th smallest of `scores` (n,), counted from 1; +inf where there are fewer."""
    return float(np.partition(scores, k - 1)[k - 1]) if k <= scores.size else math.inf


def finite_threshold(scores: Float64Array, alpha: float, place: str = "conformal slice") -> float:
    """The k-th smallest score, for a band that is to be served: SplitError, with the number of rows needed, instead of infinity."""
    enough_rows(scores.size, alpha, place)
    return kth_smallest(scores, conformal_rank(scores.size, alpha))


def enough_rows(n_rows: int, alpha: float, place: str = "conformal slice") -> None:
    """Refuse rows with which the band would have no end."""
    if n_rows < (needed := rows_needed(alpha)):
        found = f"has {n_rows} rows, too few for a band with alpha = {alpha:g}"
        raise SplitError(place, found, expected=f"at least {needed}", mend="Use more bars, a larger share for it, or a lower coverage.")


def checked_alpha(alpha: float) -> None:
    """Refuse a share outside (0, 1)."""
    if not 0 < alpha < 1:
        raise ShapeError("alpha", f"is {alpha}", expected="a number between 0 and 1")


def _fraction(alpha: float) -> Fraction:
    exact = Fraction(alpha)
    plain = exact.limit_denominator(_DENOMINATOR)
    return plain if 0 < plain < 1 and abs(plain - exact) <= _HALF_ULP else exact


__all__ = ["checked_alpha", "conformal_rank", "enough_rows", "finite_threshold", "kth_smallest", "rows_needed"]
