"""Structured logs: one JSON object a line, with no secret in it and no way to forge a line.

A line is queued and written by a thread of its own, so that no request waits for a disk. When the queue is full lines are dropped, and
counted in the next line that is written.
"""

import json
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from barmill.serving.answers import Answer
from barmill.serving.telemetry import Silent

LEVELS: Final = ("debug", "info", "warning", "error")
QUEUED = 10_000
HIDDEN = "[hidden]"
_LONGEST = 4_000  # characters of one field
_MOST_ROWS = 64  # of an answer that are told

_SECRET_FIELD = re.compile(r"(?i)authorization|api[-_]?key|secret|password|passwd|token|credential|cookie")
_SECRET_TEXT = (
    re.compile(r"(?i)(?<=bearer )\S+"),
    re.compile(r"(?i)(?<=basic )[a-z0-9+/=]{8,}"),
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),  # user and password of a URL
    re.compile(r"(?i)(?:(?<=api_key=)|(?<=apikey=)|(?<=password=)|(?<=secret=)|(?<=token=))[^\s&\"']+"),
    re.compile(r"bml_[A-Za-z0-9_-]{8,}"),  # keys of our own making
)


class Logs(Silent):
    """Writes what happens. Forecasts that were answered as they should are told at level "debug" alone.

    Parameters
    ----------
    level : least that is written, one of LEVELS
    out : where to; standard error if left out
    now : Unix time, for tests
    """

    def __init__(self, level: str = "info", out: TextIO | None = None, now: Callable[[], float] = time.time) -> None:
        self._least = LEVELS.index(level)
        self._out = sys.stderr if out is None else out
        self._now = now
        self._queue: queue.Queue[str | None] = queue.Queue(QUEUED)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="barmill-logs", daemon=True)
        self._thread.start()

    def answered(self, answer: Answer, seconds: float) -> None:
        if not answer.degraded and self._least > 0:
            return
        told = {"model": answer.model, "version": answer.version, "rows": len(answer), "source": answer.source, "seconds": seconds}
        self.event("answered", "warning" if answer.degraded else "debug", **told, reason=answer.reason)

    def refused(self, model: str, kind: str, code: str, seconds: float, count: int = 1) -> None:
        if self._least == 0:
            self.event("refused", "debug", model=model, kind=kind, code=code, seconds=seconds, count=count)

    def fell_back(self, model: str, version: str, reason: str) -> None:
        self.event("fell_back", "warning", model=model, version=version, reason=reason)

    def shadowed(self, model: str, primary: Answer, shadow: Answer) -> None:
        if self._least > LEVELS.index("info"):
            return
        told: dict[str, Any] = {
            f"{who}_{name}": values[:_MOST_ROWS].tolist()
            for who, of in (("primary", primary), ("shadow", shadow))
            for name, values in of.columns.items()
        }
        if primary.open_time is not None:
            told["open_time"] = primary.open_time[:_MOST_ROWS].tolist()
        who = {"source": primary.source, "primary": primary.version, "shadow": shadow.version, "rows": len(primary)}
        self.event("shadowed", "info", model=model, **who, **told)

    def swapped(self, model: str, version: str, number: int, digest: str) -> None:
        self.event("swapped", model=model, version=version, number=number, digest=digest)

    def event(self, name: str, level: str = "info", **fields: Any) -> None:
        if LEVELS.index(level) < self._least:
            return
        try:
            self._queue.put_nowait(line_of(self._now(), level, name, fields))
        except queue.Full:
            self._dropped += 1

    def close(self, seconds: float = 5.0) -> None:
        """Write what is queued, and no more."""
        self._queue.put(None)
        self._thread.join(seconds)

    def _write(self) -> None:
        while (line := self._queue.get()) is not None:
            dropped, self._dropped = self._dropped, 0
            if dropped:
                line = line_of(self._now(), "warning", "log_lines_dropped", {"lines": dropped}) + line
            try:
                self._out.write(line)
                self._out.flush()
            except (OSError, ValueError):  # a full disk, a closed pipe: serving goes on, and the loss is counted
                self._dropped += 1


def line_of(now: float, level: str, event: str, fields: Mapping[str, Any]) -> str:
    """One line of JSON with its newline. Every control character inside is escaped, also those that move a terminal's cursor."""
    told: dict[str, Any] = {"time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"), "level": level, "event": event}
    told |= {name: HIDDEN if _SECRET_FIELD.search(name) else _plain(value) for name, value in fields.items() if value not in ("", None)}
    return json.dumps(told, ensure_ascii=True, allow_nan=False, default=str).replace("\x7f", "\\u007f") + "\n"


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it, without secrets."""
    if isinstance(value, str):
        return without_secrets(value[:_LONGEST])
    if isinstance(value, Mapping):
        return {str(name): HIDDEN if _SECRET_FIELD.search(str(name)) else _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value - value != 0:
        return repr(value)  # JSON has no NaN and no infinity
    return value if isinstance(value, bool | int | float | None) else without_secrets(str(value)[:_LONGEST])


def without_secrets(text: str) -> str:
    """`text` with whatever looks like a key, a password or a token hidden."""
    for pattern in _SECRET_TEXT:
        text = pattern.sub(HIDDEN, text)
    return text


__all__ = ["LEVELS", "Logs", "line_of", "without_secrets"]
