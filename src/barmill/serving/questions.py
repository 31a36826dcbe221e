"""What is asked, in a form that any version can be asked it: rows of features, or bars."""

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from barmill.errors import ForecastError, InputError
from barmill.features import FeatureTable
from barmill.market import Bars
from barmill.serving.answers import Float64Array, Int64Array, StreamStatus
from barmill.serving.refusals import Refusal
from barmill.serving.served import ServedModel


class Unsuitable(Exception):
    """A version has no answer to this, and that is nothing against it; the message says why.

    reason : as in `Answer.reason`
    """

    def __init__(self, message: str, reason: str = "model_error") -> None:
        self.reason = reason
        super().__init__(message)


class ModelFailed(Exception):
    """A version raised something instead of answering.

    reason : as in `Answer.reason`
    in_range : as of `Said`
    """

    def __init__(self, error: Exception, in_range: bool) -> None:
        self.reason = error.reason if isinstance(error, ForecastError) else "model_error"
        self.in_range = in_range
        super().__init__(f"{type(error).__name__}: {error}")


class Said(NamedTuple):
    """What a version says of the rows that it was asked for.

    columns : as its pipeline gave them, checked by nobody yet
    n_rows : how many there must be
    open_time, known_at : int64 (n,), None for rows of features
    notes : what the asker ought to know
    in_range : no feature lay far outside the range of training, so that a failure is the model's own
    stream : where the stream stands, for a bar of one
    by : name, version, number and digest of who says it, where that is another than was asked: a stream repeats what was said before
    """

    columns: Any
    n_rows: int
    open_time: Int64Array | None = None
    known_at: Int64Array | None = None
    notes: tuple[str, ...] = ()
    in_range: bool = True
    stream: StreamStatus | None = None
    by: tuple[str, str, int, str] | None = None


class Question(Protocol):
    """Asked on any thread, of one version after another."""

    @property
    def light(self) -> bool:
        """Whether it takes about what one row of the model takes, so that a fast model may be asked at once."""
        ...

    @property
    def lasting(self) -> bool:
        """Whether asking it leaves something behind, so that it is asked even of a version that failed of late."""
        ...

    def aside(self) -> "Question | None":
        """The same question to ask later, of another version, when the asker may have written over what was given; None for none."""
        ...

    def ask(self, served: ServedModel) -> Said:
        """Raises ModelFailed for whatever the model raises, Unsuitable where it cannot be asked, Refusal where the question is wrong."""
        ...

    def unanswered(self, served: ServedModel) -> Said:
        """The rows that `served` would have answered, without columns, where no model did. Raises Refusal as `ask`."""
        ...


@dataclass(frozen=True, eq=False)
class OfFeatures:
    """Rows of features, checked.

    values : float64 (n, n_names) or (n, window, n_names); names : their columns
    notes, in_range : what the check found
    """

    values: Float64Array
    names: tuple[str, ...]
    notes: tuple[str, ...]
    in_range: bool

    @property
    def light(self) -> bool:
        return len(self.values) == 1

    @property
    def lasting(self) -> bool:
        return False

    def aside(self) -> "OfFeatures":
        return replace(self, values=self.values.copy())

    def ask(self, served: ServedModel) -> Said:
        schema = served.schema
        values = self.values if schema.names == self.names else self._selected(served)
        n_rows, depth = len(values), schema.rows
        flat = schema.spread(values.reshape(n_rows * depth, len(schema.names)))
        try:
            columns = served.forecast_row(flat) if n_rows == 1 else None
            if columns is None:
                ends = np.arange(depth - 1, n_rows * depth, depth, dtype=np.int64)
                columns = served.bundle.pipeline.run(flat, ends, place=served.label)
        except Exception as error:  # models are of many libraries, each with errors of its own
            raise ModelFailed(error, self.in_range) from error
        return Said(columns, n_rows, notes=self.notes, in_range=self.in_range)

    def unanswered(self, served: ServedModel) -> Said:
        return Said(None, len(self.values), notes=self.notes)

    def _selected(self, served: ServedModel) -> Float64Array:
        """The columns, and the newest rows of each window, that another version reads."""
        schema = served.schema
        missing = [name for name in schema.names if name not in self.names]
        given = 1 if self.values.ndim == 2 else self.values.shape[1]
        if schema.needs_bars or missing or given < schema.rows:
            raise Unsuitable(f"{served.label} needs {'bars' if schema.needs_bars else ', '.join(missing) or f'{schema.rows} rows each'}")
        windows = self.values.reshape(len(self.values), given, len(self.names))[:, given - schema.rows :]
        return np.ascontiguousarray(windows[..., [self.names.index(name) for name in schema.names]])


@dataclass(frozen=True, eq=False)
class OfBars:
    """The last ready ones of some bars, checked.

    last : how many; notes : what the check found
    """

    bars: Bars
    last: int
    notes: tuple[str, ...]

    @property
    def light(self) -> bool:
        return False

    @property
    def lasting(self) -> bool:
        return False

    def aside(self) -> "OfBars":
        return self

    def ask(self, served: ServedModel) -> Said:
        bundle, bars = served.bundle, self.bars
        if lacking := bundle.plan.missing(bars.frame.columns):
            raise Unsuitable(f"{served.label} needs further columns for {', '.join(lacking)}")
        try:
            bundle.check_bars(bars)
            table, closed = bundle.plan.compute(bars), bundle.pipeline.closed(bars)
            ready = np.flatnonzero(bundle.pipeline.ready(table.ready, closed))
        except InputError as error:
            raise Refusal("invalid", "bad_bars", "bars", str(error)) from error
        except Exception as error:  # kernels and calendars raise errors of their own
            raise ModelFailed(error, in_range=False) from error
        if not ready.size:
            raise _undefined(served, table) if len(bars) >= bundle.needed_bars else _too_short(served, len(bars))
        rows = ready[-self.last :]
        outside = served.schema.out_of_range(table.values[rows][:, served.schema.positions])
        try:
            forecast = bundle.forecast_table(table, since=int(table.open_time[rows[0]]), closed=closed, walk=bundle.walk(bars))
            columns = {name: forecast.frame[name].to_numpy() for name in bundle.outputs}
        except Exception as error:  # models are of many libraries, each with errors of its own
            raise ModelFailed(error, not outside) from error
        notes = tuple(note for note in (*self.notes, *self._history(served, len(rows)), outside) if note)
        return Said(columns, len(rows), table.open_time[rows], table.close_time[rows], notes, not outside)

    def unanswered(self, served: ServedModel) -> Said:
        n_bars = len(self.bars)
        if n_bars < served.bundle.needed_bars:
            raise _too_short(served, n_bars)
        n_rows = min(self.last, n_bars - served.bundle.needed_bars + 1)
        return Said(None, n_rows, self.bars.open_time[-n_rows:], self.bars.close_time[-n_rows:], self.notes)

    def _history(self, served: ServedModel, n_rows: int) -> tuple[str, str]:
        settled = served.bundle.settled_bars
        short = f"{n_rows} of {self.last} rows: the bars before them warm up" if n_rows < self.last else ""
        young = f"the history has {len(self.bars)} bars; where it began no longer matters after {settled}"
        return short, young if len(self.bars) < settled else ""


def _undefined(served: ServedModel, table: FeatureTable) -> Refusal:
    """Enough bars, and none on which every feature has a value."""
    lacking = [name for name, value in zip(table.names, table.values[-1].tolist(), strict=True) if not math.isfinite(value)]
    more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
    what = f"'{lacking[0]}'{more} at the last" if lacking else "the bars of a longer timeframe before them"
    found = f"{len(table)} bars, none of which can be forecast: no value of {what}"
    expected = f"{served.bundle.needed_bars} bars without a gap"
    mend = "After a gap the history begins anew; and of prices or volumes too large or too small to be squared a feature has no value."
    return Refusal("invalid", "feature_undefined", "bars", found, expected=expected, mend=mend)


def _too_short(served: ServedModel, n_bars: int) -> Refusal:
    needed = served.bundle.needed_bars
    found = f"{n_bars} bars, none of which can be forecast: at least {max(needed - n_bars, 1)} more must come before them"
    return Refusal("invalid", "history_too_short", "bars", found, expected=f"{needed} bars without a gap")


__all__ = ["ModelFailed", "OfBars", "OfFeatures", "Question", "Said", "Unsuitable"]
