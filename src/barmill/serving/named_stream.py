"""One named stream: which bar may come next, what a gap does, which version answers, and what it said last. Knows no lock and no file."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import polars as pl

from barmill.bundles import Bundle, BundleStream
from barmill.bundles.stream_state import SavedStream
from barmill.errors import BundleCorruption, DataError, InstrumentError
from barmill.market import Bar, Bars, Calendar
from barmill.market.times import utc_text
from barmill.serving.answers import Answer, Float64Array, Int64Array, StreamStatus
from barmill.serving.contract import Served
from barmill.serving.last_said import Said, floats_from_text, floats_to_text
from barmill.serving.next_bars import check_next, check_same
from barmill.serving.refusals import Refusal
from barmill.serving.stream_gaps import missing_before
from barmill.serving.stream_settings import StreamSettings

State = Literal["warming", "live", "gapped"]

_NOTES = 8  # kept until an answer tells them; where none comes, only the last of more


class NamedStream:
    """A stream of bars under a name, and the version that it is forecast with. Not to be shared between threads.

    served : the version that begins it
    pin : the version that was asked for by name when it began, "" where none was; it keeps to that
    """

    __slots__ = ("_last", "_number", "_said", "_settings", "_stream", "_untold", "model", "name", "pin", "restored", "state")

    def __init__(self, name: str, served: Served, settings: StreamSettings, pin: str = "") -> None:
        self.name, self.model, self.pin = name, served.name, pin
        self._settings, self._number = settings, served.number
        self._stream = served.bundle.stream()
        self._last = np.empty(0)  # prices, volume and further columns of the last bar, to know it again
        self._said: Said | None = None
        self._untold: list[str] = []  # what the next answer has to say
        self.state: State = "warming"
        self.restored = False

    @property
    def bundle(self) -> Bundle:
        """The version that it is forecast with now."""
        return self._stream.bundle

    @property
    def last_open_time(self) -> int | None:
        """Open time of the last bar that was taken, UTC ms."""
        return self._stream.last_open_time

    @property
    def recent(self) -> Float64Array:
        """A copy of the last rows of features, float64 (rows, n_plan), the oldest first; NaN in warm-up."""
        return self._stream.recent

    def status(self, *, stale: bool = False) -> StreamStatus:
        """Where it stands. stale : no bar came for long; said of a stream that would else be live."""
        seen = self._stream.bars_seen
        missing = 0 if self.state == "live" else max(self.bundle.needed_bars - seen, 1)
        state = "stale" if stale and self.state == "live" else self.state
        return StreamStatus(self.name, self.model, state, seen, missing, self.last_open_time, self.restored)

    def follow(self, served: Served) -> None:
        """Go on under `served`: with the features and bars that are remembered where it needs no others, else from the beginning."""
        if served.bundle is self.bundle:
            return
        self._go_on(SavedStream.of(self._stream), served)

    def _go_on(self, saved: SavedStream, served: Served) -> None:
        before, same = saved.told["version"], saved.told["digest"] == served.bundle.digest
        found = saved.restored(served.bundle) if same else saved.carried(served.bundle)
        self._stream, self._number = found or served.bundle.stream(), served.number
        if found is None:
            self.state = "warming"
            self.tell(f"version {self._version} needs other features or bars than {before} remembered: it warms up")
        elif not same:
            self.tell(f"carried on from version {before}")

    def tell(self, note: str) -> None:
        """Have the next answer say something more."""
        self._untold[_NOTES - 1 :] = [note]

    def push(self, served: Served, bar: Bar) -> Answer:
        """One more closed bar, or the last one again, which gets the same answer.

        Raises: Refusal for a bar that cannot follow, and the stream is as before. Whatever the model raises where the bar was taken and
        could not be forecast: the stream goes on with the next, and the same bar raises the same again.
        """
        if self.last_open_time == bar.open_time:
            return self._again(self._values(bar), "bar")
        begins, note = list[int](), ""
        if self.last_open_time is None or bar.open_time - self.last_open_time != self.bundle.timeframe.ms:
            times = np.array([bar.open_time], dtype=np.int64)
            check_next(self.last_open_time, times, self.bundle.timeframe, "bar")
            begins, note = self._gaps(times, "bar")
        self.follow(served)
        stream = self._begun_again() if begins else self._stream
        seen, error, found = stream.bars_seen, None, None
        try:
            found = stream.push(bar)
        except Exception as raised:  # a model's library may raise anything, and the stream has to know where it stands
            if stream.last_open_time != bar.open_time:
                raise self._not_taken(raised, advanced=stream is self._stream and stream.bars_seen != seen) from raised
            error = raised
        row = None if found is None else np.array([found[name] for name in self.bundle.outputs])
        self._take(stream, self._values(bar), row, error, note)
        return self._answer_last()

    def extend(self, served: Served, bars: Bars) -> Answer:
        """Many more closed bars, the first of which may be the last one again; a row for each that is ready.

        Raises: as `push`; where a bar cannot follow, none of them is taken.
        """
        last, place = self.last_open_time, "bars"
        if last is not None and len(bars) and last == bars.open_time[0]:
            first = self._values(bars.bar(0))
            if len(bars) == 1:
                return self._again(first, f"{place}[0]")
            check_same(self._last, first, self.bundle.plan.sources, last, f"{place}[0]")
            bars = bars.slice(1)
            self.tell("the first bar was sent before")
        check_next(last, bars.open_time, self.bundle.timeframe, place)
        begins, note = self._gaps(bars.open_time, place)
        self.follow(served)
        if not len(bars):
            return self._answer(self._said_now(), {name: np.empty(0) for name in self.bundle.outputs}, bars.open_time)
        return self._extend(bars, begins, note)

    def _extend(self, bars: Bars, begins: Sequence[int], note: str) -> Answer:
        """Take `bars`, beginning again with each of the rows `begins`."""
        before, stream = self._stream.state(), self._stream
        times, frames, error = bars.open_time, list[pl.DataFrame](), None
        cuts = [0, *(row for row in begins if row > 0), len(bars)]
        for start, stop in pairwise(cuts):
            if start in begins:
                stream = self._begun_again()
            try:
                frames.append(stream.extend(bars.slice(start, stop)).frame)
            except Exception as raised:  # as in `push`
                if stream.last_open_time != times[stop - 1]:
                    self._stream = BundleStream.restore(self.bundle, before)
                    raise self._not_taken(raised, advanced=False) from raised
                error = raised
        names = self.bundle.outputs
        opened = np.concatenate([np.empty(0, dtype=np.int64), *(frame["open_time"].to_numpy() for frame in frames)])
        columns = {name: np.concatenate([np.empty(0), *(frame[name].to_numpy() for frame in frames)]) for name in names}
        answers = error is None and opened.size > 0 and opened[-1] == times[-1]
        row = np.array([columns[name][-1] for name in names]) if answers else None
        self._take(stream, self._values(bars.bar(-1)), row, error, note)
        return self._answer(self._said_now(row), columns, opened)

    def _gaps(self, open_time: Int64Array, place: str) -> tuple[list[int], str]:
        """The rows of the next bars before which so much is missing that the stream begins again there, and what is to be told of all gaps.

        Raises: Refusal where a gap is refused.
        """
        last, timeframe, settings = self.last_open_time, self.bundle.timeframe, self._settings
        times = open_time if last is None else np.concatenate(([last], open_time))
        step, first = np.diff(times), len(open_time) + 1 - len(times)
        if (step == timeframe.ms).all():
            return [], ""
        try:
            missing = missing_before(times, Calendar.named(self.bundle.instrument.calendar), timeframe)
        except InstrumentError as error:
            raise Refusal("invalid", "bar_beyond_calendar", place, error.found, mend="Send a bar of the calendar's years.") from error
        if not missing.any():
            return [], ""
        row = int(np.argmax(missing))
        after, n_gaps, total = int(times[row]), np.count_nonzero(missing), int(missing.sum())
        found = f"{total} bars are missing" + (f" in {n_gaps} gaps, most of them" if n_gaps > 1 else "") + f" after {utc_text(after)}"
        if settings.on_gap == "refuse":
            mend = "Send the missing bars first, or drop the stream and send its history."
            raise Refusal("conflict", "bars_missing", place, found, expected=f"the bar {after + timeframe.ms}", mend=mend)
        again = np.flatnonzero(missing > (settings.max_gap_bars if settings.on_gap == "continue" else 0))
        told = "the stream begins again" if again.size else "features go over them as in training"
        return (again + first).tolist(), f"{found}: {told}"

    def _begun_again(self) -> BundleStream:
        """As at its first bar, but for an adaptive band: what that has learned does not grow old with a gap."""
        return self.bundle.stream(self._stream.band_state())

    def _take(self, stream: BundleStream, values: Float64Array, row: Float64Array | None, error: Exception | None, note: str) -> None:
        """The last bar is in, and `stream` is what the stream has become. Raises `error`, if there is one."""
        begun_again = stream is not self._stream
        self._stream, self._last, self._said = stream, values, self._said_now(row, error)
        if row is not None:
            self.state = "live"
        elif begun_again:
            self.state = "gapped"
        elif error is None and self.state == "live":
            self.state = "warming"
        if note:
            self.tell(note)
        if error is not None:
            raise error

    def _not_taken(self, error: Exception, *, advanced: bool) -> Exception:
        """Why a bar could not be taken, for the asker; a stream that was left half advanced begins again."""
        if advanced:
            self._stream, self.state = self.bundle.stream(), "gapped"
            self.tell("the stream begins again: a bar could not be taken as a whole")
        if isinstance(error, DataError | InstrumentError):
            return Refusal("invalid", "bad_bar", error.place, error.found, expected=error.expected, mend=error.mend)
        return error

    def _again(self, values: Float64Array, place: str) -> Answer:
        last = self.last_open_time
        assert last is not None
        check_same(self._last, values, self.bundle.plan.sources, last, place)
        if self._said is not None and self._said.error is not None:
            raise self._said.error.with_traceback(None)
        self.tell("this bar was sent before; its answer is repeated")
        return self._answer_last()

    def _answer_last(self) -> Answer:
        said = self._said or self._said_now()
        rows = np.empty((len(said.outputs), 0)) if said.row is None else said.row.reshape(-1, 1).copy()
        opened = [] if said.row is None else [self.last_open_time]
        return self._answer(said, dict(zip(said.outputs, rows, strict=True)), np.array(opened, dtype=np.int64))

    def _answer(self, said: Said, columns: dict[str, Float64Array], open_time: Int64Array) -> Answer:
        notes, status = tuple(self._untold), self.status()
        self._untold.clear()
        if status.missing_bars:
            notes += (f"{status.missing_bars} more bars are needed before there is a forecast",)
        known_at = open_time + self.bundle.timeframe.ms
        return Answer(self.model, said.version, said.number, said.digest, columns, open_time, known_at, notes=notes, stream=status)

    def _said_now(self, row: Float64Array | None = None, error: Exception | None = None) -> Said:
        return Said(self._version, self._number, self.bundle.digest, self.bundle.outputs, row, error)

    @property
    def _version(self) -> str:
        return self.bundle.manifest.version

    def _values(self, bar: Bar) -> Float64Array:
        return np.array([*bar[1:6], *(bar.extra.get(name, np.nan) for name in self.bundle.plan.sources)], dtype=np.float64)

    def saved(self, beside: Mapping[str, Any] | None = None) -> SavedStream:
        """All that it remembers now, to be written down; `from_saved` goes on from there to the bit.

        beside : plain JSON to keep with it
        """
        said = None if self._said is None else self._said.to_json()
        kept = {
            **(beside or {}),
            "name": self.name,
            "model": self.model,
            "pin": self.pin,
            "state": self.state,
            "untold": list(self._untold),
        }
        return SavedStream.of(self._stream, {**kept, "last": floats_to_text(self._last), "said": said})

    @classmethod
    def from_saved(cls, saved: SavedStream, served: Served, settings: StreamSettings) -> "NamedStream":
        """The stream that was saved, under `served`, which may be another version. Raises BundleError where it does not fit together."""
        kept: Any = saved.told["beside"]
        try:
            found = cls(str(kept["name"]), served, settings, str(kept["pin"]))
            if kept["state"] not in ("warming", "live", "gapped") or kept["model"] != found.model:
                raise ValueError(f"a stream of {kept['model']} that is {kept['state']}")
            found.state, found._untold = kept["state"], [str(note) for note in kept["untold"]]
            found._last = floats_from_text(kept["last"])
            found._said = None if kept["said"] is None else Said.from_json(kept["said"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleCorruption(saved.place, f"does not fit together: {error}", mend="Begin the stream anew.") from error
        found._go_on(saved, served)
        found.restored = True
        return found


__all__ = ["NamedStream", "State"]
