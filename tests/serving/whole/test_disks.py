"""A disk that is really full, or read-only, under models, streams and notes, and descriptors that have run out: answers go on.

The disk is a small file system in memory, in a mount namespace of the server's own, where a stranger may make one.
"""

import contextlib
import errno
import os
import resource
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from barmill.bundles import publish
from barmill.bundles.folder import read_pointer, read_version
from barmill.bundles.stream_state import SavedStream
from barmill.errors import StorageError

pytestmark = pytest.mark.xdist_group("whole servers")

STREAM = "/v1/models/logistic/streams/{}"
PAGE = resource.getpagesize()
SIZE = 4 << 20  # bytes of the disk: a bundle, snapshots, and room


class Disk:
    """A small disk that a server alone has, seen from outside through its process."""

    def __init__(self, place: Path, seed: Path) -> None:
        self.place = place
        self.within = (
            "unshare",
            "-rm",
            "sh",
            "-c",
            f'mount -t tmpfs -o size={SIZE} tmpfs {place} && cp -r {seed}/. {place} && exec "$@"',
            "sh",
        )

    def of(self, server) -> None:
        self._process = server.process.pid
        self.root = Path(f"/proc/{self._process}/root{self.place}")
        self.models = self.root / "models"

    @contextlib.contextmanager
    def full(self, free: int):
        """Nothing is left but `free` bytes, as whole pages."""
        filler = self.root / "filler"
        with filler.open("wb", buffering=0) as file:
            while _written(file):
                pass
            file.truncate(file.seek(0, os.SEEK_END) - free // PAGE * PAGE)
            left = os.fstatvfs(file.fileno())
        assert left.f_bavail * left.f_bsize == free // PAGE * PAGE
        yield
        filler.unlink()

    @contextlib.contextmanager
    def read_only(self):
        self._remount("ro")
        yield
        self._remount("rw")

    def _remount(self, how: str) -> None:
        enter = ["nsenter", "-t", str(self._process), "-U", "-m", "--preserve-credentials"]
        subprocess.run([*enter, "mount", "-o", f"remount,{how}", str(self.place)], check=True, capture_output=True)


def _written(file) -> bool:
    """Whether there was room for another page."""
    try:
        return file.write(bytes(PAGE)) == PAGE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


@pytest.fixture(scope="module")
def files(files_of):
    """Of versions that say the same, each under a digest of its own."""
    return [files_of("logistic", f"1.2.{number}") for number in (3, 4, 5, 6)]


@pytest.fixture(scope="module")
def disk(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("disk")
    if any(shutil.which(name) is None for name in ("unshare", "nsenter", "mount")):
        pytest.skip("unshare, nsenter or mount is not installed")
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody but its administrator make a mount namespace")
    seed = tmp_path_factory.mktemp("seed")
    publish(files[0], seed / "models", "logistic")
    return Disk(folder, seed)


@pytest.fixture(scope="module")
def server(serving, disk):
    streams = {"snapshot_bars": 10, "snapshot_seconds": 0.3}
    begun = serving("--models", disk.place / "models", within=disk.within, state=str(disk.place / "state"), streams=streams)
    disk.of(begun)
    return begun


@pytest.fixture(scope="module")
def truth(files, truth_of, tmp_path_factory):
    beside = tmp_path_factory.mktemp("beside")
    return truth_of([publish(one, beside, "logistic") for one in files])


class Stream:
    """A stream whose every answer is held to the truth, and its snapshot."""

    def __init__(self, server, truth, disk, name):
        self.http, self.truth, self.row, self.path = server.client(), truth, truth.history, STREAM.format(name)
        self.snapshot = disk.root / "state" / "streams" / "logistic" / f"{name}.stream"
        self.http.post(f"{self.path}/bars", json=truth.many(0, truth.history)).raise_for_status()

    def push(self, n_bars):
        for _ in range(n_bars):
            reply = self.http.post(f"{self.path}/bars", json=self.truth.bar(self.row))
            assert reply.status_code == 200, reply.text
            assert self.truth.agrees(reply.json())
            assert not reply.json()["degraded"]
            self.row += 1


@pytest.fixture
def stream(server, truth, disk, request):
    made = Stream(server, truth, disk, request.node.name)
    server.until(made.snapshot.exists)
    yield made
    made.http.close()


def fails_to_write(server, stream, disk, files, reason):
    """Pushes bars while nothing can be written: answers go on, and what is on the disk stays as it was."""
    old, told, pointer = stream.snapshot.read_bytes(), len(server.told("snapshot_failed")), read_pointer(disk.models / "logistic")
    stream.push(30)
    server.until(lambda: len(server.told("snapshot_failed")) > told)
    assert reason in server.told("snapshot_failed")[-1]["reason"]
    with pytest.raises(StorageError, match=reason) as raised:
        publish(files, disk.root / "models", "logistic")
    assert raised.value.place == str(disk.models / "logistic")
    stream.push(30)
    assert stream.snapshot.read_bytes() == old
    assert all(one.suffix == ".stream" for one in stream.snapshot.parent.iterdir())
    assert read_pointer(disk.models / "logistic") == pointer
    read_version(disk.models / "logistic" / str(pointer.version))  # raises where a byte is wrong
    assert list((disk.models / "logistic").glob(".staging/*")) == []
    return old


def writes_again(server, stream, disk, files, old):
    """Without a restart the snapshot is written, and the version that was refused is published and served."""
    server.until(lambda: stream.snapshot.read_bytes() != old, "no snapshot is written")
    SavedStream.from_bytes(stream.snapshot.read_bytes(), str(stream.snapshot))
    version = publish(files, disk.models, "logistic")
    with server.client() as client:
        server.until(lambda: client.get("/v1/models/logistic").json()["number"] == int(version.name), "the version is not served")
    stream.push(5)


def test_while_the_disk_is_full_answers_go_on_and_afterwards_all_is_written_without_a_restart(server, stream, disk, files):
    stream.push(12)
    half = stream.snapshot.stat().st_size // 2
    assert half > PAGE
    for free in (0, PAGE, half):
        with disk.full(free):
            old = fails_to_write(server, stream, disk, files[1], os.strerror(errno.ENOSPC).lower())
        stream.push(1)
        server.until(lambda old=old: stream.snapshot.read_bytes() != old, "no snapshot is written")
    writes_again(server, stream, disk, files[1], old)


def test_a_note_that_does_not_fit_is_written_when_there_is_room(server, disk):
    bad = disk.models / "logistic" / "99"
    note = disk.root / "state" / "quarantine" / "logistic-99-unread.json"
    with disk.full(0):
        bad.mkdir()
        (bad / "manifest.json").touch()
        (told,) = server.until(lambda: server.told("quarantine_note_failed"))
        assert os.strerror(errno.ENOSPC).lower() in told["reason"]
        assert not note.exists()
    server.until(note.exists, "there is no note")
    shutil.rmtree(bad)
    assert [one["number"] for one in server.told("version_refused")] == [99]


def test_while_the_disk_is_read_only_answers_go_on_and_afterwards_all_is_written(server, stream, disk, files):
    stream.push(12)
    with disk.read_only():
        old = fails_to_write(server, stream, disk, files[2], os.strerror(errno.EROFS).lower())
    writes_again(server, stream, disk, files[2], old)


def test_without_a_free_descriptor_who_is_connected_is_answered_and_the_others_once_there_is_one(server, stream, disk, files, asking):
    stream.push(1)
    process, late = server.process.pid, []
    before = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (len(list(Path(f"/proc/{process}/fd").iterdir())), before[1]))

    def ask():
        """A connection of its own, until one is answered; those before are left waiting, or closed."""
        with server.client() as client, contextlib.suppress(httpx.TransportError):
            late.append(client.get("/v1/models/logistic"))
        return not late

    with asking() as one:
        one(ask)
        version = publish(files[3], disk.models, "logistic")
        stream.push(20)
        server.until(lambda: server.told("watch_failed"), "the watcher saw nothing of it")
        assert os.strerror(errno.EMFILE).lower() in server.told("watch_failed")[-1]["reason"].lower()
        assert late == []
        resource.prlimit(process, resource.RLIMIT_NOFILE, before)
        one.join()
    assert late[0].status_code == 200
    with server.client() as client:
        server.until(lambda: client.get("/v1/models/logistic").json()["number"] == int(version.name), "the version is not served")
    stream.push(5)
