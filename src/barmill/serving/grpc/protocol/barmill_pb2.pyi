# type: ignore
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Model(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class Bars(_message.Message):
    __slots__ = ("open_time", "open", "high", "low", "close", "volume", "further")
    class FurtherEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Column
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Column, _Mapping]] = ...) -> None: ...
    OPEN_TIME_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    FURTHER_FIELD_NUMBER: _ClassVar[int]
    open_time: _containers.RepeatedScalarFieldContainer[int]
    open: _containers.RepeatedScalarFieldContainer[float]
    high: _containers.RepeatedScalarFieldContainer[float]
    low: _containers.RepeatedScalarFieldContainer[float]
    close: _containers.RepeatedScalarFieldContainer[float]
    volume: _containers.RepeatedScalarFieldContainer[float]
    further: _containers.MessageMap[str, Column]
    def __init__(self, open_time: _Optional[_Iterable[int]] = ..., open: _Optional[_Iterable[float]] = ..., high: _Optional[_Iterable[float]] = ..., low: _Optional[_Iterable[float]] = ..., close: _Optional[_Iterable[float]] = ..., volume: _Optional[_Iterable[float]] = ..., further: _Optional[_Mapping[str, Column]] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class Features(_message.Message):
    __slots__ = ("names", "shape", "values")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    shape: _containers.RepeatedScalarFieldContainer[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, names: _Optional[_Iterable[str]] = ..., shape: _Optional[_Iterable[int]] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class ForecastRequest(_message.Message):
    __slots__ = ("model", "bars", "features", "last")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    model: Model
    bars: Bars
    features: Features
    last: int
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., bars: _Optional[_Union[Bars, _Mapping]] = ..., features: _Optional[_Union[Features, _Mapping]] = ..., last: _Optional[int] = ...) -> None: ...

class PushBarRequest(_message.Message):
    __slots__ = ("model", "stream", "bars")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    model: Model
    stream: str
    bars: Bars
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., stream: _Optional[str] = ..., bars: _Optional[_Union[Bars, _Mapping]] = ...) -> None: ...

class Forecasts(_message.Message):
    __slots__ = ("model", "version", "number", "digest", "columns", "open_time", "known_at", "source", "degraded", "reason", "notes", "stream")
    class Output(_message.Message):
        __slots__ = ("name", "values")
        NAME_FIELD_NUMBER: _ClassVar[int]
        VALUES_FIELD_NUMBER: _ClassVar[int]
        name: str
        values: _containers.RepeatedScalarFieldContainer[float]
        def __init__(self, name: _Optional[str] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    OPEN_TIME_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    number: int
    digest: str
    columns: _containers.RepeatedCompositeFieldContainer[Forecasts.Output]
    open_time: _containers.RepeatedScalarFieldContainer[int]
    known_at: _containers.RepeatedScalarFieldContainer[int]
    source: str
    degraded: bool
    reason: str
    notes: _containers.RepeatedScalarFieldContainer[str]
    stream: StreamStatus
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ..., number: _Optional[int] = ..., digest: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[Forecasts.Output, _Mapping]]] = ..., open_time: _Optional[_Iterable[int]] = ..., known_at: _Optional[_Iterable[int]] = ..., source: _Optional[str] = ..., degraded: _Optional[bool] = ..., reason: _Optional[str] = ..., notes: _Optional[_Iterable[str]] = ..., stream: _Optional[_Union[StreamStatus, _Mapping]] = ...) -> None: ...

class StreamStatus(_message.Message):
    __slots__ = ("name", "state", "bars_seen", "missing_bars", "last_open_time", "restored")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BARS_SEEN_FIELD_NUMBER: _ClassVar[int]
    MISSING_BARS_FIELD_NUMBER: _ClassVar[int]
    LAST_OPEN_TIME_FIELD_NUMBER: _ClassVar[int]
    RESTORED_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: str
    bars_seen: int
    missing_bars: int
    last_open_time: int
    restored: bool
    def __init__(self, name: _Optional[str] = ..., state: _Optional[str] = ..., bars_seen: _Optional[int] = ..., missing_bars: _Optional[int] = ..., last_open_time: _Optional[int] = ..., restored: _Optional[bool] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("model", "pixels", "bars")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    model: Model
    pixels: bytes
    bars: Bars
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., pixels: _Optional[bytes] = ..., bars: _Optional[_Union[Bars, _Mapping]] = ...) -> None: ...

class Classification(_message.Message):
    __slots__ = ("pattern", "quality", "pole_kATR", "embed", "probabilities", "model", "version", "digest")
    class ProbabilitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    POLE_KATR_FIELD_NUMBER: _ClassVar[int]
    EMBED_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    pattern: str
    quality: float
    pole_kATR: float
    embed: _containers.RepeatedScalarFieldContainer[float]
    probabilities: _containers.ScalarMap[str, float]
    model: str
    version: str
    digest: str
    def __init__(self, pattern: _Optional[str] = ..., quality: _Optional[float] = ..., pole_kATR: _Optional[float] = ..., embed: _Optional[_Iterable[float]] = ..., probabilities: _Optional[_Mapping[str, float]] = ..., model: _Optional[str] = ..., version: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class NearestRequest(_message.Message):
    __slots__ = ("model", "embed", "k", "before")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EMBED_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    model: Model
    embed: _containers.RepeatedScalarFieldContainer[float]
    k: int
    before: int
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., embed: _Optional[_Iterable[float]] = ..., k: _Optional[int] = ..., before: _Optional[int] = ...) -> None: ...

class Neighbours(_message.Message):
    __slots__ = ("sim_conf", "hist_rr_pct", "neighbours", "model", "version", "digest")
    class Neighbour(_message.Message):
        __slots__ = ("open_time", "known_at", "cosine", "pattern", "quality", "realised_R")
        OPEN_TIME_FIELD_NUMBER: _ClassVar[int]
        KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
        COSINE_FIELD_NUMBER: _ClassVar[int]
        PATTERN_FIELD_NUMBER: _ClassVar[int]
        QUALITY_FIELD_NUMBER: _ClassVar[int]
        REALISED_R_FIELD_NUMBER: _ClassVar[int]
        open_time: int
        known_at: int
        cosine: float
        pattern: str
        quality: float
        realised_R: float
        def __init__(self, open_time: _Optional[int] = ..., known_at: _Optional[int] = ..., cosine: _Optional[float] = ..., pattern: _Optional[str] = ..., quality: _Optional[float] = ..., realised_R: _Optional[float] = ...) -> None: ...
    SIM_CONF_FIELD_NUMBER: _ClassVar[int]
    HIST_RR_PCT_FIELD_NUMBER: _ClassVar[int]
    NEIGHBOURS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    sim_conf: float
    hist_rr_pct: float
    neighbours: _containers.RepeatedCompositeFieldContainer[Neighbours.Neighbour]
    model: str
    version: str
    digest: str
    def __init__(self, sim_conf: _Optional[float] = ..., hist_rr_pct: _Optional[float] = ..., neighbours: _Optional[_Iterable[_Union[Neighbours.Neighbour, _Mapping]]] = ..., model: _Optional[str] = ..., version: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...
