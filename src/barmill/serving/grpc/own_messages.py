"""Between the messages of Barmill's own service and what the plane takes and gives."""

import numpy as np
import numpy.typing as npt

from barmill.market import Bar
from barmill.serving.answers import Answer, Float64Array, RawBars, StreamStatus
from barmill.serving.grpc.protocol import barmill_pb2 as pb
from barmill.serving.patterns import IMAGE, Classification, Nearest
from barmill.serving.refusals import Refusal
from barmill.serving.signature import PRICES
from barmill.serving.tensors import Tensor, n_elements


def bars_of(bars: pb.Bars, *, volume: bool = True) -> RawBars:
    """The bars in a message; without `volume` it may be missing, and is 0. Raises Refusal naming a column of another length."""
    n = len(bars.open_time)
    columns = {name: getattr(bars, name) for name in PRICES} | {f"further.{name}": one.values for name, one in bars.further.items()}
    if not volume and not bars.volume:
        columns["volume"] = np.zeros(n)
    for name, values in columns.items():
        if len(values) != n:
            raise Refusal(
                "invalid", "wrong_length", f"bars.{name[:64]}", f"has {len(values)} values", expected=f"{n}, one for each open_time"
            )
    values = np.empty((n, len(PRICES)))
    for number, name in enumerate(PRICES):
        values[:, number] = columns[name]
    further = {name: np.array(one.values, dtype=np.float64) for name, one in bars.further.items()}
    return RawBars(np.array(bars.open_time, dtype=np.int64), values, further)


def bar_of(bars: RawBars) -> Bar:
    """The first of `bars`."""
    opened, high, low, close, volume = (float(value) for value in bars.values[0])
    return Bar(int(bars.open_time[0]), opened, high, low, close, volume, {name: float(one[0]) for name, one in bars.further.items()})


def features_of(features: pb.Features) -> tuple[Float64Array, tuple[str, ...] | None]:
    """The features in a message, and what their columns are; None for the order of the schema. Raises Refusal for another shape."""
    shape = tuple(features.shape)
    n = n_elements("features", shape)
    if len(features.values) != n:
        found = f"has {len(features.values)} values"
        raise Refusal("invalid", "shape_mismatch", "features.values", found, expected=f"{n}, as the shape {list(shape)} says")
    return np.array(features.values, dtype=np.float64).reshape(shape), tuple(features.names) or None


def forecasts_of(answer: Answer) -> pb.Forecasts:
    """The message that says `answer`."""
    message = pb.Forecasts(
        model=answer.model,
        version=answer.version,
        number=answer.number,
        digest=answer.digest,
        columns=[pb.Forecasts.Output(name=name, values=column.tolist()) for name, column in answer.columns.items()],
        source=answer.source,
        degraded=answer.degraded,
        reason=answer.reason,
        notes=answer.notes,
        stream=None if answer.stream is None else _status_of(answer.stream),
    )
    for times, said in ((answer.open_time, message.open_time), (answer.known_at, message.known_at)):
        if times is not None:
            said.extend(times.tolist())
    return message


def image_of(pixels: bytes) -> npt.NDArray[np.float32]:
    """The picture in a message, float32 of the shape `IMAGE`. Raises Refusal for another number of bytes."""
    return Tensor.of_raw("pixels", "pixels", "FP32", IMAGE, pixels).data


def classification_of(found: Classification) -> pb.Classification:
    """The message that says `found`."""
    return pb.Classification(
        pattern=found.pattern,
        quality=found.quality,
        pole_kATR=found.pole_kATR,
        embed=found.embed.tolist(),
        probabilities=found.probabilities,
        model=found.model,
        version=found.version,
        digest=found.digest,
    )


def neighbours_of(found: Nearest) -> pb.Neighbours:
    """The message that says `found`."""
    columns = (found.open_time, found.known_at, found.cosine, found.quality, found.realised_R)
    rows = zip(*(column.tolist() for column in columns), found.pattern, strict=True)
    return pb.Neighbours(
        sim_conf=found.sim_conf,
        hist_rr_pct=found.hist_rr_pct,
        neighbours=[
            pb.Neighbours.Neighbour(open_time=opened, known_at=known, cosine=cosine, quality=quality, realised_R=realised, pattern=pattern)
            for opened, known, cosine, quality, realised, pattern in rows
        ],
        model=found.model,
        version=found.version,
        digest=found.digest,
    )


def _status_of(stream: StreamStatus) -> pb.StreamStatus:
    return pb.StreamStatus(
        name=stream.name,
        state=stream.state,
        bars_seen=stream.bars_seen,
        missing_bars=stream.missing_bars,
        last_open_time=stream.last_open_time,
        restored=stream.restored,
    )


__all__ = ["bar_of", "bars_of", "classification_of", "features_of", "forecasts_of", "image_of", "neighbours_of"]
