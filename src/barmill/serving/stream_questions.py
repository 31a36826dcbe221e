"""A bar of a named stream, as a question: the stream takes it, and its version answers; others are asked by the stream's last rows."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from barmill.serving.answers import Answer, Float64Array, Int64Array, StreamStatus
from barmill.serving.questions import ModelFailed, OfFeatures, Said, Unsuitable
from barmill.serving.refusals import Refusal
from barmill.serving.served import ServedModel


@dataclass(eq=False)
class OfStream:
    """The next bars of a stream.

    of : the version that the stream goes on with
    take : gives the bars to the stream; called once
    recent : the last rows of the stream's features, float64 (rows, n_plan), the oldest first
    status : where the stream stands
    open_time : int64 (n,), of the bars
    stale : the last of the bars closed too long ago for a forecast of now
    may_skip : somebody else answers where the stream has no forecast because bars are missing, or none came for long
    """

    of: ServedModel
    take: Callable[[ServedModel], Answer]
    recent: Callable[[], Float64Array | None]
    status: Callable[[], StreamStatus]
    open_time: Int64Array
    stale: bool
    may_skip: bool
    notes: tuple[str, ...] = field(default=())

    @property
    def light(self) -> bool:
        return len(self.open_time) == 1

    @property
    def lasting(self) -> bool:
        return True

    def aside(self) -> OfFeatures | None:
        """The features of the last bar, in a copy; None where the stream tells none that are whole."""
        recent, schema = self.recent(), self.of.schema
        if recent is None or schema.needs_bars:
            return None
        rows = np.ascontiguousarray(recent[-schema.rows :][:, schema.positions])
        if len(rows) < schema.rows or not np.isfinite(rows).all():
            return None
        values = rows[None] if schema.rows > 1 else rows
        return OfFeatures(values, schema.names, (), not schema.out_of_range(values))

    def ask(self, served: ServedModel) -> Said:
        if served is not self.of:
            return self._of_last(served)
        try:
            answer = self.take(served)
        except Refusal:
            raise
        except Exception as error:  # models are of many libraries, each with errors of its own
            raise ModelFailed(error, self._in_range()) from error
        if self.may_skip and not len(answer) and answer.stream is not None and answer.stream.state == "gapped":
            self.notes = answer.notes
            raise Unsuitable("bars are missing", "gapped_stream")
        if self.may_skip and self.stale:
            self.notes = answer.notes
            raise Unsuitable("its last bar closed too long ago", "stale_stream")
        by = (answer.model, answer.version, answer.number, answer.digest)
        return Said(answer.columns, len(answer), answer.open_time, answer.known_at, answer.notes, True, answer.stream, by)

    def unanswered(self, served: ServedModel) -> Said:
        times = self.open_time[-1:].copy()
        return Said(None, 1, times, times + served.bundle.timeframe.ms, self.notes, stream=self.status())

    def _of_last(self, served: ServedModel) -> Said:
        if self.stale:
            raise Unsuitable("the last bar closed too long ago", "stale_stream")
        question = self.aside()
        if question is None:
            raise Unsuitable("the stream tells no features", "model_error")
        return self.unanswered(served)._replace(columns=question.ask(served).columns)

    def _in_range(self) -> bool:
        question = self.aside()
        return question is not None and question.in_range


__all__ = ["OfStream"]
