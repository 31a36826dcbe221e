"""The weighted mean of what members say, each output over the members that declare it, under weights of every row.

Axes: n rows, m members.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add, mul

import numpy as np

from barmill.ensembles.contract import QUANTILE_OUTPUTS, Float64Array, Member, Said
from barmill.errors import ShapeError
from barmill.models.contract import RawForecast
from barmill.uncertainty.links import logits_of


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """Probabilities of all members; E_r of those that declare it; the quantiles, by level, of those that declare all three."""

    members: tuple[Member, ...]
    _with_returns: list[int] = field(init=False)
    _with_quantiles: list[int] = field(init=False)

    def __post_init__(self) -> None:
        declared = [set(member.outputs) for member in self.members]
        object.__setattr__(self, "_with_returns", [i for i, outputs in enumerate(declared) if "E_r" in outputs])
        object.__setattr__(self, "_with_quantiles", [i for i, outputs in enumerate(declared) if outputs.issuperset(QUANTILE_OUTPUTS)])

    def of(self, said: Sequence[Said], weights: Float64Array) -> RawForecast:
        """The blend as logits of the mean probabilities, expected z and quantiles of z, the last two None where no member declares them.

        weights : float64 of shape (n, m), above 0, rows that sum to 1

        Raises: ShapeError for a declared E_r that is not said.
        """
        p = weighted_mean([p for p, _, _ in said], weights)
        expected = quantiles = None
        if self._with_returns:
            expected = weighted_mean([self._returns(i, said[i]) for i in self._with_returns], weights, self._with_returns)
        if self._with_quantiles:
            quantiles = weighted_mean([said[i].quantiles for i in self._with_quantiles], weights, self._with_quantiles)
        return RawForecast(logits_of(p), expected, quantiles)

    def _returns(self, i: int, said: Said) -> Float64Array:
        if said.expected is None:
            raise ShapeError(f"member '{self.members[i].label}'", "does not say E_r", expected="every output that it declares")
        return said.expected


def weighted_mean(values: Sequence[Float64Array], weights: Float64Array, speaking: Sequence[int] | None = None) -> Float64Array:
    """Mean of what those who speak say, by their weights.

    One member after the other, whatever the number of rows: a product with BLAS would add up one row in another order than a thousand.
    Rounding keeps the order of products, sums and quotients by the same weights: quantiles that do not cross do not cross in the mean.

    Parameters
    ----------
    values : float64 of shape (n,) or (n, c), of each who speaks
    weights : float64 of shape (n, m), rows that sum to 1
    speaking : the places of those who speak among the m, None for all; if only some do, their weights, none of which may then be 0, are
        made to sum to 1 again
    """
    places = range(len(values)) if speaking is None else speaking
    if len(values) == 1:
        return values[0]
    some = len(values) < weights.shape[1]
    if len(weights) == 1:
        row: list[float] = weights[0].tolist()
        return _mean_of_one_row(values, [row[place] for place in places] if some else row, some)
    shares = weights.T if values[0].ndim == 1 else weights.T[:, :, None]
    total, whole = shares[places[0]] * values[0], shares[places[0]]
    for i, value in zip(places[1:], values[1:], strict=True):
        total += shares[i] * value
        whole = whole + shares[i]
    return total / whole if some else total


def _mean_of_one_row(values: Sequence[Float64Array], shares: Sequence[float], some: bool) -> Float64Array:
    """The same products and sums in the same order as plain floats, which give the same bits and are quicker for one row."""
    if values[0].size == 1:
        columns = ([value.item() for value in values],)
    else:
        columns = zip(*[value.ravel().tolist() for value in values], strict=True)
    found = [reduce(add, map(mul, shares, column)) for column in columns]
    if some:
        whole = reduce(add, shares)
        found = [number / whole for number in found]
    return np.array(found if values[0].ndim == 1 else [found])


__all__ = ["Blend", "weighted_mean"]
