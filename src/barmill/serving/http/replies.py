"""Answers of the plane as JSON. Every number is seen to be finite before it is written: orjson writes NaN as null and says nothing."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from barmill.serving.answers import Answer, Float64Array, StreamStatus, VersionStatus
from barmill.serving.http.statuses import JSON, Header, Reply
from barmill.serving.refusals import Refusal
from barmill.serving.revisions import NAME

_ONE_BY_ONE = 8  # so many values are checked faster by Python than by NumPy


def listed(columns: Mapping[str, Float64Array]) -> dict[str, list[float]]:
    """Plain lists of the columns of an answer. Raises Refusal (failed) rather than say a number that is none."""
    found: dict[str, list[float]] = {}
    for name, column in columns.items():
        values: list[float] = column.tolist()
        finite = all(map(math.isfinite, values)) if len(values) <= _ONE_BY_ONE else bool(np.isfinite(column).all())
        if not finite:
            mend = "The server's log says why, under the request's id."
            raise Refusal("failed", "not_finite", name, "the forecast is not finite", mend=mend)
        found[name] = values
    return found


def answer_json(answer: Answer) -> dict[str, Any]:
    """What /v1 says of an answer."""
    said: dict[str, Any] = {
        "model": answer.model,
        "version": answer.version,
        "number": answer.number,
        "digest": answer.digest,
        "source": answer.source,
        "degraded": answer.degraded,
        "reason": answer.reason,
        "forecast": listed(answer.columns),
    }
    if answer.open_time is not None:
        said["open_time"] = answer.open_time.tolist()
    if answer.known_at is not None:
        said["known_at"] = answer.known_at.tolist()
    if answer.notes:
        said["notes"] = answer.notes
    if answer.stream is not None:
        said["stream"] = stream_json(answer.stream)
    return said


def stream_json(status: StreamStatus) -> dict[str, Any]:
    """What /v1 says of a stream."""
    return {
        "name": status.name,
        "model": status.model,
        "state": status.state,
        "bars_seen": status.bars_seen,
        "missing_bars": status.missing_bars,
        "last_open_time": status.last_open_time,
        "restored": status.restored,
    }


def version_json(status: VersionStatus) -> dict[str, Any]:
    """What /v1 says of a version."""
    return {
        "model": status.model,
        "version": status.version,
        "number": status.number,
        "digest": status.digest,
        "state": status.state,
        "reason": status.reason,
        "aliases": list(status.aliases),
    }


@lru_cache(maxsize=64)
def headers_of(digest: str, kind: Header = JSON) -> tuple[Header, ...]:
    """The headers of an answer by the bundle of this digest, made once for each version."""
    return (kind, (NAME.encode(), digest.encode()))


def json_reply(value: Any, status: int = 200, headers: tuple[Header, ...] = (JSON,)) -> Reply:
    """`value` as a body."""
    return Reply(status, orjson.dumps(value), headers)


__all__ = ["answer_json", "headers_of", "json_reply", "listed", "stream_json", "version_json"]
