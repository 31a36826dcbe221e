"""Named streams: each under its own lock, bounded in number, there again after a restart, whatever became of the disk or the clock."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barmill import artefacts
from barmill.errors import InputError
from barmill.market import Bars
from barmill.serving.answers import Answer
from barmill.serving.contract import StreamBook
from barmill.serving.refusals import Refusal
from barmill.serving.snapshots import SnapshotFolder
from barmill.serving.stream_settings import StreamSettings
from barmill.serving.streams import Streams
from barmill.serving.telemetry import Silent


class Heard(Silent):
    """Remembers events and the last gauges."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict]] = []
        self.gauges: dict[tuple[str, str], float] = {}

    def event(self, name, level="info", **fields):
        self.events.append((name, level, fields))

    def gauge(self, name, value, labels):
        self.gauges[name, labels["model"]] = value

    def named(self, name: str) -> list[dict]:
        return [fields for said, _, fields in self.events if said == name]


class Clock:
    """Seconds that stand still until they are moved."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def bars(making) -> Bars:
    return making.walk(600, 3)


@pytest.fixture
def keep(tmp_path: Path) -> Callable[..., Streams]:
    """Streams with snapshots in one folder; another call is the server that is started again."""
    made: list[Streams] = []

    def make(telemetry: Heard | None = None, *, timer=time.monotonic, clock=time.time, **settings: object) -> Streams:
        made.append(Streams(tmp_path / "streams", StreamSettings(**settings), telemetry, timer=timer, clock=clock))
        return made[-1]

    yield make
    for streams in made:
        streams._keeper._closing.set()


def values(answer: Answer) -> dict[str, list[float]]:
    return {name: column.tolist() for name, column in answer.columns.items()}


def test_it_is_the_book_that_the_plane_asks_for() -> None:
    book: StreamBook = Streams()
    book.close()


@pytest.mark.parametrize("name", ["", "-a", ".a", "a/b", "../a", "a\0", "a b", "ä", "a\n", "x" * 129, "%2e"])
def test_a_name_that_is_no_name_is_refused_before_anything_is_looked_up(stood, keep, bars: Bars, tmp_path: Path, name: str) -> None:
    streams, served = keep(), stood()
    for ask in (
        lambda: streams.push(served, name, bars.bar(0)),
        lambda: streams.extend(served, name, bars),
        lambda: streams.status(served, name),
        lambda: streams.drop(served, name),
        lambda: streams.version_of("logistic", name, None),
    ):
        with pytest.raises(Refusal) as caught:
            ask()
        assert (caught.value.kind, caught.value.code) == ("invalid", "bad_stream_name")
    assert not (tmp_path / "streams").exists()


def test_streams_of_one_name_are_of_their_models(stood, keep, bars: Bars) -> None:
    streams, first, second = keep(), stood(), stood("lightgbm")
    streams.extend(first, "a:b.c-d_E", bars.slice(0, 300))
    streams.extend(second, "a:b.c-d_E", bars.slice(0, 290))
    assert streams.status(first, "a:b.c-d_E").bars_seen == 300
    assert streams.status(second, "a:b.c-d_E").bars_seen == 290
    assert streams.snapshot() == 2
    again = keep()
    assert again.status(second, "a:b.c-d_E").bars_seen == 290
    assert streams.names("logistic") == ("a:b.c-d_E",)


class TestNumber:
    def test_the_next_one_is_refused_and_none_is_forgotten(self, stood, bars: Bars) -> None:
        heard = Heard()
        streams, served = Streams(settings=StreamSettings(max_streams=2), telemetry=heard), stood()
        for name in ("a", "b"):
            streams.push(served, name, bars.bar(0))
        with pytest.raises(Refusal, match="there are 2 streams; expected at most 2") as caught:
            streams.push(served, "c", bars.bar(0))
        assert (caught.value.kind, caught.value.code) == ("too_many", "too_many_streams")
        assert len(streams) == heard.gauges["streams", "logistic"] == 2
        streams.drop(served, "a")
        streams.push(served, "c", bars.bar(0))
        assert streams.names("logistic") == ("b", "c")

    def test_a_name_whose_first_bar_is_refused_takes_no_room(self, stood, bars: Bars) -> None:
        streams, served = Streams(settings=StreamSettings(max_streams=1)), stood()
        for turn in range(5):
            with pytest.raises(Refusal, match="bar"):
                streams.push(served, f"s{turn}", bars.bar(0)._replace(close=-1.0))
        assert len(streams) == 0
        assert len(streams.push(served, "a", bars.bar(0))) == 0

    def test_asking_where_an_unknown_one_stands_takes_no_room(self, stood) -> None:
        streams = Streams()
        for ask in (streams.status, streams.drop):
            with pytest.raises(Refusal) as caught:
                ask(stood(), "nobody")
            assert (caught.value.kind, caught.value.code) == ("not_found", "unknown_stream")
        assert streams.recent("logistic", "nobody") is None
        assert len(streams) == 0

    def test_ten_thousand_are_each_their_own(self, small, bars: Bars) -> None:
        """All pushed round robin; one of them says what a stream alone says."""
        served, streams = small, Streams()
        history = bars.slice(0, 70)
        names = [f"s{number}" for number in range(10_000)]
        for number, name in enumerate(names):
            streams.push(served, name, history.bar(number % 5))
        with pytest.raises(Refusal, match="at most 10,000"):
            streams.push(served, "one-more", history.bar(0))
        for row in range(2):
            for number, name in enumerate(names):
                assert streams.push(served, name, history.bar(number % 5 + 1 + row)).stream.bars_seen == row + 2
        chosen = 7_777
        answer = streams.extend(served, names[chosen], history.slice(chosen % 5 + 3, 70))
        alone = served.bundle.forecast(history.slice(chosen % 5, 70)).frame
        assert len(alone) > 5
        assert answer.columns["p_up"].tolist() == alone["p_up"].to_list()


class TestPins:
    def test_a_stream_keeps_to_the_version_that_it_was_begun_with(self, stood, keep, bars: Bars) -> None:
        streams, served = keep(), stood()
        assert streams.version_of("logistic", "a", "1.2.3") == "1.2.3"
        streams.push(served, "a", bars.bar(0), version="1.2.3")
        assert streams.version_of("logistic", "a", None) == "1.2.3"
        assert streams.version_of("logistic", "a", "champion") == "1.2.3"
        with pytest.raises(Refusal, match=r"version 1\.3\.0, of a stream that keeps to version 1\.2\.3\. Ask for that one"):
            streams.version_of("logistic", "a", "1.3.0")
        streams.snapshot()
        again = keep()
        assert again.version_of("logistic", "a", None) == "1.2.3"
        again.drop(served, "a")
        assert again.version_of("logistic", "a", "1.3.0") == "1.3.0"

    def test_one_that_goes_with_the_champion_is_not_asked_of_another(self, stood, bars: Bars) -> None:
        streams, served = Streams(), stood()
        streams.push(served, "a", bars.bar(0), version="champion")
        assert streams.version_of("logistic", "a", None) is None
        with pytest.raises(Refusal, match="goes with the champion") as caught:
            streams.version_of("logistic", "a", "1.2.3")
        assert (caught.value.kind, caught.value.code) == ("conflict", "stream_of_another_version")

    def test_idle_streams_let_the_old_version_go(self, stood, bars: Bars) -> None:
        kept, new, streams = stood(), stood(version="1.3.0", seed=8, number=2), Streams()
        old = replace(kept, bundle=replace(kept.bundle))
        for name, version in (("a", None), ("b", None), ("pinned", "1.2.3"), ("canary", None)):
            streams.extend(old, name, bars.slice(0, 300), version=version)
        gone = weakref.ref(old.bundle)
        assert streams.adopt(new, lambda name: name != "canary") == 2
        assert streams.push(new, "a", bars.bar(300)).notes == ("carried on from version 1.2.3",)
        assert gone() is not None
        for name in ("pinned", "canary"):
            streams.drop(old, name)
        del old
        assert gone() is None


class TestLocks:
    @pytest.fixture
    def stuck(self, stood):
        """A version that forecasts nothing until it is let."""
        served, let, asked = stood(), threading.Event(), threading.Event()

        class Stuck:
            def raw(self, view):
                asked.set()
                assert let.wait(30)
                return served.bundle.pipeline.forecaster.raw(view)

        pipeline = replace(served.bundle.pipeline, forecaster=Stuck())
        return replace(served, bundle=replace(served.bundle, pipeline=pipeline)), let, asked

    def test_no_stream_waits_for_another_and_none_beyond_its_deadline(self, stood, stuck, bars: Bars) -> None:
        (slow, let, asked), served, streams = stuck, stood(), Streams()
        for name in ("slow", "quick"):
            streams.extend(served, name, bars.slice(0, 300))
        answers: list[Answer] = []
        other = threading.Thread(target=lambda: answers.append(streams.push(slow, "slow", bars.bar(300))))
        other.start()
        assert asked.wait(30)
        assert len(streams.push(served, "quick", bars.bar(300))) == 1
        with pytest.raises(Refusal) as caught:
            streams.push(served, "slow", bars.bar(301), deadline=time.monotonic() - 1)
        assert (caught.value.kind, caught.value.code) == ("timed_out", "stream_busy")
        assert streams.status(served, "slow").bars_seen == 300
        assert streams.recent("logistic", "slow") is None
        let.set()
        other.join()
        assert streams.recent("logistic", "slow").shape == (1, 47)
        assert streams.push(served, "slow", bars.bar(300)).columns == answers[0].columns  # sent again by whoever gave up

    def test_many_threads_on_one_stream_are_one_after_another(self, stood, bars: Bars) -> None:
        served, streams = stood(), Streams()
        streams.extend(served, "a", bars.slice(0, 300))
        said: dict[int, list[dict]] = {row: [] for row in range(300, 340)}
        refused: set[str] = set()

        def push_all() -> None:
            for row in said:
                try:
                    said[row].append(values(streams.push(served, "a", bars.bar(row))))
                except Refusal as refusal:
                    refused.add(refusal.code)

        threads = [threading.Thread(target=push_all) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refused <= {"bar_out_of_order"}
        frame = served.bundle.forecast(bars.slice(0, 340), since=int(bars.open_time[300])).frame
        for place, (_, answers) in enumerate(said.items()):
            assert answers
            for answer in answers:
                assert answer["p_up"] == [frame["p_up"][place]]

    def test_dropped_and_begun_again_at_once_leaves_what_the_last_one_did(self, stood, keep, bars: Bars, tmp_path: Path) -> None:
        served, streams = stood(), keep(snapshot_seconds=1e9)
        wrong: list[BaseException] = []

        def hammer(what: Callable[[], object]) -> None:
            for _ in range(60):
                try:
                    what()
                except Refusal as refusal:
                    if refusal.code not in ("unknown_stream", "bar_out_of_order", "bar_duplicate_differs"):
                        wrong.append(refusal)
                except Exception as error:  # noqa: BLE001 - a thread's error fails the test below
                    wrong.append(error)

        works = [lambda: streams.push(served, "a", bars.bar(3)), lambda: streams.drop(served, "a"), streams.snapshot]
        threads = [threading.Thread(target=hammer, args=(work,)) for work in works * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        streams.push(served, "a", bars.bar(3))
        streams.snapshot()
        streams.drop(served, "a")
        assert len(streams) == 0
        assert list((tmp_path / "streams" / "logistic").iterdir()) == []

    def test_a_snapshot_that_is_being_written_does_not_outlive_its_stream(
        self, stood, keep, bars: Bars, tmp_path: Path, monkeypatch
    ) -> None:
        served, streams, write = stood(), keep(snapshot_seconds=1e9), SnapshotFolder.write
        writes, go_on = threading.Event(), threading.Event()

        def slow_disk(folder: SnapshotFolder, *what) -> None:
            writes.set()
            assert go_on.wait(30)
            write(folder, *what)

        streams.push(served, "a", bars.bar(0))
        monkeypatch.setattr(SnapshotFolder, "write", slow_disk)
        snapshot, drop = (threading.Thread(target=work) for work in (streams.snapshot, lambda: streams.drop(served, "a")))
        snapshot.start()
        assert writes.wait(30)
        assert len(streams.push(served, "a", bars.bar(1))) == 0, "no bar waits for the disk"
        drop.start()
        drop.join(0.05)  # it waits; one that did not would be over by now, and the file be there in the end
        go_on.set()
        snapshot.join()
        drop.join()
        assert not SnapshotFolder(tmp_path / "streams").path("logistic", "a").exists()


class TestStale:
    def test_a_stream_without_bars_is_stale_until_the_next(self, stood, bars: Bars) -> None:
        timer, served = Clock(50.0), stood()
        streams = Streams(settings=StreamSettings(stale_after=3), timer=timer)
        streams.extend(served, "a", bars.slice(0, 300))
        timer.now += 180
        assert streams.status(served, "a").state == "live"
        timer.now += 1
        assert streams.status(served, "a").state == "stale"
        streams.push(served, "a", bars.bar(300))
        assert streams.status(served, "a").state == "live"

    def test_a_closed_market_makes_no_stream_stale(self, stood, bars: Bars) -> None:
        timer, plain = Clock(0.0), stood()
        forex = bars.instrument.model_copy(update={"calendar": "forex"})
        served = replace(plain, bundle=replace(plain.bundle, instrument=forex))
        clock = Clock(0.0)
        streams = Streams(settings=StreamSettings(stale_after=3), timer=timer, clock=clock)
        friday = 1_700_258_400_000 - 300 * 60_000
        week = replace(bars, instrument=forex, frame=bars.frame.head(300).with_columns(open_time=friday + 60_000 * np.arange(300)))
        streams.extend(served, "a", week)
        timer.now += 48 * 3600
        clock.now = (friday + 300 * 60_000) / 1000 + 48 * 3600 - 60
        assert streams.status(served, "a").state == "live"
        assert streams.lags() == {"logistic": 60.0}, "of the weekend no more than the bar that would be open now"
        timer.now += 5 * 60
        assert streams.status(served, "a").state == "stale"

    def test_clocks_that_go_backwards_break_nothing(self, stood, keep, bars: Bars) -> None:
        heard, clock, timer, served = Heard(), Clock(1.8e9), Clock(10.0), stood()
        streams = keep(heard, clock=clock, timer=timer)
        streams.extend(served, "a", bars.slice(0, 300))
        clock.now -= 1e9
        first = streams.push(served, "a", bars.bar(300))
        assert streams.lags() == {"logistic": 0.0}
        streams.snapshot()
        clock.now -= 3600
        later = Clock(0.0)
        again = keep(heard, clock=clock, timer=later)
        assert again.status(served, "a").state == "live"
        later.now += 181
        assert again.status(served, "a").state == "stale", "a clock that was set back by an hour does not make it live for an hour more"
        assert values(again.push(served, "a", bars.bar(300))) == values(first)

    def test_a_model_is_as_far_behind_as_its_slowest_stream(self, stood, keep, bars: Bars) -> None:
        served, clock = stood(), Clock(0.0)
        streams = keep(clock=clock)
        assert streams.lags() == {}
        streams.extend(served, "slow", bars.slice(0, 300))
        streams.extend(served, "quick", bars.slice(0, 310))
        clock.now = (int(bars.open_time[299]) + 60_000) / 1000 + 7.5
        assert streams.lags() == {"logistic": 7.5}
        clock.now += 600
        assert streams.lags() == {"logistic": 607.5}, "no bar came, so that nobody was there to tell"

    def test_what_was_stale_before_a_restart_is_so_after_it(self, stood, keep, bars: Bars) -> None:
        clock, served = Clock(1.8e9), stood()
        streams = keep(clock=clock)
        streams.extend(served, "a", bars.slice(0, 300))
        streams.snapshot()
        clock.now += 600
        assert keep(clock=clock).status(served, "a").state == "stale"


class TestRestart:
    def test_a_restored_stream_says_so_and_goes_on_to_the_bit(self, stood, keep, bars: Bars) -> None:
        heard, served, streams = Heard(), stood(), keep()
        streams.extend(served, "a", bars.slice(0, 300))
        streams.close()
        again = keep(heard)
        status = again.status(served, "a")
        assert (status.restored, status.state, status.last_open_time) == (True, "live", int(bars.open_time[299]))
        assert heard.named("stream_restored") == [{"model": "logistic", "stream": "a", "last_open_time": status.last_open_time}]
        whole = served.bundle.forecast(bars).frame["p_up"].to_list()
        assert [float(again.push(served, "a", bars.bar(row)).columns["p_up"][0]) for row in range(300, 330)] == whole[-300:-270]

    def test_after_closing_nothing_is_taken(self, stood, keep, bars: Bars) -> None:
        streams = keep()
        streams.push(stood(), "a", bars.bar(0))
        streams.close()
        with pytest.raises(Refusal) as caught:
            streams.push(stood(), "a", bars.bar(1))
        assert (caught.value.kind, caught.value.code) == ("unavailable", "shutting_down")
        assert keep().status(stood(), "a").bars_seen == 1

    def test_bars_up_to_the_last_one_are_refused_with_what_to_send(self, stood, keep, bars: Bars) -> None:
        served, streams = stood(), keep()
        streams.extend(served, "a", bars.slice(0, 300))
        streams.snapshot()
        streams.push(served, "a", bars.bar(300))
        again = keep()
        with pytest.raises(Refusal, match=rf"{bars.open_time[299]}\. Send each closed bar once.*from the one after last_open_time on"):
            again.push(served, "a", bars.bar(290))
        again.push(served, "a", bars.bar(299))
        assert values(again.push(served, "a", bars.bar(300))) == values(streams.push(served, "a", bars.bar(300)))

    def test_a_thread_writes_down_what_is_due(self, stood, keep, bars: Bars, tmp_path: Path) -> None:
        served, streams, folder = stood(), keep(snapshot_bars=3, snapshot_seconds=0.02), SnapshotFolder(tmp_path / "streams")
        streams.push(served, "a", bars.bar(0))
        _poll(lambda: folder.path("logistic", "a").exists())
        streams.close()

    @pytest.mark.parametrize(("n_bars", "seconds", "is_due"), [(2, 9.0, False), (3, 0.0, True), (1, 10.0, True), (0, 99.0, False)])
    def test_it_is_due_after_so_many_bars_or_so_long(self, stood, keep, bars: Bars, n_bars: int, seconds: float, is_due: bool) -> None:
        timer, served = Clock(5.0), stood()
        streams = keep(timer=timer, snapshot_bars=3, snapshot_seconds=10.0)
        streams.extend(served, "a", bars.slice(0, 10))
        streams.snapshot()
        for row in range(10, 10 + n_bars):
            streams.push(served, "a", bars.bar(row))
        timer.now += seconds
        assert streams._keeper.sweep() == int(is_due)

    def test_killed_between_a_snapshot_and_the_next_bar_it_says_the_same_bits(self, stood, bars: Bars, tmp_path: Path) -> None:
        served = stood()
        table = np.column_stack([bars.open_time, bars.open, bars.high, bars.low, bars.close, bars.volume])
        np.save(tmp_path / "bars.npy", table)
        child = Path(__file__).with_name("stream_child.py")
        command = [sys.executable, str(child), str(served.bundle.folder), str(tmp_path / "streams"), str(tmp_path / "bars.npy")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if int(line) >= bars.open_time[310]:
                    os.kill(process.pid, signal.SIGKILL)
                    break
        assert process.returncode == -signal.SIGKILL
        streams = Streams(tmp_path / "streams")
        status = streams.status(served, "es")
        last = int(np.searchsorted(bars.open_time, status.last_open_time))
        assert status.restored
        assert last >= 300
        whole = served.bundle.forecast(bars).frame.filter(np.arange(len(bars))[-len(served.bundle.forecast(bars).frame) :] > last)
        live = [streams.push(served, "es", bars.bar(row)) for row in range(last + 1, len(bars))]
        for name in served.bundle.outputs:
            assert [float(one.columns[name][0]) for one in live] == whole[name].to_list()


class TestDisk:
    def test_a_full_disk_stops_no_forecast_and_the_old_snapshot_is_whole(
        self, stood, keep, bars: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heard, timer, served = Heard(), Clock(5.0), stood()
        streams = keep(heard, timer=timer, snapshot_bars=2, snapshot_seconds=10.0)
        path = SnapshotFolder(tmp_path / "streams").path("logistic", "a")
        for name in ("a", "b"):
            streams.extend(served, name, bars.slice(0, 300))
        streams.snapshot()
        before = path.read_bytes()
        with monkeypatch.context() as full:
            full.setattr(artefacts.os, "fsync", _no_space)
            for row in range(300, 304):
                for name in ("a", "b"):
                    assert len(streams.push(served, name, bars.bar(row))) == 1
            assert streams._keeper.sweep() == 0
            assert path.read_bytes() == before
            assert [one.name for one in path.parent.iterdir() if one.name.startswith(".")] == []
            assert len(heard.named("snapshot_failed")) == 1
            assert heard.named("snapshot_failed")[0]["streams"] == 2
            assert "no space left on device" in heard.named("snapshot_failed")[0]["reason"]
            assert streams._keeper.sweep() == 0
            assert len(heard.named("snapshot_failed")) == 1, "it is not tried again at once"
        timer.now += 10
        assert streams._keeper.sweep() == 2
        assert keep().status(served, "a").bars_seen == 304

    def test_a_folder_that_cannot_be_written_stops_no_forecast(self, stood, bars: Bars, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        heard, served = Heard(), stood()
        streams = Streams(tmp_path / "file" / "streams", telemetry=heard)
        streams.extend(served, "a", bars.slice(0, 300))
        assert len(streams.push(served, "a", bars.bar(300))) == 1
        streams.close()
        assert len(heard.named("snapshot_failed")) == 1

    @pytest.mark.parametrize("wrong", ["flipped", "cut", "empty", "pickle", "of another", "of another model"])
    def test_a_snapshot_that_is_not_right_is_told_and_put_aside(self, stood, keep, bars: Bars, tmp_path: Path, wrong: str) -> None:
        heard, served, streams, folder = Heard(), stood(), keep(), SnapshotFolder(tmp_path / "streams")
        for name in ("a", "b"):
            streams.extend(served, name, bars.slice(0, 300))
        streams.extend(stood("lightgbm"), "a", bars.slice(0, 300))
        streams.snapshot()
        path = folder.path("logistic", "a")
        data = path.read_bytes()
        others = {"of another": folder.path("logistic", "b"), "of another model": folder.path("lightgbm", "a")}
        bad = {"flipped": data[:900] + bytes([data[900] ^ 1]) + data[901:], "cut": data[:-5], "empty": b"", "pickle": b"\x80\x04}."}
        path.write_bytes(bad[wrong] if wrong in bad else others[wrong].read_bytes())
        again = keep(heard)
        answer = again.push(served, "a", bars.bar(5))
        assert answer.notes[0] == "its snapshot cannot be used: it begins anew"
        assert (answer.stream.bars_seen, answer.stream.restored) == (1, False)
        assert str(path) in heard.named("snapshot_refused")[0]["reason"]
        assert path.with_name("a.refused").exists()
        assert again.status(served, "b").bars_seen == 300

    def test_a_stream_whose_snapshot_cannot_be_removed_is_not_dropped(self, stood, keep, bars: Bars, monkeypatch) -> None:
        served, streams = stood(), keep()
        streams.push(served, "a", bars.bar(0))
        streams.snapshot()
        with monkeypatch.context() as full:
            full.setattr(Path, "unlink", _no_space)
            with pytest.raises(Refusal) as caught:
                streams.drop(served, "a")
        assert (caught.value.kind, caught.value.code) == ("unavailable", "snapshot_not_removed")
        assert streams.status(served, "a").bars_seen == 1
        streams.drop(served, "a")
        with pytest.raises(Refusal, match="has no stream 'a'"):
            keep().status(served, "a")


@pytest.mark.parametrize(
    "wrong",
    [{"on_gap": "hope"}, {"max_gap_bars": -1}, {"max_streams": 0}, {"stale_after": 0.0}, {"snapshot_bars": 0}, {"snapshot_seconds": -1.0}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match=f"settings.{next(iter(wrong))}"):
        StreamSettings(**wrong)


def _no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _poll(done: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)
