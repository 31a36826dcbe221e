"""The bodies of /v1, typed, and the arrays that they say."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from barmill.market import Bar
from barmill.serving.answers import Float64Array, RawBars
from barmill.serving.http.limits import Limits, check_rows
from barmill.serving.http.strict_json import StrictJson
from barmill.serving.refusals import Refusal

BAR_FIELDS = ("open_time", "open", "high", "low", "close", "volume")

BarObject = dict[str, int | float]
BarColumns = dict[str, list[int | float]]
Row = list[float]
Window = list[float | list[float]]  # a row of numbers, or the rows of a window
Instances = list[dict[str, float] | Window]


class ForecastBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is forecast: bars, with the history that warms up the features, or features."""

    bars: list[BarObject] | BarColumns | UnsetType = UNSET
    last: int | UnsetType = UNSET
    features: dict[str, float] | Instances | UnsetType = UNSET
    names: list[str] | UnsetType = UNSET
    schema_hash: str | UnsetType = UNSET


class PredictBody(msgspec.Struct, forbid_unknown_fields=True):
    """KServe's first protocol: rows of features."""

    instances: Instances


class AliasBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which version gets an alias, and for what share of the requests; a canary's must be said."""

    version: str
    share: Annotated[float, msgspec.Meta(extra_json_schema={"exclusiveMinimum": 0, "maximum": 1})] | UnsetType = UNSET


class ClassifyBody(msgspec.Struct, forbid_unknown_fields=True):
    """A picture, by row from the top, bar from the oldest and channel, every value in 0 .. 1; or the bars to draw it from."""

    image: list[list[list[float]]] | UnsetType = UNSET
    bars: list[BarObject] | BarColumns | UnsetType = UNSET


class NearestBody(msgspec.Struct, forbid_unknown_fields=True):
    """An embedding; `before`, UTC milliseconds, leaves out the times whose outcome was not known by then."""

    embed: list[float]
    k: Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 1, "maximum": 1000, "default": 20})] | UnsetType = UNSET
    before: int | UnsetType = UNSET


class Features(NamedTuple):
    """values : float64 (n, n_names) or (n, window, n_names); names : of the columns, None for the schema's order"""

    values: Float64Array
    names: tuple[str, ...] | None


def _keys_of_bars(bars: "list[BarObject] | BarColumns") -> int:
    return len(bars) if isinstance(bars, dict) else sum(map(len, bars))


def _keys_of_instances(rows: "Sequence[dict[str, float] | Window]") -> int:
    return sum(len(row) for row in rows if isinstance(row, dict))


def _forecast_keys(body: ForecastBody) -> int:
    keys = 0
    if body.features is not UNSET:
        keys += 1 + (len(body.features) if isinstance(body.features, dict) else _keys_of_instances(body.features))
    if body.bars is not UNSET:
        keys += 1 + _keys_of_bars(body.bars)
    return keys + (body.last is not UNSET) + (body.names is not UNSET) + (body.schema_hash is not UNSET)


def _classify_keys(body: ClassifyBody) -> int:
    return (body.image is not UNSET) + (0 if body.bars is UNSET else 1 + _keys_of_bars(body.bars))


PushBody = dict[str, int | float | list[BarObject] | BarColumns]


def _push_keys(body: PushBody) -> int:
    return len(body) + sum(_keys_of_bars(value) for value in body.values() if isinstance(value, list | dict))


class Bodies:
    """Decoders of the bodies of /v1, under some limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.forecast = StrictJson[ForecastBody](ForecastBody, _forecast_keys, limits.max_depth).decode
        self.predict = StrictJson[PredictBody](PredictBody, lambda body: 1 + _keys_of_instances(body.instances), limits.max_depth).decode
        self.classify = StrictJson[ClassifyBody](ClassifyBody, _classify_keys, limits.max_depth).decode
        self.nearest = StrictJson[NearestBody](
            NearestBody, lambda body: 1 + (body.k is not UNSET) + (body.before is not UNSET), limits.max_depth
        ).decode
        self.push = StrictJson[PushBody](PushBody, _push_keys, limits.max_depth).decode

    def bars(self, bars: "list[BarObject] | BarColumns", place: str = "bars", *, volume: bool = True) -> RawBars:
        """Arrays of bars that came as objects or as columns; without `volume` it may be missing, and is 0.

        Raises Refusal naming the first that lacks a column, or has another length.
        """
        columns = bars if isinstance(bars, dict) else _columns(bars, place, self.limits)
        if not volume and "volume" not in columns and "open_time" in columns:
            columns = columns | {"volume": [0.0] * len(columns["open_time"])}
        for name in BAR_FIELDS:
            if name not in columns:
                raise Refusal("invalid", "missing_column", f"{place}.{name}", "is missing", expected=", ".join(BAR_FIELDS))
        n_bars = len(columns["open_time"])
        check_rows(n_bars, self.limits.max_bars, place)
        for name, values in columns.items():
            if len(values) != n_bars:
                expected = f"{n_bars}, as open_time has"
                raise Refusal("invalid", "wrong_length", f"{place}.{name}", f"{len(values)} values", expected=expected)
        arrays = {name: np.array(values, dtype=np.float64) for name, values in columns.items() if name != "open_time"}
        ohlcv = np.column_stack([arrays.pop(name) for name in BAR_FIELDS[1:]]) if n_bars else np.empty((0, 5))
        times = [time_of(value, f"{place}.open_time[{number}]") for number, value in enumerate(columns["open_time"])]
        return RawBars(np.array(times, dtype=np.int64), ohlcv, arrays)

    def image(self, image: list[list[list[float]]]) -> npt.NDArray[np.float32]:
        """The picture, float32 of whatever shape it has. Raises Refusal where its rows differ."""
        with np.errstate(over="ignore"):  # what single precision does not hold is infinite, and refused as such
            return _array(image, "image").astype(np.float32)

    def features(self, features: "dict[str, float] | Instances", names: Sequence[str] | None, place: str = "features") -> Features:
        """Arrays of features that came by name or by position."""
        if isinstance(features, dict):
            return Features(np.array([list(features.values())], dtype=np.float64), tuple(features))
        check_rows(len(features), self.limits.max_rows, place)
        if features and all(isinstance(row, dict) for row in features):
            return _named_rows(features, place)  # pyright: ignore[reportArgumentType]  # all of them are dicts
        if not all(isinstance(row, list) for row in features):
            raise Refusal("invalid", "mixed_rows", place, "some rows are objects and some are not", expected="all alike")
        return Features(_array(features, place), None if names is None else tuple(names))


def bar_of(body: Mapping[str, Any], place: str = "") -> Bar:
    """One bar of its fields; the rest are further columns."""
    dot = f"{place}." if place else ""
    for name, value in body.items():
        if not isinstance(value, int | float):
            raise Refusal("invalid", "invalid_body", f"{dot}{name}", "is no number", expected="a number")
    try:
        opened, *prices = (body[name] for name in BAR_FIELDS)
    except KeyError as error:
        raise Refusal("invalid", "missing_column", f"{dot}{error.args[0]}", "is missing", expected=", ".join(BAR_FIELDS)) from error
    time = time_of(opened, f"{dot}open_time")
    high_to_volume = map(float, prices)
    further = {name: float(value) for name, value in body.items() if name not in BAR_FIELDS} if len(body) > len(BAR_FIELDS) else {}
    return Bar(time, *high_to_volume, extra=further)


def _columns(bars: "list[BarObject]", place: str, limits: Limits) -> BarColumns:
    check_rows(len(bars), limits.max_bars, place)
    names = tuple(bars[0]) if bars else BAR_FIELDS
    for number, bar in enumerate(bars):
        if bar.keys() != bars[0].keys():
            other = sorted(bar.keys() ^ bars[0].keys())[0]
            found = "is missing" if other in bars[0] else "is not in the bars before"
            raise Refusal("invalid", "missing_column", f"{place}[{number}].{other}", found, expected=", ".join(names))
    return {name: [bar[name] for bar in bars] for name in names}


def time_of(value: float, place: str) -> int:
    """`value` as a time. Raises Refusal naming `place` for one that no integer of 64 bits holds."""
    if isinstance(value, float) or not -(2**63) <= value < 2**63:
        raise Refusal("invalid", "invalid_time", place, f"{value:g}", expected="an integer, UTC milliseconds")
    return value


def _named_rows(rows: "Sequence[dict[str, float]]", place: str) -> Features:
    names = tuple(rows[0])
    for number, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            other = sorted(row.keys() ^ rows[0].keys())[0]
            found = "is missing" if other in rows[0] else "is not in the rows before"
            raise Refusal("invalid", "ragged", f"{place}[{number}].{other}", found, expected="the same names in every row")
    return Features(np.array([[row[name] for name in names] for row in rows], dtype=np.float64), names)


def _array(rows: Sequence[Any], place: str) -> Float64Array:
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise Refusal("invalid", "ragged", place, "rows differ in length", expected="as many values in each") from error


__all__ = [
    "BAR_FIELDS",
    "AliasBody",
    "Bodies",
    "ClassifyBody",
    "Features",
    "ForecastBody",
    "NearestBody",
    "PredictBody",
    "bar_of",
    "time_of",
]
