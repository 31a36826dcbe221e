"""What the weights of a gate are fitted to: the loss, row by row, of what the members say together under weights of that row.

Probabilities are blended, not log-odds: P(up) = sum over regimes of P(regime) P(up | regime) is then the law of total probability, the
loss is convex in the weights, and one member that is sure of a falsehood cannot outvote the others by being ever more sure.

Axes: n rows, m members.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from barmill.ensembles.compatibility import shared_outputs
from barmill.ensembles.contract import QUANTILE_OUTPUTS, FitRows, Float64Array, Member, Said
from barmill.ensembles.vote_weights import SMOOTH
from barmill.models.contract import LEVELS
from barmill.uncertainty.links import SMALLEST


@dataclass(frozen=True, slots=True, eq=False)
class LogLoss:
    """Log loss of the blended probabilities.

    labels : of the members, in the order of the weights
    of_what_came : float64 of shape (n, m), the probability that each member gave to the class that came, above 0
    counts : float64 of shape (n,), for how many independent rows each one counts
    """

    labels: tuple[str, ...]
    of_what_came: Float64Array
    counts: Float64Array
    name: str = "log loss"

    def of(self, weights: Float64Array) -> tuple[Float64Array, Float64Array]:
        """From weights (n, m) to the loss of each row (n,), convex in them, and its slopes (n, m)."""
        blend = np.einsum("nm,nm->n", weights, self.of_what_came)
        return -np.log(blend), -self.of_what_came / blend[:, None]

    def at(self, rows: npt.NDArray[np.int64] | slice) -> "LogLoss":
        """The same of some of the rows."""
        return LogLoss(self.labels, self.of_what_came[rows], self.counts[rows])


@dataclass(frozen=True, slots=True, eq=False)
class PinballLoss:
    """Mean pinball loss of the quantiles averaged by level, over `unit`, its corner rounded as for fitted votes.

    Over the loss of equal weights it is, but for a constant, the negative log likelihood of an asymmetric Laplace distribution, so a row
    counts for as much against a prior as a row of log loss does.

    labels, counts : as of `LogLoss`
    quantiles : float64 of shape (n, 3, m)
    z : float64 of shape (n,)
    unit : float, pinball loss of equal weights on all rows of the fit

    Source: Koenker & Bassett (1978), Econometrica 46; Yu & Moyeed (2001), Statistics & Probability Letters 54.
    """

    labels: tuple[str, ...]
    quantiles: Float64Array
    z: Float64Array
    counts: Float64Array
    unit: float = 1.0
    name: str = "pinball loss"

    def of(self, weights: Float64Array) -> tuple[Float64Array, Float64Array]:
        """As `LogLoss.of`."""
        levels, share = np.array(LEVELS), 1.0 / (len(LEVELS) * self.unit)
        u = self.z[:, None] - np.einsum("nlm,nm->nl", self.quantiles, weights)
        corner = np.maximum(SMOOTH - np.abs(u), 0.0) ** 2 / (4 * SMOOTH)
        falling = levels - 0.5 + 0.5 * np.clip(u / SMOOTH, -1.0, 1.0)
        losses = (np.maximum(levels * u, (levels - 1) * u) + corner).sum(axis=1)
        return share * losses, -share * np.einsum("nl,nlm->nm", falling, self.quantiles)

    def at(self, rows: npt.NDArray[np.int64] | slice) -> "PinballLoss":
        """The same of some of the rows."""
        return PinballLoss(self.labels, self.quantiles[rows], self.z[rows], self.counts[rows], self.unit)


GateLoss: TypeAlias = LogLoss | PinballLoss


def gate_loss(members: Sequence[Member], rows: FitRows) -> GateLoss:
    """Pinball loss where the members share the quantiles and not p_up; log loss of p, which every member says, otherwise."""
    shared = shared_outputs(members)
    labels, counts = tuple(member.label for member in members), counted_rows(rows.weight)
    if "p_up" in shared or not set(QUANTILE_OUTPUTS) <= set(shared):
        of_what_came = np.column_stack([_of_what_came(said, rows.y) for said in rows.said])
        return LogLoss(labels, np.maximum(of_what_came, SMALLEST), counts)
    plain = PinballLoss(labels, np.stack([said.quantiles for said in rows.said], axis=2), rows.z, counts)
    return replace(plain, unit=max(mean_loss(plain, equal_weights(plain)), SMOOTH))


def counted_rows(weight: Float64Array) -> Float64Array:
    """Weights scaled so that they sum to the rows they are worth: their own sum or, if less, the effective number of Kish.

    Weights by uniqueness sum to the number of labels that do not overlap; weights of mean 1 say only how unequal the rows are.
    Source: Kish (1965), Survey Sampling, section 11.7.
    """
    total = float(weight.sum())
    return weight * (min(total, total * total / float((weight * weight).sum())) / total)


def equal_weights(loss: GateLoss) -> Float64Array:
    """float64 of shape (m,)."""
    return np.full(len(loss.labels), 1.0 / len(loss.labels))


def mean_loss(loss: GateLoss, weights: Float64Array) -> float:
    """The weighted mean over the rows, of weights (n, m) or (m,)."""
    of_rows = np.broadcast_to(weights, (loss.counts.size, len(loss.labels)))
    return float((loss.counts * loss.of(of_rows)[0]).sum() / loss.counts.sum())


def compared(loss: GateLoss, weights: Float64Array) -> dict[str, Any]:
    """Mean loss of the blend by `weights`, (n, m) or (m,), beside that of equal weights and of each member alone; plain JSON.

    Null where the rows count for nothing.
    """
    if loss.counts.sum() <= 0:
        return {"blend": None, "equal": None, "members": None}
    alone = [mean_loss(loss, one) for one in np.eye(len(loss.labels))]
    return {"blend": mean_loss(loss, weights), "equal": mean_loss(loss, equal_weights(loss)), "members": by_label(loss, alone)}


def by_label(loss: GateLoss, values: Sequence[float] | Float64Array) -> dict[str, float]:
    """One number for each member, by its label."""
    return dict(zip(loss.labels, map(float, values), strict=True))


def _of_what_came(said: Said, y: npt.NDArray[np.int64]) -> Float64Array:
    return np.where(y == 1, said.p, 1.0 - said.p) if said.p.ndim == 1 else said.p[np.arange(y.size), y]


__all__ = ["GateLoss", "LogLoss", "PinballLoss", "by_label", "compared", "counted_rows", "equal_weights", "gate_loss", "mean_loss"]
