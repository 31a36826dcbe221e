"""What every splitter is: folds in ranges from the spans of labels, and scikit-learn's protocol over them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from barmill.errors import SplitError
from barmill.splits.frequency import auto_bars, milliseconds
from barmill.splits.ranges import Fold, Int64Array
from barmill.splits.spans import LabelSpans, OrderedSpans

BarsOrAuto = int | Literal["auto"]


@dataclass(frozen=True, slots=True, eq=False)
class RowSpans:
    """Rows that have no label ends: each is a bar, and a label of that bar alone."""

    t0: Int64Array

    @property
    def t1(self) -> Int64Array:
        return self.t0


class Splitter(ABC):
    """Splits of labels in time, none of which trains on what it is judged on.

    `folds(labels)` is the quick way: ranges, from the spans of the labels. `split(X)` is scikit-learn's: index arrays, one pair at a
    time, for `cross_val_score` or `GridSearchCV`. There the spans come from `labels`, or from `t0` and `t1`, given when the splitter
    is made, one for each row of X; without them each row is taken to be a bar, and its label to span `purge` bars more.
    """

    purge: BarsOrAuto
    embargo: BarsOrAuto
    labels: LabelSpans | None
    t0: npt.ArrayLike | None
    t1: npt.ArrayLike | None

    @abstractmethod
    def folds(self, labels: LabelSpans, times: npt.ArrayLike | None = None) -> Iterator[Fold]:
        """Each split as ranges of positions among `labels`; `times` (one a label) where a length is told in time, or is "auto"."""

    @abstractmethod
    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """The number of splits."""

    def split(
        self, X: object, y: object = None, groups: object = None, times: npt.ArrayLike | None = None
    ) -> Iterator[tuple[Int64Array, Int64Array]]:
        """Yield (train, test), ascending int64 positions of rows, for each split.

        Parameters
        ----------
        X : anything with one row for each label, in the order of time
        y, groups : not looked at
        times : the rows' times: ms, NumPy or pandas dates, ascending
        """
        spans = self.spans_of_rows(n_rows(X))
        return ((fold.train.positions(), fold.test.positions()) for fold in self.folds(spans, times))

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

    def lengths(self, n: int, times: npt.ArrayLike | None) -> tuple[int, int]:
        """Purge and embargo in base bars for `n` labels."""
        stamps = None if times is None else milliseconds(times, n)
        purge = auto_bars("purge", n, stamps) if self.purge == "auto" else self.purge
        embargo = auto_bars("embargo", n, stamps) if self.embargo == "auto" else self.embargo
        return purge, embargo

    def check_spans_and_lengths(self) -> None:
        """What every splitter checks of itself when it is made."""
        name = type(self).__name__
        for which, value in (("purge", self.purge), ("embargo", self.embargo)):
            if value != "auto" and (not isinstance(value, int | np.integer) or value < 0):
                raise SplitError(f"{name}.{which}", f"{value!r}", expected="0 or more bars, or 'auto'")
        if (self.t0 is None) != (self.t1 is None) or (self.labels is not None and self.t0 is not None):
            raise SplitError(f"{name}.labels", "spans told by halves or twice", expected="labels, or t0 and t1 together, or neither")


def n_rows(X: object) -> int:
    """Rows of whatever scikit-learn takes for X."""
    shape = getattr(X, "shape", None)
    if shape:
        return int(cast("tuple[Any, ...]", shape)[0])
    if isinstance(X, Sized):
        return len(X)
    raise SplitError("X", f"a value of type {type(X).__name__}", expected="rows: an array, a frame or a list")
