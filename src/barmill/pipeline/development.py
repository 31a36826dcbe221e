"""The bars on which models are chosen: everything before the test block, cut into folds for cross-validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from barmill.errors import RecipeError
from barmill.labels import Labels
from barmill.market import Bars
from barmill.pipeline.dataset import DEVELOPMENT, Positions
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.trading_path import FILL_BARS, TradingPath
from barmill.splits import CombinatorialPurgedCV, Fold, Ranges, Splitter, WalkForward, purge


@dataclass(frozen=True)
class Development:
    """The labels before the test block, and the folds of a recipe's cross-validation among them.

    labels : of the whole run
    positions : int64, those that are settled before the test block begins, ascending; folds number their rows
    test_starts : int, bar of the test block's first decision
    splitter : of the recipe
    purge_bars, embargo_bars : int, base bars
    open_time : int64 (n_bars,), ms
    """

    labels: Labels
    positions: Positions
    test_starts: int
    splitter: Splitter
    purge_bars: int
    embargo_bars: int
    open_time: Positions

    @classmethod
    def of(cls, labels: Labels, blocks: Mapping[str, Positions], recipe: Recipe, bars: Bars) -> "Development":
        """Of labels that are cut into blocks (name to positions).

        Raises: SplitError for folds that leave nothing to learn from or to judge.
        """
        config, timeframe = recipe.cross_validation, bars.timeframe
        if config is None:
            raise RecipeError("recipe:cross_validation", "the recipe asks for none", mend="Add `cross_validation: {method: cpcv}`.")
        positions = blocks[DEVELOPMENT]
        splitter = config.splitter(timeframe, recipe.splits.purge_bars(timeframe), recipe.splits.embargo_bars(timeframe))
        lengths = int(splitter.purge), int(splitter.embargo)
        return cls(labels, positions, int(labels.t0[blocks["test"][0]]), splitter, *lengths, bars.open_time)

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """Every split, in the splitter's order; rows are numbered among `positions`."""
        taken = self.labels.take(self.positions)
        return tuple(self.splitter.folds(taken, self.open_time[taken.t0]))

    @property
    def combinatorial(self) -> CombinatorialPurgedCV | None:
        """The splitter, if its splits make several paths."""
        return self.splitter if isinstance(self.splitter, CombinatorialPurgedCV) else None

    @cached_property
    def groups(self) -> tuple[Ranges, ...]:
        """The blocks that judge, in time order; rows are numbered among `positions`."""
        if self.combinatorial:
            return tuple(self.combinatorial.group_ranges(len(self.positions)))
        return tuple(fold.test for fold in self.folds)

    @cached_property
    def covered(self) -> Positions:
        """The rows that each path forecasts once, numbered among all labels; walk-forward leaves out those that only teach."""
        return self.positions[np.concatenate([group.positions() for group in self.groups])]

    def n_candidates(self, fold: Fold) -> int:
        """How many rows could teach in `fold`, were nothing purged."""
        if isinstance(self.splitter, WalkForward):  # from the window's first row to the test: purging takes from its end
            return int(fold.test.bounds[0, 0] - fold.train.bounds[0, 0])
        return len(self.positions) - len(fold.test)

    @property
    def first_bar(self) -> int:
        """The first decision."""
        return int(self.labels.t0[self.positions[0]])

    @property
    def last_bar(self) -> int:
        """The last decision."""
        return int(self.labels.t0[self.positions[-1]])

    def path(self, bars: Bars, recipe: Recipe) -> TradingPath:
        """The bars of the development block, up to where a position of its last decision is closed, and before the test block."""
        hold = recipe.hold_bars
        return TradingPath.of(bars, self.first_bar, min(self.last_bar + hold + FILL_BARS, self.test_starts), recipe)

    def train(self, fold: Fold) -> Positions:
        """The rows that may teach in `fold`, numbered among all labels."""
        return self.positions[fold.train.positions()]

    def test(self, fold: Fold) -> Positions:
        """The rows that judge in `fold`, numbered among all labels."""
        return self.positions[fold.test.positions()]


def settled_before(labels: Labels, test: Positions, purge_bars: int) -> Positions:
    """The labels that are settled before the block `test` begins: every one that reaches it is let go, as in a holdout."""
    judged = (int(labels.t0[test[0]]), int(labels.t1[test].max()))
    spans = np.maximum(labels.t1, labels.t0 + purge_bars)
    return purge(np.arange(test[0], dtype=np.int64), [judged], labels.t0, spans)
