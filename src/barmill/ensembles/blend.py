"""The weighted mean of what members say, each output over the members that declare it, under weights of every row.

Axes: n rows, m members.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add, mul

import numpy as np

from barmill.ensembles.contract import QUANTILE_OUTPUTS, Float64Array, Member, Said, SaidOfRow
from barmill.ensembles.written_row import WrittenRow
from barmill.errors import ShapeError
from barmill.models.contract import RawForecast
from barmill.uncertainty.links import logits_at, logits_of


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

    def one_row(self, said: Sequence[SaidOfRow]) -> "BlendRow":
        """Itself, with memory for one row."""
        return BlendRow(said, self._with_returns, self._with_quantiles)

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
    found = [mean_at(column, shares, some=some) for column in columns]
    return np.array(found if values[0].ndim == 1 else [found])


def mean_at(column: Sequence[float], shares: Sequence[float], *, some: bool = False) -> float:
    """`weighted_mean` of one number of each who speaks, by their shares, which where only some speak are made to sum to 1 again."""
    if len(column) == 1:
        return column[0]
    total = reduce(add, map(mul, shares, column))
    return total / reduce(add, shares) if some else total


class BlendRow:
    """A blend with memory for one row.

    with_returns, with_quantiles : the places of those who declare them
    """

    def __init__(self, said: Sequence[SaidOfRow], with_returns: Sequence[int], with_quantiles: Sequence[int]) -> None:
        self._said, self._returns, self._quantiles = said, with_returns, with_quantiles
        self._classes = range(len(said[0].p))
        self._written = WrittenRow(len(self._classes), expected=bool(with_returns), quantiles=bool(with_quantiles))

    def raw(self, shares: Sequence[float]) -> RawForecast | None:
        """As `Blend.of`; None where that raises an error."""
        said = self._said
        p = [mean_at([one.p[k] for one in said], shares) for k in self._classes]
        expected = quantiles = None
        if self._returns:
            declared = [said[i].expected for i in self._returns]
            known = [one for one in declared if one is not None]
            if len(known) < len(declared):
                return None
            expected = mean_at(known, [shares[i] for i in self._returns], some=len(known) < len(said))
        if self._quantiles:
            speaking, some = [shares[i] for i in self._quantiles], len(self._quantiles) < len(said)
            quantiles = [mean_at([said[i].edges[level] for i in self._quantiles], speaking, some=some) for level in range(3)]
        return self._written.of(logits_at(p), expected, quantiles)


__all__ = ["Blend", "BlendRow", "mean_at", "weighted_mean"]
