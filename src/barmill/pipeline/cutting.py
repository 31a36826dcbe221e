"""How a recipe cuts its labels into blocks and folds, and how the cut is told. Nothing is fitted here."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from barmill.labels import Labels, make_labels
from barmill.market import Bars, Timeframe
from barmill.pipeline.bands.checking import check_band_rows
from barmill.pipeline.dataset import DEVELOPMENT, Positions
from barmill.pipeline.development import Development, settled_before
from barmill.pipeline.facts import block_told, blocks_in, moment
from barmill.pipeline.folds import stretches_of
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.recipe import Recipe
from barmill.splits import holdout, validation_slices


@dataclass(frozen=True, slots=True)
class CutLabels:
    """Labels with the blocks that they are cut into.

    positions : block to int64 positions among the labels, ascending
    dropped : why labels are in no block, to how many
    """

    labels: Labels
    positions: dict[str, Positions]
    dropped: dict[str, int]

    @classmethod
    def of(cls, labels: Labels, recipe: Recipe, timeframe: Timeframe) -> "CutLabels":
        """By the holdout and the slices of `recipe`.

        Raises: SplitError for a block that has nothing left, or one that is too small for the bands that are asked for.
        """
        purge = recipe.splits.purge_bars(timeframe)
        cut = holdout(labels, recipe.splits, timeframe)
        blocks = {"train": cut.train, **validation_slices(labels, cut.validation, recipe.validation_shares, purge), "test": cut.test}
        check_band_rows(recipe, len(blocks.get("conformal", ())))
        kept = sum(len(rows) for rows in blocks.values())
        dropped = dict(cut.dropped)
        dropped["between validation slices"] = len(labels.t0) - kept - sum(dropped.values())
        if recipe.cross_validation is not None:
            blocks[DEVELOPMENT] = settled_before(labels, cut.test, purge)
        return cls(labels, blocks, dropped)


def labels_before_features(inputs: RunInputs) -> Labels:
    """The labels of a run before any feature is computed: every row after the warm-up is taken to be ready."""
    ready = np.arange(len(inputs.bars)) >= inputs.plan.warmup_bars
    return make_labels(inputs.bars, inputs.recipe.labels, inputs.ready(ready))


def blocks_told(cut: CutLabels, bars: Bars) -> dict[str, Any]:
    """The blocks in time order, as a judgement has them under "splits"."""
    blocks = [block_told(name, cut.positions[name], cut.labels, bars) for name in blocks_in(cut.positions)]
    return {"n_bars": len(bars), "blocks": blocks, "dropped": dict(cut.dropped)}


def folds_told(development: Development, method: str, bars: Bars) -> dict[str, Any]:
    """The groups and the splits, as a judgement has them under "cross_validation"."""
    labels, splitter = development.labels, development.combinatorial
    groups = [development.positions[group.positions()] for group in development.groups]
    return {
        "method": method,
        "n_groups": len(groups),
        "n_test_groups": splitter.n_test_groups if splitter else 1,
        "n_splits": len(development.folds),
        "n_paths": splitter.n_paths if splitter else 1,
        "purge_bars": development.purge_bars,
        "embargo_bars": development.embargo_bars,
        "n_labels": len(development.positions),
        "first_time": moment(int(bars.open_time[development.first_bar])),
        "last_time": moment(int(bars.open_time[development.last_bar])),
        "groups": [
            {
                "number": number,
                "first_bar": int(labels.t0[rows[0]]),
                "last_bar": int(labels.t1[rows].max()),
                "first_time": moment(int(bars.open_time[labels.t0[rows[0]]])),
                "last_time": moment(int(bars.open_time[labels.t0[rows[-1]]])),
                "n": len(rows),
            }
            for number, rows in enumerate(groups)
        ],
        "splits": [_fold_told(development, number) for number in range(len(development.folds))],
    }


def _fold_told(development: Development, number: int) -> dict[str, Any]:
    fold = development.folds[number]
    train, test = development.train(fold), development.test(fold)
    return {
        "number": number,
        "test_groups": list(fold.test_groups),
        "n_train": len(train),
        "n_test": len(test),
        "n_purged": development.n_candidates(fold) - len(train),
        "train": [list(stretch) for stretch in stretches_of(development.labels, train)],
        "test": [list(stretch) for stretch in stretches_of(development.labels, test)],
    }


__all__ = ["CutLabels", "blocks_told", "folds_told", "labels_before_features"]
