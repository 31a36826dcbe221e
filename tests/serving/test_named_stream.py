"""Which bar may come next, what a gap does, which version answers: one stream, and every answer says what it is."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from barmill.bundles import Bundle
from barmill.bundles.stream_state import SavedStream, save_stream
from barmill.errors import BundleCorruption, ForecastError
from barmill.market import Bars
from barmill.serving.answers import Answer
from barmill.serving.named_stream import NamedStream
from barmill.serving.refusals import Refusal
from barmill.serving.stream_settings import StreamSettings

READY = 230  # bars after which the small bundles forecast


@pytest.fixture(scope="module")
def bars(making) -> Bars:
    return making.walk(600, 3)


@pytest.fixture(scope="module")
def begin(stood) -> Callable[..., NamedStream]:
    def make(served=None, pin: str = "", **settings: object) -> NamedStream:
        return NamedStream("es", served or stood(), StreamSettings(**settings), pin)

    return make


def without(bars: Bars, *gone: range) -> Bars:
    """`bars` but for those rows."""
    kept = np.ones(len(bars), dtype=bool)
    for rows in gone:
        kept[rows.start : rows.stop] = False
    return replace(bars, frame=bars.frame.filter(kept))


def values(answer: Answer) -> dict[str, list[float]]:
    return {name: column.tolist() for name, column in answer.columns.items()}


def forecast(bundle: Bundle, bars: Bars, since: int) -> dict[str, list[float]]:
    frame = bundle.forecast(bars, since=since).frame
    return {name: frame[name].to_list() for name in bundle.outputs}


def test_it_says_what_the_bundle_says_of_the_same_bars(begin, stood, bars: Bars) -> None:
    served, stream = stood(), begin()
    history = stream.extend(served, bars.slice(0, 300))
    live = [stream.push(served, bars.bar(row)) for row in range(300, 320)]
    whole = served.bundle.forecast(bars.slice(0, 320)).frame
    assert history.open_time.tolist() + [int(one.open_time[0]) for one in live] == whole["open_time"].to_list()
    for name in served.bundle.outputs:
        assert history.columns[name].tolist() + [float(one.columns[name][0]) for one in live] == whole[name].to_list()
    last = live[-1]
    assert (last.model, last.version, last.number, last.digest) == ("logistic", "1.2.3", 1, served.bundle.digest)
    assert (last.known_at - last.open_time).tolist() == [60_000]
    assert last.stream == stream.status()


def test_a_stream_that_warms_up_says_how_many_bars_it_needs(begin, stood, bars: Bars) -> None:
    served, stream = stood(), begin()
    needed = served.bundle.needed_bars
    for row in range(needed):
        answer = stream.push(served, bars.bar(row))
        status = answer.stream
        if len(answer):
            break
        assert (status.state, status.missing_bars, status.bars_seen) == ("warming", max(needed - row - 1, 1), row + 1)
        assert answer.notes == (f"{status.missing_bars} more bars are needed before there is a forecast",)
    assert (status.state, status.missing_bars, answer.notes) == ("live", 0, ())


class TestOrder:
    def test_the_last_bar_again_gets_the_same_answer(self, begin, stood, bars: Bars) -> None:
        served, stream = stood(), begin()
        stream.extend(served, bars.slice(0, 300))
        first = stream.push(served, bars.bar(300))
        before = save_stream(stream._stream)
        again, in_a_list = stream.push(served, bars.bar(300)), stream.extend(served, bars.slice(300, 301))
        assert values(again) == values(in_a_list) == values(first)
        assert again.notes == in_a_list.notes == ("this bar was sent before; its answer is repeated",)
        assert again.open_time.tolist() == first.open_time.tolist()
        assert save_stream(stream._stream) == before

    def test_bars_that_begin_with_the_last_one_go_on_after_it(self, begin, stood, bars: Bars) -> None:
        served, stream = stood(), begin()
        stream.extend(served, bars.slice(0, 300))
        answer = stream.extend(served, bars.slice(299, 302))
        assert answer.notes == ("the first bar was sent before",)
        assert values(answer) == forecast(served.bundle, bars.slice(0, 302), int(bars.open_time[300]))

    @pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
    def test_the_last_bar_with_another_value_is_a_conflict_that_names_it(self, begin, stood, bars: Bars, field: str) -> None:
        served, stream = stood(), begin()
        stream.extend(served, bars.slice(0, 250))
        bar, before = bars.bar(249), save_stream(stream._stream)
        for place, send in (("bar", lambda one: stream.push(served, one)), ("bars[0]", lambda one: stream.extend(served, _one(bars, one)))):
            with pytest.raises(Refusal) as caught:
                send(bar._replace(**{field: np.nextafter(getattr(bar, field), 0)}))
            refusal = caught.value
            assert (refusal.kind, refusal.code, refusal.place) == ("conflict", "bar_duplicate_differs", f"{place}.{field}")
        assert save_stream(stream._stream) == before

    @pytest.mark.parametrize(("step", "code"), [(-60_000, "bar_out_of_order"), (-1, "bar_out_of_order"), (61_000, "bar_off_grid")])
    def test_a_bar_that_cannot_follow_is_a_conflict_and_leaves_no_trace(self, begin, stood, bars: Bars, step: int, code: str) -> None:
        served, stream = stood(), begin()
        stream.extend(served, bars.slice(0, 250))
        bar, before = bars.bar(250), save_stream(stream._stream)
        wrong = bar._replace(open_time=int(bars.open_time[249]) + step)
        for place, send in (("bar", lambda: stream.push(served, wrong)), ("bars", lambda: stream.extend(served, _one(bars, wrong)))):
            with pytest.raises(Refusal) as caught:
                send()
            assert (caught.value.kind, caught.value.code, caught.value.place) == ("conflict", code, f"{place}.open_time")
            assert str(bars.open_time[249]) in caught.value.found + caught.value.expected
        assert save_stream(stream._stream) == before
        assert len(stream.push(served, bar)) == 1

    def test_a_bar_off_the_grid_amid_others_is_named(self, begin, stood, bars: Bars) -> None:
        times = bars.open_time[:5].copy()
        times[3] += 1
        shifted = replace(bars, frame=bars.frame.head(5).with_columns(open_time=times))
        with pytest.raises(Refusal, match=r"bars\[3\]\.open_time"):
            begin().extend(stood(), shifted)

    def test_no_bar_at_all_is_answered_with_no_row(self, begin, stood, bars: Bars) -> None:
        answer = begin().extend(stood(), bars.slice(0, 0))
        assert len(answer) == 0
        assert answer.stream.state == "warming"

    def test_a_bar_that_is_none_leaves_no_trace_even_after_a_gap(self, begin, stood, bars: Bars) -> None:
        served, stream = stood(), begin(max_gap_bars=5)
        stream.extend(served, bars.slice(0, 300))
        before = save_stream(stream._stream)
        for row in (300, 400):
            with pytest.raises(Refusal) as caught:
                stream.push(served, bars.bar(row)._replace(close=float("nan")))
            assert (caught.value.kind, caught.value.code) == ("invalid", "bad_bar")
        assert save_stream(stream._stream) == before
        assert stream.push(served, bars.bar(300)).notes == ()


def _one(bars: Bars, bar) -> Bars:
    return Bars.from_columns(bars.instrument, bars.timeframe, *([value] for value in bar[:6]))


class TestGaps:
    def test_features_go_over_a_gap_as_in_training_and_the_answer_says_so(self, begin, stood, bars: Bars) -> None:
        served, stream, holed = stood(), begin(), without(bars, range(300, 307))
        stream.extend(served, holed.slice(0, 300))
        answer = stream.push(served, holed.bar(300))
        assert answer.notes == ("7 bars are missing after 2023-11-15 03:13 UTC: features go over them as in training",)
        assert values(answer) == forecast(served.bundle, holed.slice(0, 301), int(holed.open_time[300]))
        assert answer.stream.state == "live"

    @pytest.mark.parametrize("settings", [{"max_gap_bars": 6}, {"on_gap": "warm"}])
    def test_a_gap_that_begins_the_stream_again_warms_up_from_the_bar_after_it(self, begin, stood, bars: Bars, settings: dict) -> None:
        served, stream, holed = stood(), begin(**settings), without(bars, range(300, 307))
        needed = served.bundle.needed_bars
        stream.extend(served, holed.slice(0, 300))
        answer = stream.push(served, holed.bar(300))
        assert answer.notes[0] == "7 bars are missing after 2023-11-15 03:13 UTC: the stream begins again"
        status = answer.stream
        assert (len(answer), status.state, status.bars_seen, status.missing_bars) == (0, "gapped", 1, needed - 1)
        rest = stream.extend(served, holed.slice(301, len(holed)))
        assert values(rest) == forecast(served.bundle, holed.slice(300, len(holed)), 0)
        assert rest.stream.state == "live"

    def test_gaps_amid_a_history_are_those_between_pushes(self, begin, stood, bars: Bars) -> None:
        served, holed = stood(), without(bars, range(50, 52), range(280, 300), range(310, 313))
        at_once, one_by_one = begin(max_gap_bars=10), begin(max_gap_bars=10)
        answer = at_once.extend(served, holed)
        said = [one_by_one.push(served, holed.bar(row)) for row in range(len(holed))]
        assert answer.open_time.tolist() == [int(one.open_time[0]) for one in said if len(one)]
        for name in served.bundle.outputs:
            assert answer.columns[name].tolist() == [float(one.columns[name][0]) for one in said if len(one)]
        assert answer.notes == ("25 bars are missing in 3 gaps, most of them after 2023-11-15 02:53 UTC: the stream begins again",)
        assert save_stream(at_once._stream) == save_stream(one_by_one._stream)

    def test_a_gap_is_refused_where_that_is_set_and_what_is_missing_may_come(self, begin, stood, bars: Bars) -> None:
        served, stream = stood(), begin(on_gap="refuse")
        stream.extend(served, bars.slice(0, 300))
        with pytest.raises(Refusal) as caught:
            stream.push(served, bars.bar(303))
        assert (caught.value.kind, caught.value.code) == ("conflict", "bars_missing")
        assert caught.value.found == "3 bars are missing after 2023-11-15 03:13 UTC"
        assert caught.value.expected == f"the bar {bars.open_time[300]}"
        assert len(stream.extend(served, bars.slice(300, 304))) == 4

    def test_a_weekend_is_no_gap(self, begin, stood, bars: Bars) -> None:
        friday = 1_700_258_400_000 - 120 * 60_000  # the last two hours of a forex week, and the first of the next
        times = np.r_[friday + 60_000 * np.arange(120), friday + 60_000 * (120 + 48 * 60 + np.arange(60))]
        plain = stood().bundle
        forex = bars.instrument.model_copy(update={"calendar": "forex"})
        over = replace(bars, instrument=forex, frame=bars.frame.head(180).with_columns(open_time=times))
        served = replace(stood(), bundle=replace(plain, instrument=forex))
        assert "missing" not in " ".join(begin(served, on_gap="refuse").extend(served, over).notes[:-1])
        late = without(over, range(120, 125))
        with pytest.raises(Refusal, match=r"5 bars are missing after 2023-11-17 21:59 UTC"):
            begin(served, on_gap="refuse").extend(served, late)


class TestVersions:
    def test_another_version_carries_on_and_says_so(self, begin, stood, bars: Bars) -> None:
        old, new = stood(), stood(version="1.3.0", seed=8, number=2)
        stream = begin(old)
        stream.extend(old, bars.slice(0, 300))
        answer = stream.push(new, bars.bar(300))
        assert answer.notes == ("carried on from version 1.2.3",)
        assert (answer.version, answer.number, answer.digest) == ("1.3.0", 2, new.bundle.digest)
        assert values(answer) == forecast(new.bundle, bars.slice(0, 301), int(bars.open_time[300]))
        assert stream.push(new, bars.bar(301)).notes == ()

    def test_the_last_bar_again_is_answered_by_the_version_that_answered_it(self, begin, stood, bars: Bars) -> None:
        old, new = stood(), stood(version="1.3.0", seed=8, number=2)
        stream = begin(old)
        stream.extend(old, bars.slice(0, 299))
        first = stream.push(old, bars.bar(299))
        again = stream.push(new, bars.bar(299))
        assert values(again) == values(first)
        assert (again.version, again.number, again.digest) == ("1.2.3", 1, old.bundle.digest)

    def test_one_that_needs_other_bars_warms_up_again_and_says_how_many_it_needs(self, begin, stood, small, bars: Bars) -> None:
        old, new = small, stood()
        stream = begin(old)
        stream.extend(old, bars.slice(0, 300))
        answer = stream.push(new, bars.bar(300))
        assert answer.notes[0] == "version 1.2.3 needs other features or bars than 1.2.3 remembered: it warms up"
        assert (len(answer), answer.stream.state, answer.stream.missing_bars) == (0, "warming", new.bundle.needed_bars - 1)
        assert values(stream.extend(new, bars.slice(301, 600))) == forecast(new.bundle, bars.slice(300, 600), 0)

    def test_the_same_version_loaded_again_is_no_change(self, begin, stood, bars: Bars) -> None:
        old = stood()
        again = replace(old, bundle=replace(old.bundle))
        stream = begin(old)
        stream.extend(old, bars.slice(0, 300))
        assert stream.push(again, bars.bar(300)).notes == ()
        assert stream.bundle is again.bundle


class TestWhereTheModelFails:
    @pytest.fixture
    def broken(self, stood):
        """A version whose model says NaN of every row, and does so by raising."""
        served = stood()

        class Broken:
            def raw(self, view):
                raise ForecastError("model", "said NaN")

        pipeline = replace(served.bundle.pipeline, forecaster=Broken())
        return replace(served, bundle=replace(served.bundle, pipeline=pipeline, digest="f" * 64))

    def test_the_bar_is_taken_and_the_stream_goes_on(self, begin, stood, broken, bars: Bars) -> None:
        served, stream, clean = stood(), begin(), begin()
        stream.extend(served, bars.slice(0, 300))
        clean.extend(served, bars.slice(0, 301))
        for send in (lambda: stream.push(broken, bars.bar(300)), lambda: stream.push(broken, bars.bar(300))):
            with pytest.raises(ForecastError, match="said NaN"):
                send()
        assert stream.last_open_time == int(bars.open_time[300])
        assert stream.status().state == "live"
        assert values(stream.push(served, bars.bar(301))) == values(clean.push(served, bars.bar(301)))

    def test_a_history_is_taken_as_a_whole(self, begin, stood, broken, bars: Bars) -> None:
        served, stream, clean = stood(), begin(), begin()
        clean.extend(served, bars.slice(0, 300))
        with pytest.raises(ForecastError):
            stream.extend(broken, bars.slice(0, 300))
        assert values(stream.push(served, bars.bar(300))) == values(clean.push(served, bars.bar(300)))

    def test_notes_that_nobody_was_told_do_not_pile_up(self, begin, stood, broken, bars: Bars) -> None:
        stream = begin()
        stream.extend(stood(), bars.slice(0, 300))
        for row in range(302, 380, 2):
            with pytest.raises(ForecastError):
                stream.push(broken, bars.bar(row))
        assert len(stream.push(stood(), bars.bar(380)).notes) <= 9

    def test_a_bar_that_was_taken_by_half_begins_the_stream_again(self, begin, stood, bars: Bars, monkeypatch) -> None:
        served, stream = stood(), begin()
        stream.extend(served, bars.slice(0, 300))

        class Half:
            def push(self, bar):
                raise MemoryError

        monkeypatch.setattr(stream._stream, "_closed", Half())
        with pytest.raises(MemoryError):
            stream.push(served, bars.bar(300))
        assert (stream.state, stream.last_open_time) == ("gapped", None)
        answer = stream.extend(served, bars.slice(0, 300))
        assert answer.notes == ("the stream begins again: a bar could not be taken as a whole",)
        assert values(answer) == forecast(served.bundle, bars.slice(0, 300), 0)

    def test_a_history_that_was_taken_by_half_is_not_taken(self, begin, stood, bars: Bars, monkeypatch) -> None:
        served, stream = stood(), begin()
        stream.extend(served, bars.slice(0, 300))
        before = save_stream(stream._stream)

        def half(bars):
            raise MemoryError

        monkeypatch.setattr(stream._stream, "_closed", type("Half", (), {"extend": staticmethod(half), "state": dict})())
        with pytest.raises(MemoryError):
            stream.extend(served, bars.slice(300, 310))
        assert save_stream(stream._stream) == before


class TestSaved:
    def test_it_goes_on_where_it_was_saved_with_all_that_it_has_to_say(self, begin, stood, bars: Bars) -> None:
        served, stream = stood(), begin(pin="1.2.3")
        stream.extend(served, bars.slice(0, 290))
        stream.push(served, bars.bar(295))
        data = stream.saved({"heard_at": 7.5}).to_bytes()
        again = NamedStream.from_saved(SavedStream.from_bytes(data), served, StreamSettings())
        assert again.pin == "1.2.3"
        assert again.status() == replace(stream.status(), restored=True)
        assert values(again.push(served, bars.bar(295))) == values(stream.push(served, bars.bar(295)))
        with pytest.raises(Refusal, match=r"bar\.volume: 0\.5, for the bar"):
            again.push(served, bars.bar(295)._replace(volume=0.5))
        for row in range(296, 320):
            assert values(again.push(served, bars.bar(row))) == values(stream.push(served, bars.bar(row)))

    def test_under_another_version_it_is_carried_on(self, begin, stood, bars: Bars) -> None:
        old, new, stream = stood(), stood(version="1.3.0", seed=8, number=2), begin()
        stream.extend(old, bars.slice(0, 300))
        again = NamedStream.from_saved(stream.saved(), new, StreamSettings())
        answer = again.push(new, bars.bar(300))
        assert answer.notes == ("carried on from version 1.2.3",)
        assert values(answer) == forecast(new.bundle, bars.slice(0, 301), int(bars.open_time[300]))

    def test_a_failure_of_the_model_is_remembered(self, begin, stood, bars: Bars) -> None:
        served, stream = stood(), begin()
        stream.extend(served, bars.slice(0, 300))
        stream._said = stream._said._replace(row=None, error=ForecastError("model", "said NaN"))
        again = NamedStream.from_saved(stream.saved(), served, StreamSettings())
        with pytest.raises(ForecastError, match="said NaN"):
            again.push(served, bars.bar(299))

    @pytest.mark.parametrize(
        "change",
        [
            {"state": "happy"},
            {"said": [1]},
            {"said": ["1", 1, "d", ["p_up"], "00" * 16, None]},
            {"last": "zz"},
            {"model": "other"},
            {"untold": 3},
        ],
        ids=str,
    )
    def test_what_does_not_fit_together_is_refused(self, begin, stood, bars: Bars, change: dict) -> None:
        stream = begin()
        stream.extend(stood(), bars.slice(0, 300))
        saved = stream.saved()
        told = {**saved.told, "beside": {**saved.told["beside"], **change}}
        with pytest.raises(BundleCorruption, match="does not fit together"):
            NamedStream.from_saved(replace(saved, told=told), stood(), StreamSettings())
