"""Does the configuration that is best in-sample do worse than half of them out-of-sample?

Bailey, Borwein, López de Prado & Zhu (2017), "The probability of backtest overfitting", Journal of Computational
Finance 20(4): combinatorially symmetric cross-validation.

A Sharpe ratio needs a sum, a sum of squares and a count, and these add up over blocks: the rows are read once, and each of
the C(S, S/2) choices costs S additions a configuration, whatever the number of rows. Blocks are added in time order, column
by column alike, so that equal columns tie to the bit.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.overfitting.interpretation import pbo_words
from barmill.evaluation.overfitting.moments import trial_matrix, whole_rows

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MOST_BLOCKS = 24  # 2.7 million choices; every two blocks more make them four times as many
_AT_A_TIME = 1024  # choices that are held at once


@dataclass(frozen=True, slots=True)
class BacktestOverfitting:
    """What combinatorially symmetric cross-validation says.

    pbo : share of choices in which the best configuration in-sample ranks at or below the median out-of-sample
    logits : float64 (n_combinations,), ln(w / (1 - w)) with w its relative rank, in lexicographic order of the choices
    n_combinations : int
    slope, intercept : least squares of its Sharpe ratio out-of-sample on that in-sample
    prob_oos_loss : share of choices with a Sharpe ratio below 0 out-of-sample
    in_sample, out_of_sample : float64 (n_combinations,), its Sharpe ratios per observation
    n_blocks, n_configurations, n_rows : what it was computed from
    n_dropped : rows left out for a NaN, and the oldest ones that fill no block

    A choice in which no configuration has a Sharpe ratio in-sample is NaN in all three arrays, and counts in no share.
    """

    pbo: float
    logits: Float64Array
    n_combinations: int
    slope: float
    intercept: float
    prob_oos_loss: float
    in_sample: Float64Array
    out_of_sample: Float64Array
    n_blocks: int
    n_configurations: int
    n_rows: int
    n_dropped: int

    @property
    def words(self) -> str:
        return pbo_words(self.pbo)

    def to_json(self, most: int = 1000) -> dict[str, Any]:
        """Plain JSON; logits and points (in-sample, out-of-sample) are thinned evenly to at most `most`."""
        kept = np.unique(np.linspace(0, self.n_combinations - 1, min(most, self.n_combinations)).astype(np.int64))
        return without_nan(
            {
                "pbo": self.pbo,
                "n_combinations": self.n_combinations,
                "n_blocks": self.n_blocks,
                "n_configurations": self.n_configurations,
                "n_rows": self.n_rows,
                "n_dropped": self.n_dropped,
                "slope": self.slope,
                "intercept": self.intercept,
                "prob_oos_loss": self.prob_oos_loss,
                "logits": self.logits[kept].tolist(),
                "points": np.column_stack([self.in_sample, self.out_of_sample])[kept].tolist(),
                "words": self.words,
            }
        )


def pbo_cscv(trial_returns: npt.ArrayLike, n_blocks: int = 16) -> BacktestOverfitting:
    """The probability of backtest overfitting, by combinatorially symmetric cross-validation.

    Parameters
    ----------
    trial_returns : float64 of shape (n_rows, n_configurations), at least two columns: the returns of every configuration that was
        tried, on the same rows. A row with a NaN is left out for all.
    n_blocks : even, 2 to 24. The rows are cut into as many contiguous blocks; the oldest that fill none are left out.

    A configuration without variation in-sample is never the best; one without variation out-of-sample ranks below all that have a
    Sharpe ratio there.

    Raises: ShapeError for fewer than two configurations, an odd number of blocks, or fewer than two rows in half of the blocks.
    Cost: one pass over the rows, then n_configurations x n_blocks x C(n_blocks, n_blocks / 2); memory of one block and 1024 choices.
    """
    if n_blocks < 2 or n_blocks % 2 or n_blocks > MOST_BLOCKS:
        raise ShapeError("n_blocks", f"is {n_blocks}", expected=f"an even number from 2 to {MOST_BLOCKS}")
    given = trial_matrix(trial_returns, at_least=2)
    trials, n_missing = whole_rows(given)
    n_rows, n_configurations = trials.shape
    length = n_rows // n_blocks
    if length * n_blocks // 2 < 2:
        raise ShapeError("trial_returns", f"has {n_rows} rows without NaN", expected=f"at least {max(4, n_blocks)} for {n_blocks} blocks")
    blocks = _Blocks.of(trials[n_rows - length * n_blocks :], n_blocks)
    parts = [_judged(blocks, chosen) for chosen in _choices(n_blocks)]
    logits, in_sample, out_of_sample = (np.concatenate(column) for column in zip(*parts, strict=True))
    slope, intercept = _line(in_sample, out_of_sample)
    return BacktestOverfitting(
        pbo=_share(logits <= 0, logits),
        logits=logits,
        n_combinations=logits.size,
        slope=slope,
        intercept=intercept,
        prob_oos_loss=_share(out_of_sample < 0, out_of_sample),
        in_sample=in_sample,
        out_of_sample=out_of_sample,
        n_blocks=n_blocks,
        n_configurations=n_configurations,
        n_rows=length * n_blocks,
        n_dropped=n_missing + n_rows - length * n_blocks,
    )


class _Blocks(NamedTuple):
    """Per block and column, of shape (n_blocks, n_configurations): sum and sum of squares of the returns less their column's mean,
    least and greatest return; and that mean, of shape (n_configurations,), and the rows of a block."""

    sums: Float64Array
    squares: Float64Array
    least: Float64Array
    greatest: Float64Array
    means: Float64Array
    length: int

    @classmethod
    def of(cls, trials: Float64Array, n_blocks: int) -> "_Blocks":
        # less the mean, so that a large mean does not swallow the digits of the variance
        means = trials.mean(axis=0)
        blocks = np.split(trials, n_blocks)
        centred = (block - means for block in blocks)
        sums, squares = zip(*((each.sum(axis=0), (each * each).sum(axis=0)) for each in centred), strict=True)
        least, greatest = (np.array([bound(block, axis=0) for block in blocks]) for bound in (np.min, np.max))
        return cls(np.array(sums), np.array(squares), least, greatest, means, len(blocks[0]))

    def sharpe(self, chosen: IntArray) -> Float64Array:
        """Sharpe ratios of shape (n_choices, n_configurations) over the blocks in each row of `chosen`; NaN without variation."""
        n = self.length * chosen.shape[1]
        sums, squares = self.sums[chosen].sum(axis=1), self.squares[chosen].sum(axis=1)
        variance = np.maximum(squares - sums * sums / n, 0.0) / (n - 1)
        flat = self._flat(chosen) | (variance == 0)
        sharpe = (self.means + sums / n) / np.sqrt(np.where(flat, 1.0, variance))
        return np.where(flat, np.nan, sharpe)

    def _flat(self, chosen: IntArray) -> npt.NDArray[np.bool_]:
        """Whether the returns of a column do not vary over the chosen blocks; looked at only where a whole block does not."""
        flat = np.zeros((chosen.shape[0], self.sums.shape[1]), dtype=bool)
        columns = np.flatnonzero((self.least == self.greatest).any(axis=0))
        if columns.size:
            least, greatest = self.least[:, columns][chosen].min(axis=1), self.greatest[:, columns][chosen].max(axis=1)
            flat[:, columns] = least == greatest
        return flat


def _choices(n_blocks: int) -> Iterator[IntArray]:
    """All choices of half of the blocks, in lexicographic order, as arrays of at most so many rows."""
    every = itertools.combinations(range(n_blocks), n_blocks // 2)
    while some := list(itertools.islice(every, _AT_A_TIME)):
        yield np.array(some, dtype=np.int64)


def _judged(blocks: _Blocks, chosen: IntArray) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Logit of the best configuration's rank, its Sharpe ratio in-sample, and out-of-sample, for each choice."""
    n_blocks = blocks.sums.shape[0]
    taken = np.zeros((chosen.shape[0], n_blocks), dtype=bool)
    np.put_along_axis(taken, chosen, True, axis=1)
    others = np.nonzero(~taken)[1].reshape(chosen.shape)
    return best_ranks(blocks.sharpe(chosen), blocks.sharpe(others))


def best_ranks(in_sample: Float64Array, out_of_sample: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """How the best configuration in-sample ranks out-of-sample.

    in_sample, out_of_sample : Sharpe ratios of shape (n_splits, n_configurations), NaN where undefined
    gives logits of the relative rank, the best one's Sharpe ratios in-sample and out-of-sample, each of shape (n_splits,)
    """
    n = in_sample.shape[1]
    best = np.argmax(np.where(np.isnan(in_sample), -np.inf, in_sample), axis=1)[:, None]
    own = np.take_along_axis(in_sample, best, axis=1)[:, 0]
    theirs = np.take_along_axis(out_of_sample, best, axis=1)[:, 0]
    placed = np.where(np.isnan(out_of_sample), -np.inf, out_of_sample)  # undefined ranks last
    place = np.take_along_axis(placed, best, axis=1)
    rank = (placed < place).sum(axis=1) + ((placed == place).sum(axis=1) + 1) / 2
    # ln(w / (1 - w)) with w = rank / (n + 1), in a form that is exactly 0 for the median
    logits = np.log(rank / (n + 1 - rank))
    undefined = np.isnan(own)
    return np.where(undefined, np.nan, logits), own, np.where(undefined, np.nan, theirs)


def _share(true: npt.NDArray[np.bool_], of: Float64Array) -> float:
    known = ~np.isnan(of)
    return float(true[known].mean()) if known.any() else math.nan


def _line(x: Float64Array, y: Float64Array) -> tuple[float, float]:
    """Slope and intercept of y on x by least squares; NaN where x does not vary."""
    known = ~(np.isnan(x) | np.isnan(y))
    x, y = x[known], y[known]
    if x.size < 2 or x.min() == x.max():
        return math.nan, math.nan
    away = x - x.mean()
    slope = float(away @ (y - y.mean()) / (away @ away))
    return slope, float(y.mean() - slope * x.mean())


__all__ = ["MOST_BLOCKS", "BacktestOverfitting", "best_ranks", "pbo_cscv"]
