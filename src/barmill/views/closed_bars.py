"""From bars to the bases of a multi-resolution view: what closed on each timeframe, when it was known, and how it is scaled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, InputError, SchemaError, ShapeError
from barmill.views._positions import Float32Array, Positions, checked_positions
from barmill.views.scaling import RobustScaler

if TYPE_CHECKING:
    from barmill.features import Feature
    from barmill.market import Bars, Timeframe

Float64Array = npt.NDArray[np.float64]
Anchor = Literal["epoch", "session"]

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, eq=False)
class ClosedBars:
    """One timeframe's closed bars.

    asked : the timeframe as the caller wrote it
    names : tuple of str, the columns
    values : float64 array of shape (n_closed, n_features), C-contiguous
    last : int64 array of shape (n_bars,), the row that has closed last at the close of each base bar; -1 if none has
    n_base : int, base bars that a bar of the timeframe lasts
    """

    asked: "str | Timeframe"
    timeframe: str
    names: tuple[str, ...]
    values: Float64Array
    last: Positions
    n_base: int


def closed_bars(bars: "Bars", timeframes: "Sequence[str | Timeframe]", names: tuple[str, ...], anchor: Anchor) -> list[ClosedBars]:
    """The columns `names` of the bars of each timeframe, shortest first; see `MultiResolution.of`."""
    from barmill.market import Timeframe

    if not timeframes or not names:
        raise InputError("multi-resolution view", f"{len(timeframes)} timeframes of {len(names)} columns", expected="at least one of each")
    parsed = [(one if isinstance(one, Timeframe) else Timeframe.parse(one), one) for one in timeframes]
    parsed.sort(key=lambda pair: pair[0].minutes)
    for (one, spelt), (other, again) in pairwise(parsed):
        if one == other:
            raise InputError("multi-resolution view", f"'{spelt}' and '{again}' are one timeframe", mend="Keep one of them.")
    return [_closed(bars, timeframe, asked, names, anchor) for timeframe, asked in parsed]


def _closed(bars: "Bars", timeframe: "Timeframe", asked: "str | Timeframe", names: tuple[str, ...], anchor: Anchor) -> ClosedBars:
    # the view's own class is imported with every model; the engine is not needed there
    from barmill.features import parse_feature
    from barmill.market import resample

    longer = resample(bars, timeframe, anchor)
    values = np.empty((len(longer), len(names)))
    features = [name for name in names if name not in longer.frame.columns]
    for column, name in enumerate(names):
        if name not in features:
            values[:, column] = longer.column(name)
    if features:
        columns = [names.index(name) for name in features]
        values[:, columns] = _computed(longer, [parse_feature(name, timeframe) for name in features])
    # A bar that closes with a base bar is known with it; one that ended within a gap is known with the next base bar.
    last = np.searchsorted(longer.close_time, bars.close_time, side="right") - 1
    return ClosedBars(asked, str(timeframe), names, values, last.astype(np.int64), timeframe.minutes // bars.timeframe.minutes)


def _computed(bars: "Bars", features: "Sequence[Feature]") -> Float64Array:
    """Values of `features` at each of `bars`, float64 of shape (n_bars, n_features).

    The last bar of a session may be shorter than the others, which a plan refuses; the scan reads when each closes, as it reads
    the longer bars that it makes itself.
    """
    from barmill.features import FeaturePlan
    from barmill.features.computing import new_reader, new_scan
    from barmill.features.kernels.kernel import CLOSE_TIME

    plan = FeaturePlan(bars.timeframe, tuple(features), calendar=bars.instrument.calendar)
    reader = new_reader(plan)
    rows = np.empty((reader.n_rows, len(bars)))
    reader.read(bars, 0, len(bars), rows)
    rows[CLOSE_TIME] = bars.close_time
    values = np.empty((len(bars), len(features)))
    for _ in new_scan(plan).advance(rows, values):
        pass
    return values


def log_bases(closed: Iterable[ClosedBars]) -> list[Float64Array]:
    """Values with prices as logarithms. They stay float64, because ln 50,000 in float32 moves in steps of a hundredth of a basis point."""
    return [log_base(one.timeframe, one.names, one.values) for one in closed]


def log_base(timeframe: str, names: tuple[str, ...], values: Float64Array) -> Float64Array:
    """A copy of `values` (n_closed, n_features) with prices as logarithms. Raises DataError for a price that is not above 0."""
    base = np.ascontiguousarray(values).copy()
    columns = [column for column, name in enumerate(names) if name in PRICES]
    prices = base[:, columns]
    if (prices <= 0.0).any():
        row, at = (int(number) for number in np.argwhere(prices <= 0.0)[0])
        found = f"{names[columns[at]]} {prices[row, at]}"
        raise DataError(f"bar {row} of {timeframe}", found, expected="a price above 0", mend="Take normalise='raw' or scalers.")
    base[:, columns] = logarithms_of(prices)
    return base


def logarithms_of(values: Float64Array) -> Float64Array:
    """ln of each number of `values` (n, m): the same bits whether they come at once or one by one."""
    from barmill.views import _gathering

    values = np.ascontiguousarray(values)
    out = np.empty_like(values)
    _gathering.logarithms.compiled(values, out)
    return out


def scaled_bases(closed: Iterable[ClosedBars], scalers: Mapping[str, RobustScaler]) -> list[Float32Array]:
    """Values through the scaler of their timeframe. Raises SchemaError if one is missing or was fitted on other columns."""
    bases: list[Float32Array] = []
    for one in closed:
        scaler = scalers.get(one.timeframe)
        if scaler is None:
            raise SchemaError("multi-resolution scalers", f"none for {one.timeframe}", expected=f"one of {', '.join(scalers) or 'each'}")
        if scaler.names != one.names:
            found = f"is of {', '.join(scaler.names)}"
            raise SchemaError(f"multi-resolution scaler of {one.timeframe}", found, expected=", ".join(one.names))
        bases.append(scaler.transform(one.values))
    return bases


def fit_scalers(
    bars: "Bars",
    timeframes: "Sequence[str | Timeframe]",
    rows: npt.ArrayLike,
    names: Sequence[str] = (*PRICES, "volume"),
    anchor: Anchor = "epoch",
) -> dict[str, RobustScaler]:
    """A scaler for each timeframe, by its name, fitted on the bars that were the newest at one of the training rows.

    Parameters
    ----------
    bars, names, anchor : as in `MultiResolution.of`
    timeframes : sequence of str or Timeframe
    rows : int array of shape (n,), the training rows: positions of base bars

    What is fitted has closed at or before the close of the last training row. `fitted_on` counts bars of the timeframe itself.
    Raises: as `MultiResolution.of`; ShapeError if no bar of a timeframe is ready at any of the rows.
    """
    positions = checked_positions("fit_scalers.rows", rows, 0, len(bars), "A row is the position of a base bar.")
    scalers: dict[str, RobustScaler] = {}
    for one in closed_bars(bars, timeframes, tuple(names), anchor):
        known = np.unique(one.last[positions])
        known = known[known >= 0]
        known = known[np.isfinite(one.values[known]).all(axis=1)]
        if not known.size:
            raise ShapeError("fit_scalers.rows", f"at none of the {positions.size} rows a bar of {one.timeframe} is ready")
        scalers[one.timeframe] = RobustScaler.fit(one.values, known, one.names)
    return scalers
