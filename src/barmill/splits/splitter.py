"""What every splitter is: folds in ranges from the spans of labels, and scikit-learn's protocol over them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from barmill.errors import SplitError
from barmill.splits.frequency import auto_bars
from barmill.splits.ranges import Fold, Int64Array
from barmill.splits.row_times import milliseconds
from barmill.splits.spans import LabelSpans, OrderedSpans

BarsOrAuto = int | Literal["auto"]


@dataclass(frozen=True, slots=True, eq=False)
class RowSpans:
    """Rows that have no label ends: each is a bar, and its label that bar alone."""

    t0: Int64Array

    @property
    def t1(self) -> Int64Array:
        return self.t0


class Splitter(ABC):
    """Splits of labels in time, none of which trains on what it is judged on.

    `folds(labels)` is the quick way: ranges, from the spans of the labels. `split(X)` is scikit-learn's: index arrays, one pair at a
    time, for `cross_val_score` or `GridSearchCV`. There the spans come from `labels`, or from `t0` and `t1`, given when the splitter
    is made, one for each row of X; without them each row is taken to be a bar, and its label to span `purge` bars more.

    purge : int, the least number of bars that a label is taken to span after its first, or "auto"
    embargo : int, bars, or "auto"; what it keeps apart is said by each splitter
    labels, or t0 and t1 : the spans of the rows, for scikit-learn's protocol
    times : of the rows: ms, NumPy or pandas dates, ascending; needed for "auto" (see `frequency_defaults`) and for lengths in time
    """

    purge: BarsOrAuto
    embargo: BarsOrAuto
    labels: LabelSpans | None
    t0: npt.ArrayLike | None
    t1: npt.ArrayLike | None
    times: npt.ArrayLike | None

    @abstractmethod
    def cut(self, spans: OrderedSpans, embargo: int, times: Int64Array | None) -> Iterator[Fold]:
        """The folds of checked spans; what cannot be cut is refused at the call, not at the first fold."""

    @abstractmethod
    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """The number of splits."""

    def folds(self, labels: LabelSpans, times: npt.ArrayLike | None = None) -> Iterator[Fold]:
        """Each split as ranges of positions among `labels`.

        Parameters
        ----------
        labels : t0 and t1 of shape (n_labels,), in order of t0
        times : of the labels, instead of those given when the splitter was made

        Raises: SplitError at the call for what cannot be cut; at a fold whose purge and embargo leave nothing to train or judge on.
        """
        stamps = self.milliseconds(labels.t0.size, times)
        n = labels.t0.size
        purge = auto_bars("purge", n, stamps) if self.purge == "auto" else self.purge
        embargo = auto_bars("embargo", n, stamps) if self.embargo == "auto" else self.embargo
        folds = self.cut(OrderedSpans.of(labels.t0, labels.t1, purge), embargo, stamps)
        return (self._with_rows(number, fold) for number, fold in enumerate(folds))

    def split(
        self, X: object, y: object = None, groups: object = None, times: npt.ArrayLike | None = None
    ) -> Iterator[tuple[Int64Array, Int64Array]]:
        """Yield (train, test), ascending int64 positions of rows, for each split.

        Parameters
        ----------
        X : anything with one row for each label, in the order of time
        y, groups : not looked at
        times : of the rows, instead of those given when the splitter was made

        Raises: as `folds`; SplitError for rows that are not those of the spans.
        """
        folds = self.folds(self.spans_of_rows(n_rows(X)), times)
        return ((fold.train.positions(), fold.test.positions()) for fold in folds)

    def spans_of_rows(self, n: int) -> LabelSpans:
        """The spans given with this splitter, or rows as bars. Raises SplitError where the spans are not of `n` rows."""
        if self.labels is not None:
            given = self.labels
        elif self.t0 is not None and self.t1 is not None:
            given = OrderedSpans.of(self.t0, self.t1)
        else:
            return RowSpans(np.arange(n, dtype=np.int64))
        if given.t0.size != n:
            raise SplitError(
                f"{type(self).__name__}.split",
                f"{n} rows, and the spans of {given.t0.size} labels",
                expected="one label for each row",
                mend="Give the splitter the spans of these rows alone, as where a part of the rows is searched in once more.",
            )
        return given

    def milliseconds(self, n: int, times: npt.ArrayLike | None = None) -> Int64Array | None:
        """The times of `n` rows, those given here or else with the splitter; None where there are none."""
        given = self.times if times is None else times
        return None if given is None else milliseconds(given, n)

    def check(self) -> None:
        """What every splitter checks of itself when it is made."""
        name = type(self).__name__
        for which, value in (("purge", self.purge), ("embargo", self.embargo)):
            if value != "auto" and (not isinstance(value, int | np.integer) or value < 0):
                raise SplitError(f"{name}.{which}", f"{value!r}", expected="0 or more bars, or 'auto'")
        if (self.t0 is None) != (self.t1 is None) or (self.labels is not None and self.t0 is not None):
            raise SplitError(f"{name}.labels", "spans told by halves or twice", expected="labels, or t0 and t1 together, or neither")

    def _with_rows(self, number: int, fold: Fold) -> Fold:
        for side, ranges in (("train", fold.train), ("judge", fold.test)):
            if not len(ranges):
                raise SplitError(
                    f"{type(self).__name__} split {number}",
                    f"purge and embargo leave nothing to {side} on",
                    mend="Give more bars, ask for fewer folds, or lower purge, embargo or the horizon of the labels.",
                )
        return fold


def n_rows(X: object) -> int:
    """Rows of whatever scikit-learn takes for X."""
    shape = getattr(X, "shape", None)
    if shape:
        return int(cast("tuple[Any, ...]", shape)[0])
    if isinstance(X, Sized):
        return len(X)
    raise SplitError("X", f"a value of type {type(X).__name__}", expected="rows: an array, a frame or a list")


__all__ = ["Splitter"]
