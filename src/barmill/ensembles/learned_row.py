"""A meta-learner with memory for one row: what the members say becomes meta-features, these a score, the quantiles a weighted mean."""

from collections.abc import Sequence
from typing import TypeAlias

from barmill.ensembles.blend import mean_at
from barmill.ensembles.contract import CombinerRow, SaidOfRow
from barmill.ensembles.linear_meta import LinearMeta
from barmill.ensembles.meta_features import MetaFeatures
from barmill.ensembles.tree_meta import TreeMeta
from barmill.ensembles.written_row import WrittenRow
from barmill.models.contract import RawForecast
from barmill.uncertainty.links import sigmoid_at, softmax_at

Learner: TypeAlias = LinearMeta | TreeMeta


class LearnedRow:
    """What a stack or a fusion head says of one row.

    said : of each member; regimes : the row's columns
    speaking, shares : the places of the members whose quantiles are heard, and their weights
    extra : the ensemble that speaks as one more member, or None
    """

    def __init__(
        self,
        features: MetaFeatures,
        learner: Learner,
        said: Sequence[SaidOfRow],
        regimes: Sequence[float],
        speaking: Sequence[int] = (),
        shares: Sequence[float] = (),
        extra: "ExtraRow | None" = None,
    ) -> None:
        self._features, self._learned, self._regimes = features, learner.one_row(), regimes
        self._extra, self._speakers = extra, said if extra is None else [*said, extra]
        self._heard, self._shares = [said[place] for place in speaking], shares
        returns = learner.with_returns if isinstance(learner, LinearMeta) else learner.returns is not None
        self._written = WrittenRow(1 if features.n_classes == 2 else 3, expected=returns, quantiles=bool(speaking))
        self.allocates = "" if extra is None else extra.allocates

    def raw(self) -> RawForecast | None:
        if self._extra is not None and not self._extra.listen():
            return None
        x = self._features.of_row(self._speakers, self._regimes)
        if x is None:
            return None
        logits, expected = self._learned(x)
        quantiles = [mean_at([one.edges[level] for one in self._heard], self._shares) for level in range(3)] if self._heard else None
        return self._written.of(logits, expected, quantiles)


class ExtraRow:
    """An ensemble that speaks in a stack as one more member; its quantiles are not heard.

    p, expected, edges : as of `SaidOfRow`

    columns : those of the stack's regimes that it reads
    """

    edges = (0.0, 0.0, 0.0)

    def __init__(self, row: CombinerRow, own: list[float], columns: Sequence[int], regimes: Sequence[float], n_scores: int) -> None:
        self._row, self._own, self._columns, self._regimes = row, own, columns, regimes
        self.allocates = row.allocates
        self.p: Sequence[float] = (0.0,) * n_scores
        self.expected: float | None = None

    def listen(self) -> bool:
        """Let it speak of the row; False where it has nothing to say."""
        for place, column in enumerate(self._columns):
            self._own[place] = self._regimes[column]
        raw = self._row.raw()
        if raw is None:
            return False
        self.p = (sigmoid_at(raw.logits.item()),) if raw.logits.size == 1 else softmax_at(raw.logits[0].tolist())
        self.expected = None if raw.expected is None else raw.expected.item()
        return True


__all__ = ["ExtraRow", "LearnedRow", "Learner"]
