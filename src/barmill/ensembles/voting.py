"""Voting: a weighted mean of what the members say, or of what they vote for, with one set of weights for all rows and outputs.

What every member declares is combined: probabilities always, since every member has them; E_r and the quantiles where all members
are asked for them. An output that only some declare is left to stacking.

Soft voting averages probabilities. Hard voting gives a member's weight to the class that it holds likeliest; classes that tie share
it. So that a unanimous vote is not certainty, every class is given one vote of average weight more (Laplace's rule of succession):
p = (m share + 1) / (m + k), with m members and k classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast

import numpy as np

from barmill.artefacts import canonical_json
from barmill.ensembles.blend import mean_at, weighted_mean
from barmill.ensembles.compatibility import check_members, check_rows, shared_outputs
from barmill.ensembles.contract import QUANTILE_OUTPUTS, FitRows, Float64Array, Member, Said, SaidOfRow
from barmill.ensembles.mixture import mixture_quantiles
from barmill.ensembles.params import VotingParams
from barmill.ensembles.reading import ENSEMBLE_FILE, read_ensemble_file
from barmill.ensembles.vote_weights import (
    BlendLoss,
    fitted_weights,
    inverse_loss_weights,
    log_loss_of,
    member_losses,
    pinball_loss_of,
    squared_loss_of,
)
from barmill.ensembles.written_row import WrittenRow
from barmill.errors import BundleError, ShapeError
from barmill.models.contract import OUTPUTS, RawForecast
from barmill.uncertainty.links import logits_at, logits_of

FORMAT = 1
_AROUND_ONE = 1e-9


@dataclass(frozen=True, slots=True)
class Voting:
    """Members that vote; a `Combiner`.

    members : their labels, in the order in which `combine` takes what they say
    member_weights : of each, 0 or more, summing to 1
    outputs : what all members declare, and so what the vote says
    voting_type : "soft" or "hard"
    quantiles : "level" averages the quantiles at each level (Vincent averaging), "mixture" takes those of the mixed distributions
    summary : plain JSON of the fit: weights, losses, ties; it is no part of `files`
    """

    members: tuple[str, ...]
    member_weights: tuple[float, ...]
    outputs: tuple[str, ...]
    voting_type: str = "soft"
    quantiles: str = "level"
    summary: Mapping[str, Any] = field(default_factory=dict[str, Any], compare=False)
    _row: Float64Array = field(init=False, repr=False, compare=False)  # the weights of one row, (1, m)

    def __post_init__(self) -> None:
        weights = np.array(self.member_weights, dtype=np.float64)
        if not self.members or len(set(self.members)) != len(self.members) or weights.shape != (len(self.members),):
            raise ShapeError("voting", f"has {weights.size} weights for {list(self.members)}", expected="one for each of its members")
        if not (np.isfinite(weights).all() and (weights >= 0).all() and abs(weights.sum() - 1) <= _AROUND_ONE):
            raise ShapeError("voting.weights", f"are {list(self.member_weights)}", expected="numbers of 0 or more that sum to 1")
        if self.voting_type not in ("soft", "hard") or self.quantiles not in ("level", "mixture") or not set(self.outputs) <= set(OUTPUTS):
            found = f"is {self.voting_type}, {self.quantiles}, of {list(self.outputs)}"
            raise ShapeError("voting", found, expected="soft or hard, level or mixture, of known outputs")
        object.__setattr__(self, "_row", weights[None])

    def combine(self, said: Sequence[Said], regimes: Float64Array | None = None) -> RawForecast:
        """The vote of each row, from that row alone; no regime is looked at. Raises ShapeError where a member is missing."""
        if len(said) != len(self.members):
            raise ShapeError("said", f"holds {len(said)} forecasts", expected=f"one for each of {len(self.members)} members")
        soft, weights = self.voting_type == "soft", self._weights(len(said[0].p))
        p = weighted_mean([member.p if soft else votes_of(member.p) for member in said], weights)
        expected = quantiles = None
        if "E_r" in self.outputs:
            expected = weighted_mean([self._expected(member, place) for place, member in enumerate(said)], weights)
        if _says_quantiles(self.outputs):
            of_members = [member.quantiles for member in said]
            by_level = self.quantiles == "level"
            quantiles = weighted_mean(of_members, weights) if by_level else mixture_quantiles(of_members, self.member_weights)
        return RawForecast(logits_of(p if soft else counted(p, len(said))), expected, quantiles)

    def _expected(self, said: Said, place: int) -> Float64Array:
        if said.expected is None:
            raise ShapeError(f"member '{self.members[place]}'", "says no E_r", expected="what it said when the weights were fitted")
        return said.expected

    def _weights(self, n_rows: int) -> Float64Array:
        return self._row if n_rows == 1 else np.broadcast_to(self._row, (n_rows, len(self.members)))

    def weights(self, regimes: Float64Array | None, n_rows: int) -> Float64Array:
        """The same weights in each of `n_rows` rows, float64 of shape (n_rows, n_members)."""
        return np.tile(self._row, (n_rows, 1))

    def one_row(self, said: Sequence[SaidOfRow], regimes: Sequence[float]) -> "VotingRow":
        """Itself, with memory for one row."""
        return VotingRow(self, said)

    def files(self) -> Mapping[str, bytes]:
        content = {
            "kind": "voting",
            "format": FORMAT,
            "members": list(self.members),
            "weights": list(self.member_weights),
            "outputs": list(self.outputs),
            "voting_type": self.voting_type,
            "quantiles": self.quantiles,
        }
        return {ENSEMBLE_FILE: canonical_json(content)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Read what `files` wrote. Raises BundleError where it is something else."""
        content = read_ensemble_file(files)
        try:
            if content["kind"] != "voting" or content["format"] != FORMAT:
                raise ValueError(f"a {content['kind']} of format {content['format']}")
            labels, outputs = tuple(map(str, content["members"])), tuple(map(str, content["outputs"]))
            weights = tuple(map(float, content["weights"]))
            return cls(labels, weights, outputs, str(content["voting_type"]), str(content["quantiles"]))
        except (KeyError, TypeError, ValueError, ShapeError) as error:
            raise BundleError(ENSEMBLE_FILE, f"holds no voting: {error!r}", mend="Build the bundle again.") from error


def votes_of(p: Float64Array) -> Float64Array:
    """One member's vote, of the shape of p, (n,) or (n, k): 1 for the class that it holds likeliest, shared among those that tie."""
    if p.ndim == 1:
        return np.heaviside(p - 0.5, 0.5)
    if len(p) == 1:
        return np.array([votes_at(p[0].tolist())])
    likeliest = p == p.max(axis=1, keepdims=True)
    return likeliest / np.add.reduce(likeliest, axis=1, keepdims=True)


def votes_at(p: Sequence[float]) -> Sequence[float]:
    """`votes_of` one row: of p_up alone, or of k probabilities."""
    if len(p) == 1:
        return (1.0 if p[0] > 0.5 else 0.5 if p[0] == 0.5 else 0.0,)
    top = max(p)
    return [1.0 / p.count(top) if one == top else 0.0 for one in p]


class VotingRow:
    """A vote with memory for one row; a mixture's quantiles, which are found by sorting, are the arrays' way."""

    def __init__(self, voting: Voting, said: Sequence[SaidOfRow]) -> None:
        self._said, self._weights, self._soft = said, voting.member_weights, voting.voting_type == "soft"
        self._n_scores, self._returns = len(said[0].p), "E_r" in voting.outputs
        self._quantiles = voting.quantiles if _says_quantiles(voting.outputs) else ""
        self._written = WrittenRow(self._n_scores, expected=self._returns, quantiles=bool(self._quantiles))
        self.allocates = "the quantiles of a mixture are found with arrays" if self._quantiles == "mixture" else ""

    def raw(self) -> RawForecast | None:
        said, weights = self._said, self._weights
        by_member = [one.p if self._soft else votes_at(one.p) for one in said]
        p = [mean_at([own[k] for own in by_member], weights) for k in range(self._n_scores)]
        if not self._soft:
            p = [(share * len(said) + 1) / (len(said) + max(len(p), 2)) for share in p]  # as `counted`
        expected = None
        if self._returns:
            known = [one.expected for one in said if one.expected is not None]
            if len(known) < len(said):
                return None
            expected = mean_at(known, weights)
        return self._written.of(logits_at(p), expected, self._edges())

    def _edges(self) -> Sequence[float] | None:
        edges = [one.edges for one in self._said]
        if self._quantiles == "mixture":
            return mixture_quantiles([np.array([own]) for own in edges], self._weights)[0].tolist()
        return [mean_at([own[level] for own in edges], self._weights) for level in range(3)] if self._quantiles else None


def counted(share: Float64Array, n_members: int) -> Float64Array:
    """Probabilities of classes that got these shares of the votes, each as if one member more had voted for it."""
    return (share * n_members + 1) / (n_members + (2 if share.ndim == 1 else share.shape[1]))


def fit_voting(config: VotingParams, members: Sequence[Member], rows: FitRows) -> Voting:
    """Weigh the members: as given, equally, by inverse loss, or by what loses least on these rows.

    The loss is the log loss of the averaged probabilities where p_up is an output that all share, else the pinball loss of the quantiles
    averaged by level, or the squared error of E_r. Weights found so serve all outputs. They serve hard votes too: a count of
    votes is too sure of itself, and its own log loss would reward noise for making it less so. Members are taken in the order of
    their labels, so that theirs in the recipe changes no digit of a weight.

    Parameters
    ----------
    config : how to vote and to weigh
    members : the members, in the order of `rows.said`; one is enough, for what is left after others were dropped
    rows : out-of-fold forecasts and what came; of given and equal weights only the summary depends on them

    Raises: EnsembleError for members that share no output, or weights that do not fit them; TrainingError for forecasts that are not
    finite, or a fit that does not converge; ShapeError for arrays that do not fit.
    """
    from threadpoolctl import threadpool_limits

    given = config.weights if isinstance(config.weights, dict) else None
    check_members(members, "voting", weights=given, at_least=1)
    check_rows(members, rows)
    labels, outputs = [member.label for member in members], shared_outputs(members)
    order = sorted(range(len(members)), key=lambda place: labels[place])
    with threadpool_limits(limits=1):
        loss = _loss(outputs, rows, order)
        alone = dict(zip((labels[place] for place in order), member_losses(loss, len(members)), strict=True))
        weights = given or dict(zip(alone, _weights(config, loss, np.array(list(alone.values()))), strict=True))
        total = sum(weights[label] for label in sorted(weights))
        shares = {label: float(weights[label] / total) for label in labels}
        summary = {
            "weights": shares,
            "weighted_by": "given" if given else config.weights,
            "outputs": list(outputs),
            "loss": {
                "name": loss.name,
                "members": {label: float(alone[label]) for label in labels},
                "equal": loss.value(np.full(len(members), 1 / len(members))),
                "ensemble": loss.value(np.array([shares[labels[place]] for place in order])),
            },
            **({"ties": _ties(rows, labels, shares)} if config.voting_type == "hard" else {}),
        }
    return Voting(tuple(labels), tuple(shares.values()), outputs, config.voting_type, config.quantiles, summary)


def _loss(outputs: Sequence[str], rows: FitRows, order: Sequence[int]) -> BlendLoss:
    said = [rows.said[place] for place in order]
    if "p_up" in outputs:
        return log_loss_of([member.p for member in said], rows.y, rows.weight)
    if _says_quantiles(outputs):
        return pinball_loss_of([member.quantiles for member in said], rows.z, rows.weight)
    return squared_loss_of([cast(Float64Array, member.expected) for member in said], rows.z, rows.weight)


def _weights(config: VotingParams, loss: BlendLoss, alone: Float64Array) -> Float64Array:
    if config.weights == "equal":
        return np.full(alone.size, 1 / alone.size)
    return inverse_loss_weights(alone) if config.weights == "inverse_loss" else fitted_weights(loss, alone.size)


def _says_quantiles(outputs: Sequence[str]) -> bool:
    return any(output in QUANTILE_OUTPUTS for output in outputs)


def _ties(rows: FitRows, labels: Sequence[str], shares: Mapping[str, float]) -> dict[str, Any]:
    """Shares of the rows in which a member, or the vote, holds several classes for the likeliest."""

    def tied(p: Float64Array) -> float:
        by_class = np.column_stack((1 - p, p)) if p.ndim == 1 else p
        top = by_class.max(axis=1, keepdims=True)
        return float(np.mean(np.count_nonzero(by_class >= top - 1e-12, axis=1) > 1))

    votes = [votes_of(member.p) * shares[label] for member, label in zip(rows.said, labels, strict=True)]
    members = {label: tied(member.p) for member, label in zip(rows.said, labels, strict=True)}
    return {"members": members, "vote": tied(np.sum(votes, axis=0))}


__all__ = ["Voting", "counted", "fit_voting", "votes_of"]
