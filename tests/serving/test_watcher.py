"""New versions are served beside the old and then instead of it; a bad one is refused with its reason, and the old goes on."""

import contextlib
import errno
import gc
import json
import os
import shutil
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from barmill.artefacts import canonical_json
from barmill.bundles import promote, publish
from barmill.bundles.folder import POINTER, read_pointer
from barmill.bundles.manifest import MANIFEST, SEAL, list_files, parse_manifest, seal_of
from barmill.serving.answers import Ask
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.refusals import Refusal
from barmill.serving.settings import PlaneSettings
from barmill.serving.telemetry import Silent
from barmill.serving.watched import AGAIN_SECONDS, LONGEST_SECONDS
from barmill.serving.watcher import STILL_POLLS, Watcher

pytestmark = pytest.mark.xdist_group("small served bundles")

REWRITES = int(os.environ.get("BARMILL_POINTER_REWRITES", "48"))  # of the pointer, by four writers; 10,000 show what is promised


class Notes(Silent):
    def __init__(self):
        self.events: list[tuple[str, dict]] = []
        self.swaps: list[int] = []

    def event(self, name, level="info", **fields):
        self.events.append((name, fields))

    def swapped(self, model, version, number, digest):
        self.swaps.append(number)

    def named(self, name):
        return [fields for event, fields in self.events if event == name]


class Watched:
    """A repository under watch, polled by hand."""

    def __init__(self, folder: Path, **options):
        self.folder, self.notes = folder, Notes()
        self.settings = PlaneSettings(drain_seconds=0.0)
        self.table = ModelTable(self.settings, self.notes)
        self.plane = Plane(self.table, settings=self.settings)
        self.watcher = Watcher(self.table, folder, settings=self.settings, telemetry=self.notes, **options)

    def poll(self, times: int = 1):
        for _ in range(times):
            self.watcher.poll()
        return self

    def states(self, model: str = "logistic") -> dict[int, str]:
        return {one.number: one.state for one in self.table.index() if one.model == model}

    def reason(self, number: int) -> str:
        return next(one.reason for one in self.table.index() if one.number == number and one.state == "unavailable")

    def champion(self, model: str = "logistic") -> int | None:
        routes = self.table.known(model)
        return routes and routes.champion

    def answer(self, version: str | None = None):
        with self.table.lease(Ask("logistic", version)) as served:
            return self.plane.forecast(Ask("logistic", version), np.zeros((1, len(served.schema.names))))


@pytest.fixture
def watched(repository):
    return Watched(repository)


def broken(files: dict[str, bytes], **changed: bytes) -> dict[str, bytes]:
    """The files with some changed and the manifest made to agree: bad, and whole."""
    rest = {path: changed.get(path, data) for path, data in files.items() if path not in (MANIFEST, SEAL)}
    manifest = json.loads(files[MANIFEST])
    manifest["files"] = [{"path": one.path, "sha256": one.sha256, "size": one.size} for one in list_files(rest)]
    data = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return {**rest, MANIFEST: data, SEAL: seal_of(data)}


def three_versions(published) -> None:
    for version, seed in (("1.2.3", 7), ("1.2.4", 8), ("1.2.5", 8)):
        published("logistic", version, seed=seed)


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def test_what_is_published_is_served_and_the_pointer_makes_the_champion(watched, published):
    published("logistic", "1.2.3")
    watched.poll()
    assert (watched.states(), watched.champion()) == ({1: "ready"}, 1)
    published("logistic", "1.2.4", seed=8)
    assert watched.champion() == 1
    watched.poll()
    assert (watched.states(), watched.champion()) == ({1: "ready", 2: "ready"}, 2)
    assert watched.answer().version == "1.2.4"
    assert watched.answer("1.2.3").number == 1
    promote(watched.folder / "logistic", 1)
    assert watched.poll().champion() == 1
    assert watched.notes.swaps == [1, 2, 1]


def test_a_version_is_loaded_once_however_often_it_is_looked_at(watched, published, monkeypatch):
    published("logistic")
    watched.poll()
    monkeypatch.setattr("barmill.serving.watcher.read_version", lambda folder: pytest.fail("it was read again"))
    watched.poll(5)


def test_a_major_version_has_its_own_route_and_the_champion_keeps_its_own(watched, published):
    published("logistic", "1.2.3")
    watched.poll()
    published("logistic", "2.0.0", seed=8)
    watched.poll()
    assert watched.champion() == 1
    assert watched.answer("v2").version == "2.0.0"
    assert watched.answer("latest").version == "2.0.0"
    assert watched.answer("v1").version == watched.answer().version == "1.2.3"
    assert len(watched.notes.named("champion_keeps_major")) == 1
    watched.poll(3)
    assert len(watched.notes.named("champion_keeps_major")) == 1


def flipped(folder: Path) -> None:
    path = folder / "weights" / "model.json"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def truncated(folder: Path) -> None:
    path = folder / "golden.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def with_pickle(folder: Path) -> None:
    (folder / "weights" / "scaler.pkl").write_bytes(b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.")


def with_link(folder: Path) -> None:
    (folder / "metrics.json").unlink()
    (folder / "metrics.json").symlink_to("/etc/passwd")


def escaping(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["files"][0]["path"] = "../../../etc/passwd"
    reseal(folder, manifest)


def of_a_newer_format(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    reseal(folder, {**manifest, "format": 2, "reads_with": "9.0.0"})


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "weights").mkdir()
    (folder / "readme.txt").write_text("coming soon")


def reseal(folder: Path, manifest: dict) -> None:
    data = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    (folder / MANIFEST).write_bytes(data)
    (folder / SEAL).write_bytes(seal_of(data))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flipped, "SHA-256"),
        (truncated, "100 bytes"),
        (with_pickle, "is not in the manifest"),
        (with_link, "symbolic link"),
        (escaping, "passwd"),
        (of_a_newer_format, "9.0.0"),
        (empty, "no bundle here"),
    ],
)
def test_a_bad_version_is_refused_once_it_stands_still_and_the_next_good_one_is_served(
    watched, published, files_of, damage, said, tmp_path
):
    published("logistic")
    watched.poll()
    folder = watched.folder / "logistic" / "2"
    write(folder, files_of("logistic", "1.2.4", 8))
    damage(folder)
    watched.poll(STILL_POLLS)
    assert 2 not in watched.states()  # it may still be on its way
    watched.poll(5)
    assert watched.states() == {1: "ready", 2: "unavailable"}
    assert said in watched.reason(2)
    assert len(watched.notes.named("version_refused")) == 1
    assert watched.answer().number == watched.champion() == 1
    assert not Path("owned").exists()
    published("logistic", "1.2.5", seed=8)
    watched.poll()
    assert watched.answer().version == "1.2.5"
    assert watched.champion() == 3


def test_a_version_that_is_copied_slowly_is_served_when_it_is_whole(watched, files_of):
    files = files_of("logistic")
    folder = watched.folder / "logistic" / "1"
    for number, (path, data) in enumerate(sorted(files.items())):
        write(folder, {path: data})
        watched.poll()
        if number < len(files) - 1:
            assert watched.states() == {}
    assert (watched.states(), watched.champion()) == ({1: "ready"}, 1)  # without a pointer the highest is the champion
    assert watched.notes.named("version_refused") == []


def test_a_refused_version_is_tried_again_when_its_bytes_change(watched, published, files_of, tmp_path):
    watched = Watched(watched.folder, quarantine=tmp_path / "quarantine")
    folder = watched.folder / "logistic" / "1"
    write(folder, files_of("logistic"))
    flipped(folder)
    watched.poll(STILL_POLLS + 1)
    (note,) = (tmp_path / "quarantine").iterdir()
    assert json.loads(note.read_bytes())["reason"] == watched.reason(1)
    write(folder, files_of("logistic"))
    watched.poll()
    assert watched.answer().number == 1


def test_a_version_of_the_same_major_that_answers_something_else_is_refused_by_name(watched, published):
    published("logistic", "1.2.3")
    watched.poll()
    published("entry", "1.3.0", name="logistic")
    watched.poll()
    assert watched.states() == {1: "ready", 2: "unavailable"}
    assert "is not compatible with logistic 1.2.3 (1): outputs" in watched.reason(2)
    published("entry", "2.0.0", name="logistic")  # a major version may
    watched.poll()
    assert watched.states()[3] == "ready"
    assert watched.champion() == 1


def test_weights_whose_forecasts_differ_from_the_golden_ones_are_refused_at_once(watched, published, files_of):
    published("logistic")
    watched.poll()
    other = files_of("logistic", "1.2.4", 8)["weights/model.json"]
    write(watched.folder / "logistic" / "2", broken(files_of("logistic", "1.2.4"), **{"weights/model.json": other}))
    watched.poll()
    assert watched.states() == {1: "ready", 2: "unavailable"}
    assert "golden" in watched.reason(2)


def with_forecasts_that_are_no_numbers(files: dict[str, bytes]) -> dict[str, bytes]:
    """Weights as large as a number can be, some to either side: their sum is no number."""
    weights = json.loads(files["weights/model.json"])
    weights["coefficients"] = [[1e308 * (-1) ** place for place in range(len(row))] for row in weights["coefficients"]]
    return broken(files, **{"weights/model.json": canonical_json(weights)})


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning", "ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize(
    ("child", "said"),
    [
        ("kill -s SEGV $$", "it was ended by SIGSEGV"),
        ("echo ready; exec sleep 1000", "it had not finished after 0.2 s"),
        ("", "expected a finite number"),
    ],
    ids=["crashes", "hangs", "no numbers"],
)
def test_a_version_that_crashes_or_hangs_or_says_no_number_is_told_once_and_the_next_good_one_is_served(
    watched, published, files_of, child, said, tmp_path, monkeypatch
):
    published("logistic")
    before = watched.poll().answer()
    files = files_of("logistic", "1.2.4", 8)
    write(watched.folder / "logistic" / "2", files if child else with_forecasts_that_are_no_numbers(files))
    with monkeypatch.context() as patch:
        if child:  # its library is what crashes: whatever that is, the child process does
            script = tmp_path / "child"
            script.write_text(f"#!/bin/sh\n{child}\n")
            script.chmod(0o755)
            patch.setattr("barmill.bundles.first_load.sys.executable", str(script))
            patch.setattr("barmill.bundles.first_load.WALL_SECONDS", 0.2)
            patch.setenv("BARMILL_CACHE", str(tmp_path / "cache"))
        watched.poll(STILL_POLLS + 5)
    assert watched.states() == {1: "ready", 2: "unavailable"}
    assert said in watched.reason(2)
    assert len(watched.notes.named("version_refused")) == 1
    assert bits(watched.answer()) == bits(before)
    published("logistic", "1.2.5", seed=8)
    watched.poll()
    assert (watched.champion(), watched.states()) == (3, {1: "ready", 2: "unavailable", 3: "ready"})


def bits(answer) -> tuple:
    return answer.digest, {name: values.tobytes() for name, values in answer.columns.items()}


def test_a_version_that_is_ten_times_slower_is_refused_and_timed_again_later(repository, published, monkeypatch):
    now = [0.0]
    watched = Watched(repository, timer=lambda: now[0])
    published("logistic")
    watched.poll()
    with watched.table.lease(Ask("logistic")) as served:
        usual = served.seconds
    with monkeypatch.context() as patch:
        patch.setattr("barmill.serving.served._one_row_seconds", lambda bundle, timer: 0.002 + 11 * usual)
        published("logistic", "1.2.4", seed=8)
        watched.poll()
        assert watched.states()[2] == "unavailable"
        assert "times as long as logistic 1.2.3 (1)" in watched.reason(2)
        for _ in range(3):
            now[0] += LONGEST_SECONDS
            watched.poll(2)
        assert watched.states()[2] == "unavailable"
        assert watched.champion() == 1
        assert len(watched.notes.named("version_refused")) == 1
    now[0] += LONGEST_SECONDS
    assert watched.poll().champion() == 2  # the machine was busy with something else


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EACCES, errno.EIO])
def test_a_version_that_could_not_be_read_is_served_once_it_can_be(repository, published, monkeypatch, error):
    now = [0.0]
    watched = Watched(repository, timer=lambda: now[0])
    published("logistic")
    before = watched.poll().answer()
    second, opened = published("logistic", "1.2.4", seed=8), os.open

    def refuse(path, *args, **options):
        if path == second:
            raise OSError(error, os.strerror(error))
        return opened(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr("barmill.bundles.folder.os.open", refuse)
        watched.poll(STILL_POLLS + 3)
        assert os.strerror(error).lower() in watched.reason(2)
        now[0] += AGAIN_SECONDS
        watched.poll(2)
    assert len(watched.notes.named("version_refused")) == 1
    assert bits(watched.answer()) == bits(before)
    watched.poll(3)
    assert watched.champion() == 1  # it is not tried at every look
    now[0] += 2 * AGAIN_SECONDS
    assert watched.poll().champion() == 2
    assert watched.states() == {1: "ready", 2: "ready"}


def test_a_note_that_a_full_disk_refuses_is_told_once_and_written_when_there_is_room(repository, files_of, tmp_path, monkeypatch):
    watched = Watched(repository, quarantine=tmp_path / "quarantine")
    folder = repository / "logistic" / "1"
    write(folder, files_of("logistic"))
    flipped(folder)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("barmill.artefacts.os.fsync", full)
        watched.poll(STILL_POLLS + 4)
        assert list((tmp_path / "quarantine").iterdir()) == []
    (told,) = watched.notes.named("quarantine_note_failed")
    assert "no space left" in told["reason"]
    watched.poll()
    (note,) = (tmp_path / "quarantine").iterdir()
    assert json.loads(note.read_bytes())["reason"] == watched.reason(1)


def test_a_pointer_that_is_bad_or_names_nothing_leaves_the_champion_and_is_told_once(watched, published):
    published("logistic")
    watched.poll()
    pointer = watched.folder / "logistic" / POINTER
    good = pointer.read_bytes()
    for bad in (b"{", b'{"digest":"x","format":1,"version":7}', b'{"version": "../../x"}', b"\x00" * 9000):
        pointer.write_bytes(bad)
        before = len(watched.notes.named("watch_failed"))
        watched.poll(STILL_POLLS + 2)
        assert len(watched.notes.named("watch_failed")) == before + 1
        assert watched.champion() == 1
    pointer.write_bytes(good)
    watched.poll()
    assert watched.answer().number == 1


def test_a_pointer_that_four_rewrite_all_the_time_ends_on_the_last_and_no_earlier_one_follows_a_later(watched, published):
    three_versions(published)
    model = watched.folder / "logistic"
    watched.poll()
    followed = []

    def writes() -> None:
        for number in range(REWRITES // 4):
            promote(model, 1 + number % 3)

    writers = [threading.Thread(target=writes) for _ in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        watched.poll()
        followed.append(watched.watcher._models["logistic"].applied)
        assert watched.champion() == followed[-1].version
    watched.poll()
    last = read_pointer(model)
    assert watched.champion() == last.version
    assert last.revision == 3 + 4 * (REWRITES // 4)  # every write counted, also those of the publisher
    revisions = [pointer.revision for pointer in followed]
    assert revisions == sorted(revisions)
    assert watched.notes.named("watch_failed") == []


def test_a_version_is_taken_back_at_once_but_an_older_pointer_is_followed_only_where_it_stays(watched, published):
    three_versions(published)
    pointer = watched.folder / "logistic" / POINTER
    older = pointer.read_bytes().replace(b'"revision":3', b'"revision":2')
    watched.poll()
    promote(watched.folder / "logistic", 1)
    assert watched.poll().champion() == 1
    newer = pointer.read_bytes()
    for _ in range(3):  # as a network file system may show a file that was replaced
        pointer.write_bytes(older)
        assert watched.poll(STILL_POLLS).champion() == 1
        pointer.write_bytes(newer)
        assert watched.poll().champion() == 1
    pointer.unlink()
    assert watched.poll(STILL_POLLS).champion() == 1
    pointer.write_bytes(older)
    assert watched.poll(STILL_POLLS + 1).champion() == 3
    assert [told["revision"] for told in watched.notes.named("older_pointer_followed")] == [2]


def test_a_version_that_is_published_while_the_folder_is_looked_at_is_no_problem_of_the_pointer(watched, published, monkeypatch):
    published("logistic")
    watched.poll()
    listed, late = os.scandir, [lambda: published("logistic", "1.2.4", seed=8)]

    def lists(folder):
        """What is in a folder, and of the model's once nothing of what is published meanwhile."""
        entries = list(listed(folder)) if isinstance(folder, Path) else listed(folder)
        if folder == watched.folder / "logistic" and late:
            late.pop()()
        return contextlib.nullcontext(entries) if isinstance(entries, list) else entries

    with monkeypatch.context() as patch:
        patch.setattr("barmill.serving.model_folders.os.scandir", lists)
        watched.poll()
    assert not late
    assert watched.poll().champion() == 2
    assert watched.notes.named("watch_failed") == []


def test_a_removed_version_is_retired_and_the_champion_goes_on_without_its_folder(watched, published):
    published("logistic", "1.2.3")
    published("logistic", "1.2.4", seed=8)
    watched.poll()
    for number in (1, 2):
        shutil.rmtree(watched.folder / "logistic" / str(number))
    watched.poll(3)
    assert watched.answer().number == 2
    assert watched.states() == {2: "ready"}
    assert [told["number"] for told in watched.notes.named("served_version_removed")] == [2]


def test_damage_to_the_folder_of_what_is_served_is_told_and_changes_no_answer(watched, published):
    published("logistic")
    watched.poll()
    before = watched.answer()
    flipped(watched.folder / "logistic" / "1")
    watched.poll(STILL_POLLS + 3)
    after = watched.answer()
    assert {name: values.tobytes() for name, values in after.columns.items()} == {
        name: values.tobytes() for name, values in before.columns.items()
    }
    assert len(watched.notes.named("served_version_damaged")) == 1
    assert watched.states() == {1: "ready"}


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("odd"), MemoryError(), RecursionError()])
def test_no_single_failure_ends_the_watch(watched, published, monkeypatch, error):
    published("logistic")
    published("lightgbm")

    def fail(folder: Path):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("barmill.serving.watcher.look_at", fail)
        watched.poll(2)
    assert len(watched.notes.named("watch_failed")) == 2
    watched.poll()
    assert (watched.champion("logistic"), watched.champion("lightgbm")) == (1, 1)


def test_a_root_that_is_not_there_is_told_once_and_watched_for(tmp_path, files_of):
    watched = Watched(tmp_path / "later")
    watched.poll(3)
    assert len(watched.notes.named("models_unreadable")) == 1
    publish(files_of("logistic"), tmp_path / "later", "logistic")
    assert watched.poll().champion() == 1


def test_bundles_named_on_the_command_line_are_served_a_models_folder_is_watched(tmp_path, files_of):
    fixed = publish(files_of("lightgbm"), tmp_path / "runs", "lightgbm")
    watched_folder = publish(files_of("logistic"), tmp_path / "runs", "logistic").parent
    table = ModelTable()
    watcher = Watcher(table, named=[fixed, watched_folder])
    watcher.poll()
    assert [(one.model, one.number, one.state) for one in table.index()] == [("lightgbm", 0, "ready"), ("logistic", 1, "ready")]
    publish(files_of("logistic", "1.2.4", 8), tmp_path / "runs", "logistic")
    watcher.poll()
    assert table.known("logistic").champion == 2


def test_no_more_versions_are_kept_than_asked_but_for_those_that_count(watched, published):
    watched = Watched(watched.folder, versions=2)
    three_versions(published)
    promote(watched.folder / "logistic", 1)
    watched.poll()
    assert sorted(watched.states()) == [1, 2, 3]  # the champion, and the newest two
    promote(watched.folder / "logistic", 3)
    watched.poll(2)
    assert sorted(watched.states()) == [2, 3]


def test_swapped_under_load_no_request_fails_and_no_answer_mixes_versions(watched, published, making):
    versions = [published("logistic", "1.2.3").name, published("logistic", "1.2.4", seed=8).name]
    watched.poll()
    width = len(watched.table.known("logistic").champion_entry.served.schema.names)
    features = np.full((1, width), 0.5)
    known = {number: watched.plane.forecast(Ask("logistic", number), features).columns["p_up"].tobytes() for number in versions}
    assert len(set(known.values())) == 2
    failed: list[object] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answer = watched.plane.forecast(Ask("logistic"), features)
            except Refusal as refusal:
                failed.append(refusal)
                continue
            if answer.degraded or answer.columns["p_up"].tobytes() != known[str(answer.number)]:
                failed.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(24):
        promote(watched.folder / "logistic", 1 + number % 2)
        watched.poll()
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(watched.notes.swaps) >= 24


def test_a_hundred_reloads_leave_nothing_behind(watched, published, files_of):
    published("logistic", "1.2.3")
    watched.poll()
    watched.watcher._n_versions = 1
    gone = []
    folder = watched.folder / "logistic"
    for number in range(2, 102):
        gone.append(weakref.ref(watched.table.known("logistic").champion_entry.served))
        os.rename(folder / str(number - 1), folder / str(number))  # the same bytes under the next number
        (folder / POINTER).write_bytes((folder / POINTER).read_bytes().replace(b'"version":%d}' % (number - 1), b'"version":%d}' % number))
        watched.poll()
        assert watched.champion() == number
    gc.collect()
    assert sum(reference() is not None for reference in gone) <= 2
    assert parse_manifest(files_of("logistic")[MANIFEST], "m").version == "1.2.3"
