"""What every ensemble has in common: what its members say, and how it says something of its own.

Axes: n rows, k classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from barmill.models.contract import RawForecast

Float64Array = npt.NDArray[np.float64]

QUANTILE_OUTPUTS = ("q05", "q50", "q95")


@dataclass(frozen=True, slots=True)
class Member:
    """A model in an ensemble: its name in the run, and what the recipe asks it to say, some of p_up, E_r, q05, q50, q95."""

    label: str
    outputs: tuple[str, ...]


class Said(NamedTuple):
    """What one member says of n rows, as its own bundle would: probabilities calibrated, returns in units of the volatility known
    at the decision (z).

    p : float64 of shape (n,), p_up of two classes, or (n, 3): down, neither, up
    expected : float64 of shape (n,), expected z, or None where the member does not learn E_r
    quantiles : float64 of shape (n, 3), the 5, 50 and 95 % quantiles of z, not falling in a row
    """

    p: Float64Array
    expected: Float64Array | None
    quantiles: Float64Array


class SaidOfRow(Protocol):
    """What one member says of one row, as `Said` holds it, in plain numbers: the same object for every row, each of which overwrites it.

    p : p_up alone of two classes, or down, neither, up; of its length before the first row too
    edges : the 5, 50 and 95 % quantiles of z
    """

    @property
    def p(self) -> Sequence[float]: ...

    @property
    def expected(self) -> float | None: ...

    @property
    def edges(self) -> tuple[float, float, float]: ...


class CombinerRow(Protocol):
    """A combiner with memory for one row. Not to be shared between threads."""

    @property
    def allocates(self) -> str:
        """What makes arrays anew in each forecast, in words; empty where nothing does."""
        ...

    def raw(self) -> RawForecast | None:
        """What `Combiner.combine` says of what the members say now, bit for bit; the next call may overwrite it.

        None where `combine` would raise an error, or says a number that is not finite: it is left to it to say why.
        """
        ...


class Combiner(Protocol):
    """A fitted ensemble; immutable, safe to share between threads. A row's result depends on that row alone."""

    def combine(self, said: Sequence[Said], regimes: Float64Array | None = None) -> RawForecast:
        """The ensemble's own forecast, before calibration.

        said : of each member, in the order of the members that it was fitted with
        regimes : float64 of shape (n, n_regimes), columns of the plan at the same rows, in the order that it was fitted with; None for
            an ensemble that asks for none

        Returns
        -------
        logits of the classes; `expected` and `quantiles` in z where the ensemble says them itself
        """
        ...

    def weights(self, regimes: Float64Array | None, n_rows: int) -> Float64Array | None:
        """float64 of shape (n_rows, n_members), rows that sum to 1; None where what it does is no weighting."""
        ...

    def one_row(self, said: Sequence[SaidOfRow], regimes: Sequence[float]) -> CombinerRow:
        """Itself, with memory for one row.

        said : of each member, as in `combine`, read anew at each forecast; regimes : likewise, the row's columns, none for an ensemble
            that asks for none
        """
        ...

    def files(self) -> Mapping[str, bytes]:
        """Named bytes in safe formats, from which `read_combiner` makes the same ensemble again."""
        ...


class FitRows(NamedTuple):
    """The rows behind one fit of an ensemble, in time order: what the members said out of fold, and what came.

    said : of each member, n rows
    y : int64 of shape (n,), class index; z : float64 of shape (n,), net log return in units of the volatility known at the decision
    regimes : float64 of shape (n, n_regimes), or None
    weight : float64 of shape (n,), by uniqueness of the labels
    """

    said: Sequence[Said]
    y: npt.NDArray[np.int64]
    z: Float64Array
    regimes: Float64Array | None
    weight: Float64Array


__all__ = ["QUANTILE_OUTPUTS", "Combiner", "CombinerRow", "FitRows", "Float64Array", "Member", "Said", "SaidOfRow"]
