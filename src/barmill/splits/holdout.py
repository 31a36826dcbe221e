"""The holdout: train, validation and test blocks in time order, and the validation block cut again into slices."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from barmill.errors import SplitError
from barmill.splits.config import SplitConfig
from barmill.splits.purging import blocks_of, purge, purge_ranges
from barmill.splits.ranges import Fold, Int64Array, Ranges
from barmill.splits.spans import LabelSpans, OrderedSpans
from barmill.splits.splitter import BarsOrAuto, Splitter

if TYPE_CHECKING:
    from barmill.market import Timeframe

TRAIN_REACHES = "train label reaches validation"
VALIDATION_REACHES = "validation label reaches test"
VALIDATION_EMBARGOED = "validation within the embargo after train"
TEST_EMBARGOED = "test within the embargo after validation"

_ROUNDING = 1e-9  # 0.7 + 0.15 of 1000 is 850, not 849


@dataclass(frozen=True, slots=True, eq=False)
class HoldoutBlocks:
    """Positions among the labels, int64, ascending, and what was left out between the blocks.

    dropped : reason to number of labels; with the three blocks they add up to all labels
    """

    train: Int64Array
    validation: Int64Array
    test: Int64Array
    dropped: Mapping[str, int] = field(default_factory=dict[str, int])


def holdout(labels: LabelSpans, config: SplitConfig, timeframe: "Timeframe") -> HoldoutBlocks:
    """Cut the labels by the shares of `config`, then let go of every label that two blocks would share.

    An earlier block gives up the labels that reach the next one; a later block gives up those that begin within the embargo
    after the latest label end of the one before. A label counts as at least `purge` bars long.

    Parameters
    ----------
    labels : t0 and t1 of shape (n_labels,), in order of t0
    config : SplitConfig
    timeframe : of the base bars, in which a purge or embargo given as a duration is counted

    Raises: SplitError saying which block has nothing left, of how many labels, and about how many it takes.
    """
    embargo = config.embargo_bars(timeframe)
    t0, t1 = _ordered_spans(labels, config.purge_bars(timeframe))
    cuts = _cuts(t0.size, (config.train, config.validation, config.test))
    blocks: dict[str, Int64Array] = dict(
        zip(("train", "validation", "test"), np.split(np.arange(t0.size, dtype=np.int64), cuts), strict=True)
    )

    def refuse(name: str, why: str) -> SplitError:
        longest = int((t1 - t0).max()) if t0.size else 0
        per_bar = t0.size / (int(t0[-1] - t0[0]) + 1) if t0.size else 1.0
        bars = max((longest + 2) / config.train, (embargo + longest + 2) / config.validation, (embargo + 2) / config.test)
        return SplitError(
            f"splits.{name}",
            f"{t0.size} labels leave no row for {name}: {why}",
            expected=f"about {math.ceil(bars * per_bar)} labels or more, with an embargo of {embargo} and labels of up to {longest} bars",
            mend="Give more bars, or lower splits.embargo, splits.purge or labels.horizon.",
        )

    for name, positions in blocks.items():
        if not positions.size:
            raise refuse(name, "its block is empty")

    def span(positions: Int64Array) -> tuple[int, int]:
        return int(t0[positions[0]]), int(t1[positions].max())

    train = purge(blocks["train"], [span(blocks["validation"]), span(blocks["test"])], t0, t1)
    if not train.size:
        raise refuse("train", f"all {blocks['train'].size} of its block reach validation")
    settled = purge(blocks["validation"], [span(blocks["test"])], t0, t1)
    validation = purge(settled, [span(train)], t0, t1, embargo)
    if not validation.size:
        raise refuse("validation", f"all {blocks['validation'].size} of its block reach test or begin within {embargo} bars after train")
    test = purge(blocks["test"], [span(train), span(validation)], t0, t1, embargo)
    if not test.size:
        raise refuse("test", f"all {blocks['test'].size} of its block begin within {embargo} bars after validation")
    return HoldoutBlocks(
        train,
        validation,
        test,
        {
            TRAIN_REACHES: blocks["train"].size - train.size,
            VALIDATION_REACHES: blocks["validation"].size - settled.size,
            VALIDATION_EMBARGOED: settled.size - validation.size,
            TEST_EMBARGOED: blocks["test"].size - test.size,
        },
    )


def validation_slices(
    labels: LabelSpans, positions: npt.ArrayLike, shares: Mapping[str, float], purge_bars: int = 0
) -> dict[str, Int64Array]:
    """Cut a block in time order into slices, none of which holds a label that reaches a later one.

    Parameters
    ----------
    labels : t0 and t1 of shape (n_labels,), in order of t0
    positions : int array, ascending, the labels of the block
    shares : name to share of the block, in the order in time; together 1
    purge_bars : int, the least that a label is taken to span

    Returns
    -------
    name to int64 positions, ascending, in the order of `shares`. The last slice keeps all of its rows.

    Raises: SplitError naming the slice that has nothing left.
    """
    t0, t1 = _ordered_spans(labels, purge_bars)
    block = np.asarray(positions, dtype=np.int64)
    if block.size and (np.diff(block) <= 0).any():
        raise SplitError("validation", "positions that are not ascending", expected="each position once, in time order")
    if not shares or min(shares.values()) <= 0 or abs(math.fsum(shares.values()) - 1) > 1e-9:
        raise SplitError("validation", f"shares {dict(shares)}", expected="positive shares that add up to 1")
    parts = np.split(block, _cuts(block.size, tuple(shares.values())))
    slices: dict[str, Int64Array] = {}
    for number, (name, part) in enumerate(zip(shares, parts, strict=True)):
        later = [(int(t0[after[0]]), int(t1[after].max())) for after in parts[number + 1 :] if after.size]
        slices[name] = purge(part, later, t0, t1)
        if not slices[name].size:
            why = f"all {part.size} of its slice reach the next one" if part.size else "its slice is empty"
            raise SplitError(
                f"validation.{name}",
                f"{block.size} labels of the validation block leave no row for {name}: {why}",
                mend=f"Give more bars, or raise validation.{name} or splits.validation.",
            )
    return slices


@dataclass(frozen=True, eq=False)
class Holdout(Splitter):
    """One split: the earlier labels train, the latest judge.

    The cheapest judge and the noisiest: one path through one stretch of time. It obeys the rules of `holdout`, which cuts a recipe's
    three blocks.

    Parameters
    ----------
    test_size : float, share of the labels that judges, above 0 and below 1
    purge : int, the least number of bars that a label is taken to span after its first, or "auto"
    embargo : int, bars after the last training label's end in which no judging label may begin, or "auto"
    labels, t0, t1, times : of the rows, for scikit-learn's protocol; see `Splitter`

    Examples
    --------
    >>> train, test = next(Holdout(test_size=0.3, purge=1, embargo=1).split([[0.0]] * 10))
    >>> train.tolist(), test.tolist()
    ([0, 1, 2, 3, 4, 5], [8, 9])
    """

    test_size: float = 0.15
    _: KW_ONLY
    purge: BarsOrAuto = 0
    embargo: BarsOrAuto = 0
    labels: LabelSpans | None = field(default=None, repr=False)
    t0: npt.ArrayLike | None = field(default=None, repr=False)
    t1: npt.ArrayLike | None = field(default=None, repr=False)
    times: npt.ArrayLike | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.check()
        if not 0 < self.test_size < 1:
            raise SplitError("Holdout.test_size", f"{self.test_size}", expected="a share of the labels above 0 and below 1")

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        return 1

    def cut(self, spans: OrderedSpans, embargo: int, times: Int64Array | None) -> Iterator[Fold]:
        (cut,) = _cuts(len(spans), (1 - self.test_size, self.test_size))
        if not 0 < cut < len(spans):
            raise SplitError("Holdout", f"{len(spans)} labels", expected="a label to train and one to judge on", mend="Give more bars.")
        judging = Ranges.between(cut, len(spans))
        train = purge_ranges(Ranges.between(0, cut), blocks_of(judging, spans), spans)
        test = purge_ranges(judging, blocks_of(train, spans), spans, embargo)
        return iter((Fold(train, test, (0,)),))


def _ordered_spans(labels: LabelSpans, at_least: int) -> tuple[Int64Array, Int64Array]:
    """Starts, and ends no earlier than `at_least` bars after them."""
    spans = OrderedSpans.of(labels.t0, labels.t1, at_least)
    return spans.t0, spans.t1


def _cuts(n: int, shares: tuple[float, ...]) -> list[int]:
    """Where each part but the first begins: the floor of the cumulative share."""
    return [math.floor(math.fsum(shares[: number + 1]) * n + _ROUNDING) for number in range(len(shares) - 1)]
