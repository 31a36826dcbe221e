"""What is known of an experiment, as far as leakage checks need it. What is None makes the checks that need it not applicable."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.evaluation.audit.tables import FeatureMaker

if TYPE_CHECKING:
    from barmill.market import Bars

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
Learned = Mapping[str, npt.ArrayLike]
FitPredict = Callable[[Float64Array, Int64Array, Float64Array, int], npt.ArrayLike]
"""(X_train, y_train, X_test, seed) -> probability of class 1 (the last class) of each test row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """Something that was fitted, what it says of itself, and the means to prove it.

    Parameters
    ----------
    what : str, such as "scaler", "selector", "target encoder", "tuning", "early stopping", "calibration"
    rows : int64 array, positions among the decisions on which it says it was fitted (or chosen, or stopped)
    judged_by : names of the blocks that judge what it is part of; none of their rows, and no row whose label overlaps theirs, may be
        among `rows`
    columns : the columns that it makes or chooses, empty for all
    values : what it learned, by name: arrays of any shape, or texts (the columns that a selector chose)
    refit : positions -> what fitting it on these alone learns; with `values` it proves or disproves the claim. Deterministic
    rtol : relative difference at which two fits are the same
    """

    what: str
    rows: Int64Array
    judged_by: tuple[str, ...] = ("test",)
    columns: tuple[str, ...] = ()
    values: Learned | None = None
    refit: Callable[[Int64Array], Learned] | None = None
    rtol: float = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HigherTimeframe:
    """What a column of a higher timeframe may show when.

    Parameters
    ----------
    minutes : int, length of its bars; their ends are counted from the Unix epoch unless `close_time` says otherwise
    close_time : int64 (k,), ms, the ends of its bars, ascending; where bars follow a session
    values : float64 (k,), the column's value of each bar; then the column must equal the last closed bar's
    """

    minutes: int
    close_time: Int64Array | None = None
    values: Float64Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SecondSeries:
    """The rows of a second series behind a column, as they became known.

    Parameters
    ----------
    column : str, the column that shows it
    known_at : int64 (k,), ms at which each row was known; a revision is a further row with a later time
    values : float64 (k,) or None, the values; then the column must equal the last one known
    value_time : int64 (k,) or None, ms that each row is about: its label
    shown : int64 (n,) or None, for each decision the number of the row that the column shows, -1 for none; where `values` is None
    """

    column: str
    known_at: Int64Array
    values: Float64Array | None = None
    value_time: Int64Array | None = None
    shown: Int64Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Dossier:
    """An experiment as its leakage checks see it; n decisions, F columns, n_bars bars.

    Parameters
    ----------
    columns : names of the features, F of them
    X : float64 (n, F), values at the decisions' bars, as the models get them (scaled or not)
    table : float64 (n_bars, F), instead of X: values of every bar, of which row t0 is a decision's; may be memory-mapped
    y : int64 (n,), class; outcome : float64 (n,), return of the label, net or gross
    t0, t1 : int64 (n,), first and last bar of each label, both included, in order of t0
    known_at : int64 (n,), ms, close of bar t0: when the decision falls
    blocks : name to positions among the decisions, in the order in time
    trained_on, judged_by : names of the blocks that models learn from, and that judge
    in_time_order : whether each block must lie before the next; False where training surrounds the test, as in cross-validation
    embargo_bars : int, bars left free after a training block's latest label end, and before a judging block
    base_close_time : int64 (n_bars,), ms; close : float64 (n_bars,); both from `bars` where that is given
    bars : the bars, with which checks know highs, lows and volumes too, and on which `feature_maker` is audited
    higher_timeframes : column to `HigherTimeframe`
    feature_maker : what makes the columns from bars, see `audit_features`
    fitted : what was fitted, and on what; an empty tuple says that nothing was
    fit_predict : trains on the first arguments and forecasts the third; a small LightGBM where it is None
    second_series : what second series showed

    Raises: ShapeError for arrays that do not fit together.
    """

    columns: tuple[str, ...] = ()
    X: Float64Array | None = None
    table: Float64Array | None = None
    y: Int64Array | None = None
    outcome: Float64Array | None = None
    t0: Int64Array | None = None
    t1: Int64Array | None = None
    known_at: Int64Array | None = None
    blocks: Mapping[str, Int64Array] | None = None
    trained_on: tuple[str, ...] = ("train",)
    judged_by: tuple[str, ...] = ("test",)
    in_time_order: bool = True
    embargo_bars: int | None = None
    base_close_time: Int64Array | None = None
    close: Float64Array | None = None
    bars: "Bars | None" = None
    higher_timeframes: Mapping[str, HigherTimeframe] | None = None
    feature_maker: FeatureMaker | None = None
    fitted: tuple[Fitted, ...] | None = None
    fit_predict: FitPredict | None = None
    second_series: tuple[SecondSeries, ...] | None = None

    def __post_init__(self) -> None:
        n = self.n
        for name in ("y", "outcome", "t0", "t1", "known_at"):
            array = getattr(self, name)
            if array is not None and array.shape != (n,):
                raise ShapeError(f"Dossier.{name}", f"has shape {array.shape}", expected=f"({n},), one for each decision")
        width = self._values.shape[1] if self._values is not None else len(self.columns)
        if len(self.columns) != width or len(set(self.columns)) != width:
            raise ShapeError("Dossier.columns", f"{len(set(self.columns))} different names", expected=f"{width}, one for each column")
        if self.table is not None and self.t0 is None:
            raise ShapeError("Dossier.table", "comes without t0", expected="the bar of each decision")
        for name, rows in (self.blocks or {}).items():
            if rows.ndim != 1 or (rows.size and (rows.min() < 0 or rows.max() >= n)):
                raise ShapeError(f"Dossier.blocks[{name!r}]", "holds what is no position", expected=f"integers from 0 to {n - 1}")

    @property
    def _values(self) -> Float64Array | None:
        return self.X if self.X is not None else self.table

    @cached_property
    def n(self) -> int:
        """How many decisions there are; 0 where nothing says."""
        arrays = (self.t0, self.X, self.y, self.outcome, self.known_at)
        return next((len(array) for array in arrays if array is not None), 0)

    @property
    def has_values(self) -> bool:
        """Whether there are values of columns to look at."""
        return self._values is not None and bool(self.columns) and self.n > 0

    def rows(self, positions: Int64Array, columns: slice = slice(None)) -> Float64Array:
        """Values at the decisions `positions`, float64 of shape (len(positions), number of columns): a copy."""
        if self.X is not None:
            return np.asarray(self.X[positions, columns], dtype=np.float64)
        assert self.table is not None
        assert self.t0 is not None
        return np.asarray(self.table[self.t0[positions], columns], dtype=np.float64)

    @property
    def prices(self) -> Float64Array | None:
        """Closes of all bars."""
        return self.close if self.close is not None else self.bars.close if self.bars is not None else None

    @property
    def close_times(self) -> Int64Array | None:
        """Close times of all bars, ms."""
        if self.base_close_time is not None or self.bars is None:
            return self.base_close_time
        return self.bars.close_time

    @property
    def decision_times(self) -> Int64Array | None:
        """When each decision falls: `known_at`, or the close of bar t0."""
        if self.known_at is not None or self.t0 is None or self.close_times is None:
            return self.known_at
        return self.close_times[self.t0]

    def named_blocks(self, names: Iterable[str]) -> Iterator[tuple[str, Int64Array]]:
        """The blocks of these names that there are and hold a row."""
        blocks = self.blocks or {}
        return ((name, blocks[name]) for name in names if name in blocks and blocks[name].size)


__all__ = ["Dossier", "FitPredict", "Fitted", "HigherTimeframe", "SecondSeries"]
