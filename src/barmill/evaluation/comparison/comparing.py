"""All pairs of models under both tests, corrected for their number, and the ranks that remain."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.comparison.diebold_mariano import LossTest, diebold_mariano
from barmill.evaluation.comparison.holm import holm_adjusted
from barmill.evaluation.comparison.paired_returns import ReturnTest, paired_return_tests
from barmill.evaluation.comparison.ranking import significance_ranks
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]

ALPHA = 0.05
LEAST_BOOT = 1000
_FINER = 2  # how much finer than the strictest of Holm's levels the bootstrap's p-values are


@dataclass(frozen=True, slots=True)
class ModelPair:
    """Two models under both tests; `_adjusted` p-values are Holm's over all pairs, one family for each test."""

    a: str
    b: str
    loss: LossTest
    loss_adjusted: float
    net: ReturnTest
    net_adjusted: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        adjusted = {"loss": self.loss_adjusted, "net": self.net_adjusted}
        tests = {name: {**test._asdict(), "p_adjusted": adjusted[name]} for name, test in (("loss", self.loss), ("net", self.net))}
        return without_nan({"a": self.a, "b": self.b, **tests})


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models held against each other.

    names : of the models
    mean_loss, mean_net : float64 (n_models,), log loss per label and net return per bar
    pairs : each pair of models, in the order of `names`
    loss_ranks, net_ranks : by name, from 1, shared where no test tells models apart (see `significance_ranks`)
    alpha : level of Holm's test over all pairs
    """

    names: tuple[str, ...]
    mean_loss: Float64Array
    mean_net: Float64Array
    pairs: tuple[ModelPair, ...]
    loss_ranks: dict[str, int]
    net_ranks: dict[str, int]
    alpha: float

    @property
    def order(self) -> tuple[str, ...]:
        """The names by rank of the loss, and within a rank by the loss itself."""
        losses = dict(zip(self.names, self.mean_loss.tolist(), strict=True))
        return tuple(sorted(self.names, key=lambda name: (self.loss_ranks[name], losses[name])))

    def beaten_by(self, name: str) -> tuple[str, ...]:
        """The models that lose less than `name` by more than chance."""
        return tuple(other for other in self.names if other != name and self._loses_less(other, name))

    def _loses_less(self, one: str, other: str) -> bool:
        for pair in self.pairs:
            if {pair.a, pair.b} == {one, other}:
                better = pair.a if pair.loss.difference < 0 else pair.b
                return better == one and pair.loss_adjusted <= self.alpha
        return False


def compare_models(
    losses: Mapping[str, npt.ArrayLike],
    returns: Mapping[str, npt.ArrayLike],
    *,
    overlap: int = 1,
    block: float | None = None,
    alpha: float = ALPHA,
    seed: int = 0,
) -> Comparison:
    """Hold every model against every other: by what they lose at the same labels, and by what they earn at the same bars.

    Parameters
    ----------
    losses : by model, float64 (n_labels,), loss at each label in time order
    returns : by the same models, float64 (n_bars,), net return per bar
    overlap : labels that share an outcome, see `diebold_mariano`
    block : mean length of the bootstrap's blocks in bars, see `paired_return_tests`
    alpha : how often one pair or more of equally good models may be told apart
    seed : of the resamples, of which there are as many as the strictest of Holm's levels asks for

    Raises: ShapeError for models that differ between the two, or rows that do.
    """
    names = tuple(losses)
    if set(names) != set(returns) or not names or not 0 < alpha < 1:
        raise ShapeError(
            "compare_models", f"losses of {len(losses)} models, returns of {len(returns)}", expected="the same models, one at least"
        )
    n_labels = vector(losses[names[0]], names[0]).size
    lost = np.column_stack([vector(losses[name], name, n_labels) for name in names])
    n_bars = vector(returns[names[0]], names[0]).size
    earned = np.column_stack([vector(returns[name], name, n_bars) for name in names])
    numbers = list(combinations(range(len(names)), 2))
    by_loss = [diebold_mariano(lost[:, i], lost[:, j], overlap) for i, j in numbers]
    n_boot = max(LEAST_BOOT, math.ceil(_FINER * len(numbers) / alpha))
    by_net = paired_return_tests(earned, block, n_boot, seed) if numbers else {}
    loss_adjusted = holm_adjusted([test.p_value for test in by_loss])
    net_adjusted = holm_adjusted([by_net[pair].p_value for pair in numbers])
    pairs = tuple(
        ModelPair(names[i], names[j], by_loss[k], float(loss_adjusted[k]), by_net[i, j], float(net_adjusted[k]))
        for k, (i, j) in enumerate(numbers)
    )
    loss_beats, net_beats = (np.zeros((len(names), len(names)), dtype=np.bool_) for _ in range(2))
    for (i, j), pair in zip(numbers, pairs, strict=True):
        _note(loss_beats, i, j, pair.loss.difference < 0, pair.loss_adjusted <= alpha)
        _note(net_beats, i, j, pair.net.difference > 0, pair.net_adjusted <= alpha)
    return Comparison(
        names,
        lost.mean(axis=0),
        earned.mean(axis=0),
        pairs,
        dict(zip(names, significance_ranks(loss_beats).tolist(), strict=True)),
        dict(zip(names, significance_ranks(net_beats).tolist(), strict=True)),
        alpha,
    )


def _note(beats: npt.NDArray[np.bool_], i: int, j: int, first_is_better: bool, told_apart: bool) -> None:
    better, worse = (i, j) if first_is_better else (j, i)
    beats[better, worse] = told_apart


__all__ = ["ALPHA", "Comparison", "ModelPair", "compare_models"]
