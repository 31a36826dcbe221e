"""Bars as the frames that people write features on, and what comes back as a table of numbers."""

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np

from barmill.errors import DataError, InputError, MissingDependency
from barmill.evaluation.audit.tables import MadeTable, as_numbers, unlike

if TYPE_CHECKING:
    from barmill.market import Bars

FrameKind = Literal["pandas", "polars", "dict", "bars"]
FRAME_KINDS: tuple[FrameKind, ...] = get_args(FrameKind)
TIME_COLUMNS = ("open_time", "close_time")  # what a table may carry beside its features


def as_frame(bars: "Bars", kind: FrameKind) -> Any:
    """A fresh copy of the bars, so that a function which writes to its input harms nobody.

    pandas : index `open_time` (UTC), columns open, high, low, close, volume and the further ones, float64
    polars : the same with `open_time` as a column, Datetime("ms", "UTC")
    dict : `open_time` int64 ms UTC, the others float64, each of shape (n_bars,)
    bars : Barmill's own `Bars`, which cannot be written to
    """
    return _MAKERS[kind](bars)


def kind_for(function: Callable[..., Any], asked: str | None, place: str) -> FrameKind:
    """What `function` takes: what was asked for, else what its first parameter is annotated with, else what its module imports.

    Raises: InputError if nothing tells.
    """
    if asked is not None:
        if asked not in FRAME_KINDS:
            raise InputError("--frame", f"is '{asked}'", expected=", ".join(FRAME_KINDS))
        return asked
    code = getattr(function, "__code__", None)
    first = code.co_varnames[0] if code is not None and code.co_argcount else ""
    known = getattr(function, "__annotations__", {}).get(first)
    told = known if isinstance(known, str) else f"{getattr(known, '__module__', '')}.{getattr(known, '__qualname__', known or '')}"
    for kind, words in _WORDS.items():
        if any(word in told for word in words):
            return kind
    modules = {str(getattr(value, "__name__", "")) for value in getattr(function, "__globals__", {}).values()}
    if ("pandas" in modules) != ("polars" in modules):
        return "pandas" if "pandas" in modules else "polars"
    mend = "Annotate its first parameter, or say --frame pandas, polars, dict or bars."
    raise InputError(place, "nothing tells what frame it takes", mend=mend)


def as_table(made: object, place: str) -> MadeTable:
    """What a function gave as a table: a pandas, Polars or NumPy object of one or two axes, or a dict of columns.

    Columns of times named open_time or close_time are left out. Raises DataError for anything else, or no column.
    """
    if (whole := _whole_block(made)) is not None:
        return whole
    columns = _columns_of(made, place)
    names = tuple(name for name in columns if name not in TIME_COLUMNS)
    if not names:
        raise DataError(place, "gives no features", expected="a row per bar and a column per feature")
    lengths = {len(columns[name]) for name in names}
    if len(lengths) > 1:
        raise DataError(place, f"gives columns of {min(lengths)} to {max(lengths)} rows", expected="a row per bar in each")
    numbers = [as_numbers(columns[name]) for name in names]
    single = all(column.dtype == np.float32 for column in numbers)
    values = np.empty((lengths.pop(), len(names)), dtype=np.float32 if single else np.float64, order="F")  # filled by columns
    for i, column in enumerate(numbers):
        values[:, i] = column
    return MadeTable(names, values)


def _whole_block(made: object) -> MadeTable | None:
    """A pandas frame of one kind of float as it lies in memory: a copy of a million rows of many features would be dear."""
    if type(made).__module__.split(".")[0] != "pandas" or not hasattr(made, "columns"):
        return None
    frame = cast("Any", made)
    names, kinds = tuple(map(str, frame.columns)), {str(kind) for kind in frame.dtypes}
    if kinds not in ({"float64"}, {"float32"}) or unlike(names) or any(name in TIME_COLUMNS for name in names):
        return None
    return MadeTable(names, frame.to_numpy())


def _pandas(bars: "Bars") -> Any:
    pandas = _library("pandas")
    index = pandas.DatetimeIndex(bars.open_time.astype("datetime64[ms]"), tz="UTC", name="open_time")
    return pandas.DataFrame(_numbers(bars), index=index)


def _polars(bars: "Bars") -> Any:
    import polars as pl

    times = pl.Series("open_time", bars.open_time).cast(pl.Datetime("ms", "UTC"))
    return pl.DataFrame([times, *(pl.Series(name, values) for name, values in _numbers(bars).items())])


def _dict(bars: "Bars") -> Any:
    return {"open_time": bars.open_time.copy(), **_numbers(bars)}


def _numbers(bars: "Bars") -> dict[str, np.ndarray]:
    return {name: bars.column(name).copy() for name in bars.frame.columns if name not in TIME_COLUMNS}


_MAKERS: dict[str, Callable[["Bars"], Any]] = {"pandas": _pandas, "polars": _polars, "dict": _dict, "bars": lambda bars: bars}
_WORDS: dict[FrameKind, tuple[str, ...]] = {
    "pandas": ("pandas", "pd."),
    "polars": ("polars", "pl."),
    "dict": ("dict", "Mapping"),
    "bars": ("Bars",),
}


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependency(name, "is not installed, and these features take its frames", mend=f"pip install {name}") from error


def _columns_of(made: object, place: str) -> dict[str, np.ndarray]:
    library = type(made).__module__.split(".")[0]
    if isinstance(made, Mapping):
        return {str(name): np.asarray(values) for name, values in cast("Mapping[object, Any]", made).items()}
    if isinstance(made, np.ndarray):
        array = cast("np.ndarray", made)
        if array.ndim in (1, 2):
            table = array[:, None] if array.ndim == 1 else array
            return {f"feature_{i}": table[:, i] for i in range(table.shape[1])}
        raise DataError(place, f"gives an array of shape {array.shape}", expected="(n_bars,) or (n_bars, n_features)")
    if library in ("pandas", "polars"):
        frame = cast("Any", made)
        if not hasattr(frame, "columns"):  # a series
            frame = frame.to_frame() if frame.name else frame.to_frame("feature")
        names = [str(name) for name in frame.columns]
        if twice := unlike(names):
            raise DataError(place, f"gives two columns called '{twice}'", mend="Give each feature a name of its own.")
        return {name: frame[given].to_numpy() for name, given in zip(names, frame.columns, strict=True)}
    if hasattr(made, "names") and hasattr(made, "values"):  # Barmill's own FeatureTable
        table = cast("Any", made)
        return {name: table.values[:, i] for i, name in enumerate(table.names)}
    expected = "a pandas or Polars frame or series, a NumPy array, or a dict of columns"
    raise DataError(place, f"gives {type(made).__name__}", expected=expected)


__all__ = ["FRAME_KINDS", "FrameKind", "as_frame", "as_table", "kind_for"]
