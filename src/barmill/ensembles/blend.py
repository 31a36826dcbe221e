"""The weighted mean of what members say, each output over the members that declare it, under weights of every row.

Axes: n rows, m members.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

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
        p = _mean([one.p for one in said], weights, range(len(said)))
        expected = quantiles = None
        if self._with_returns:
            expected = _mean([self._returns(i, said[i]) for i in self._with_returns], weights, self._with_returns)
        if self._with_quantiles:
            quantiles = _mean([said[i].quantiles for i in self._with_quantiles], weights, self._with_quantiles)
        return RawForecast(logits_of(p), expected, quantiles)

    def _returns(self, i: int, said: Said) -> Float64Array:
        if said.expected is None:
            raise ShapeError(f"member '{self.members[i].label}'", "does not say E_r", expected="every output that it declares")
        return said.expected


def _mean(values: Sequence[Float64Array], weights: Float64Array, speaking: Sequence[int]) -> Float64Array:
    """Mean of what those who speak say, (n,) or (n, c), by their weights made to sum to 1 again; none is 0, so that can be done.

    One member after the other, whatever the number of rows. Rounding keeps the order of products, sums and quotients by the same weights:
    quantiles that do not cross do not cross in the mean.
    """
    if len(values) == 1:
        return values[0]
    if len(weights) == 1:
        return _mean_of_one_row(values, weights, speaking)
    shares = weights.T if values[0].ndim == 1 else weights.T[:, :, None]
    total, whole = shares[speaking[0]] * values[0], shares[speaking[0]]
    for i, value in zip(speaking[1:], values[1:], strict=True):
        total += shares[i] * value
        whole = whole + shares[i]
    return total if len(values) == len(shares) else total / whole


def _mean_of_one_row(values: Sequence[Float64Array], weights: Float64Array, speaking: Sequence[int]) -> Float64Array:
    """The same products and sums in the same order as plain floats, which give the same bits and are quicker for one row."""
    shares: list[float] = weights[0].tolist()
    rows = [value.ravel().tolist() for value in values]
    total, whole = [shares[speaking[0]] * number for number in rows[0]], shares[speaking[0]]
    for i, row in zip(speaking[1:], rows[1:], strict=True):
        total = [so_far + shares[i] * number for so_far, number in zip(total, row, strict=True)]
        whole += shares[i]
    if len(values) < len(shares):
        total = [number / whole for number in total]
    return np.array(total).reshape(values[0].shape)


__all__ = ["Blend"]
