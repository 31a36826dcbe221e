"""The folds of a proof: contiguous ones that forecast every row, and short ones in which a missing purge would show.

With few large folds an unpurged split looks clean: the rows whose outcomes overlap those that trained are few. The short folds are
made of them: test blocks one horizon long, each preceded by training rows that a missing purge would let reach into it. No model is
fitted on them: a witness (`witness`) says whether they share an outcome with the rows that train.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from barmill.labels import Labels
from barmill.pipeline.dataset import Positions
from barmill.splits import purge_embargo


@dataclass(frozen=True, slots=True)
class ProofFold:
    """Positions among the labels, int64, ascending. `short` for the folds with test blocks of one horizon."""

    train: Positions
    test: Positions
    short: bool


def proof_folds(labels: Labels, folds: int, short_folds: int, horizon: int, purge_bars: int, embargo_bars: int) -> Iterator[ProofFold]:
    """Every fold of a market; all through the one rule of `purge_embargo`.

    Parameters
    ----------
    labels : of the market, all of them
    purge_bars : least that a label is taken to span; at least the horizon of the move that judges
    """
    spans = np.maximum(labels.t1, labels.t0 + purge_bars)
    for test, short in (*_contiguous(labels, folds), *_short(labels, short_folds, horizon, embargo_bars)):
        train = training_rows(labels.t0, spans, test, embargo_bars)
        if train.size and test.size:
            yield ProofFold(train, test, short)


def training_rows(t0: Positions, spans: Positions, test: Positions, embargo_bars: int) -> Positions:
    """The rows that may train beside `test`: purged, and past the embargo after each block."""
    return purge_embargo(t0, spans, test, embargo_bars)


def _contiguous(labels: Labels, folds: int) -> list[tuple[Positions, bool]]:
    return [(part, False) for part in np.array_split(np.arange(len(labels), dtype=np.int64), folds)]


def _short(labels: Labels, folds: int, horizon: int, embargo_bars: int) -> list[tuple[Positions, bool]]:
    """Test blocks of one horizon, as far apart as their embargo twice over: half of the bars in between train."""
    cycle = 2 * (embargo_bars + 2 * horizon)
    since = labels.t0 - labels.t0[0]
    made: list[tuple[Positions, bool]] = []
    for number in range(folds):
        first = cycle // 4 + number * cycle // max(folds, 1)
        in_cycle = (since - first) % cycle
        made.append((np.flatnonzero((since >= first) & (in_cycle < horizon)).astype(np.int64), True))
    return made


__all__ = ["ProofFold", "proof_folds", "training_rows"]
