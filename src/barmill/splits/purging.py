"""The one rule by which training lets go of what it shares with what judges it.

A label of an observation spans bars t0 .. t1, both included. A block of bars and the embargo after it are a zone, and a
label that meets a zone, touching counted, is dropped. `purge` takes positions and `purge_ranges` takes ranges; both ask
`meeting_ranges`, and so does every splitter: there is no second copy.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from barmill.errors import SplitError
from barmill.splits.ranges import Int64Array, Ranges
from barmill.splits.spans import OrderedSpans, checked_spans


def purge(train: npt.ArrayLike, blocks: Iterable[tuple[int, int]], t0: npt.ArrayLike, t1: npt.ArrayLike, embargo: int = 0) -> Int64Array:
    """The positions of `train` whose labels meet no block and do not begin within `embargo` bars after one.

    Parameters
    ----------
    train : int array, positions of observations
    blocks : (first, last) bars, both included; they may overlap and come in any order
    t0, t1 : int arrays of shape (n_observations,), first and last bar of each label, both included; in any order
    embargo : int, base bars after a block's last bar, >= 0

    Returns
    -------
    int64 array, the positions that are kept, in the order of `train`. Observation i is dropped if t0_i <= last + embargo and
    t1_i >= first for some block.

    Raises: SplitError for a block or label that ends before it begins, or a negative embargo.
    Cost: linear in the observations, m log m for m blocks; n log n where the observations are not in order of t0.
    Source: López de Prado (2018), chapter 7, snippets 7.1 and 7.2.
    """
    positions = np.asarray(train, dtype=np.int64)
    starts, ends = checked_spans(t0, t1)
    order = None if (starts[1:] >= starts[:-1]).all() else np.argsort(starts, kind="stable")
    spans = OrderedSpans.of(starts, ends) if order is None else OrderedSpans.of(starts[order], ends[order])
    dropped = meeting_ranges(blocks, spans, embargo).positions()
    keep = np.ones(starts.size, dtype=bool)
    keep[dropped if order is None else order[dropped]] = False
    return positions[keep[positions]]


def purge_ranges(train: Ranges, blocks: Iterable[tuple[int, int]], spans: OrderedSpans, embargo: int = 0) -> Ranges:
    """`purge` for ranges: what is kept of `train`, as ranges, without a look at labels that no block can reach.

    Parameters
    ----------
    train : ranges of positions
    blocks, embargo : as in `purge`
    spans : of the labels, in order of t0

    Raises: as `purge`.
    Cost: a few binary searches for each block, and the labels that begin within the longest label's length before one.
    """
    return train.without(meeting_ranges(blocks, spans, embargo))


def meeting_ranges(blocks: Iterable[tuple[int, int]], spans: OrderedSpans, embargo: int = 0) -> Ranges:
    """Positions of the labels that meet a block or begin within the embargo after it: what every purge drops.

    A label that begins in a zone meets it. One that begins outside all zones meets one if and only if it lasts until the next
    begins, and only a label that begins at most the longest length before that can: those alone are looked at one by one.
    """
    zones = _zones(blocks, embargo)
    begin, end = zones.bounds[:, 0], zones.bounds[:, 1]
    start = np.searchsorted(spans.t0, begin, side="left")
    stop = np.searchsorted(spans.t0, end, side="left")
    nearby = np.searchsorted(spans.t0, begin - spans.longest, side="left")
    nearby[1:] = np.maximum(nearby[1:], stop[:-1])
    before = Ranges(np.stack([nearby, start], axis=1)[nearby < start]).positions()
    reaching = before[spans.t1[before] >= np.repeat(begin, start - nearby)]
    return Ranges.union(np.concatenate([reaching, start]), np.concatenate([reaching + 1, stop]))


def purge_embargo(t0: npt.ArrayLike, t1: npt.ArrayLike, test: npt.ArrayLike, embargo_bars: int) -> Int64Array:
    """The observations kept for training beside the test positions, ascending.

    Each maximal run of consecutive test positions is one block, from its first t0 to its latest t1 (labels can end out of
    order, so that is not the t1 of its last observation). Separate runs stay separate: what lies free between them is kept.

    Parameters
    ----------
    t0, t1 : int arrays of shape (n_observations,), in order of t0
    test : int array of test positions, in any order
    embargo_bars : int, base bars after a run's latest label end, >= 0

    Raises: SplitError if labels are out of order or end before they begin, or a test position does not exist.
    Source: López de Prado (2018), snippets 7.1 and 7.2; snippet 7.3 lets labels touch, this does not.
    """
    spans = OrderedSpans.of(t0, t1)
    positions = np.unique(np.asarray(test, dtype=np.int64))
    if positions.size and (positions[0] < 0 or positions[-1] >= len(spans)):
        raise SplitError("test", f"positions {positions[0]} to {positions[-1]}", expected=f"positions from 0 to {len(spans) - 1}")
    tested = Ranges.of(positions)
    everything = Ranges.between(0, len(spans))
    return purge_ranges(everything.without(tested), blocks_of(tested, spans), spans, embargo_bars).positions()


def blocks_of(tested: Ranges, spans: OrderedSpans) -> list[tuple[int, int]]:
    """First and last bar of the labels of each maximal run of `tested` positions."""
    bounds = np.array(list(_runs(tested)), dtype=np.int64).reshape(-1, 2)
    if not bounds.size:
        return []
    # of the slices that reduceat makes at start, stop, start, ... every other one is a run; a last stop beyond the end needs no slice
    last = np.maximum.reduceat(spans.t1, bounds.ravel()[: -1 if bounds[-1, 1] == len(spans) else None])[::2]
    return list(zip(spans.t0[bounds[:, 0]].tolist(), last.tolist(), strict=True))


def check_embargo(place: str, embargo: int) -> None:
    """SplitError at `place` for an embargo below 0."""
    if embargo < 0:
        raise SplitError(place, f"{embargo}", expected="0 or more bars")


def _runs(tested: Ranges) -> Ranges:
    return Ranges.union(tested.bounds[:, 0], tested.bounds[:, 1])


def _zones(blocks: Iterable[tuple[int, int]], embargo: int) -> Ranges:
    """The bars of the blocks and of the embargo after each, as disjoint ranges of bars."""
    check_embargo("purge.embargo", embargo)
    bars = np.array([(first, last) for first, last in blocks], dtype=np.int64).reshape(-1, 2)
    wrong = bars[:, 1] < bars[:, 0]
    if wrong.any():
        first, last = bars[int(np.argmax(wrong))]
        raise SplitError("purge.blocks", f"bars {first} to {last}", expected="a block that does not end before it begins")
    # Zones that overlap or touch may be joined: no label lies between them, so whoever meets the join meets one of them.
    return Ranges.union(bars[:, 0], bars[:, 1] + embargo + 1)
