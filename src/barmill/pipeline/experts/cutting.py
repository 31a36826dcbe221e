"""The blocks of another question, at the clock times of the run's own: the test block begins at the same bar for every question."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from barmill.errors import SplitError
from barmill.market import Timeframe
from barmill.pipeline.dataset import Positions
from barmill.pipeline.experts.answers import Int64Array
from barmill.pipeline.facts import blocks_in
from barmill.pipeline.recipe import Recipe
from barmill.splits import LabelSpans, purge

EMBARGOED = ("train", "selection")  # blocks after which a holdout leaves an embargo; the others are slices of one block


def cut_answers(
    answers: LabelSpans, decided: Int64Array, blocks: Mapping[str, Positions], recipe: Recipe, timeframe: Timeframe
) -> dict[str, Positions]:
    """The positions of each block among `answers`, ascending.

    A block begins with the first decision of the run's own block of that name. It gives up what is not settled, embargo included, when
    the next one begins: so the later block never moves, however far the answers of the earlier one look ahead.

    Parameters
    ----------
    answers : t0 and t1, in order of t0
    decided : int64, t0 of the run's own labels
    blocks : of the run, positions among its own labels
    recipe : whose purge is the least that an answer is taken to span, and whose embargo lies after train and before test

    Raises: SplitError naming the block that has nothing left.
    """
    purge_bars, embargo = recipe.splits.purge_bars(timeframe), recipe.splits.embargo_bars(timeframe)
    names = blocks_in(blocks)
    starts = [int(decided[blocks[name][0]]) for name in names]
    ends = np.maximum(answers.t1, answers.t0 + purge_bars)
    last = max(int(ends.max(initial=0)), starts[-1]) + 1
    cut: dict[str, Positions] = {}
    for name, (start, following) in zip(names, pairwise([*starts, last]), strict=True):
        rows = np.arange(*np.searchsorted(answers.t0, (start, following)), dtype=np.int64)
        if name != names[-1]:
            gap = embargo if name in EMBARGOED else 0
            rows = purge(rows, [(following - gap, last)], answers.t0, ends)
        if not rows.size:
            raise SplitError(
                f"experts: {name}", "no answer falls into this block", mend="Give more bars, or lower splits.embargo or outcomes.horizon."
            )
        cut[name] = rows
    return cut


__all__ = ["cut_answers"]
