"""What is in a version folder is refused unless every entry, name, size and byte is what the manifest says."""

import os
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from barmill.bundles.folder import find_version, inspect, read_pointer, read_version
from barmill.bundles.manifest import MANIFEST, PARTS, SEAL, seal_of
from barmill.bundles.publishing import publish
from barmill.errors import BundleCorruption, BundleError, BundleVersionError


@pytest.fixture
def version(sealed, tmp_path: Path) -> Path:
    return publish(sealed(), tmp_path / "repository", "demo")


def refusal(version: Path) -> str:
    with pytest.raises(BundleCorruption) as caught:
        read_version(version)
    return str(caught.value)


def test_a_published_bundle_is_read_byte_for_byte(sealed, version: Path) -> None:
    files = sealed()
    read = read_version(version)
    assert read.files == {path: data for path, data in files.items() if path not in (MANIFEST, SEAL)}
    assert (read.manifest.name, read.manifest.model.outputs) == ("demo", ("p_up", "q05", "q50", "q95"))
    assert read.digest == files[SEAL].split()[0].decode()


def test_sha256sum_can_check_the_seal(version: Path) -> None:
    digest, name = (version / SEAL).read_text().split()
    assert (len(digest), name) == (64, MANIFEST)


def overwrite(path: Path, place: int, byte: int) -> None:
    """Change one byte where it lies: a file that is truncated and written anew would be flushed by the file system each time."""
    with path.open("r+b", buffering=0) as file:
        file.seek(place)
        file.write(bytes([byte]))


def test_a_flip_at_every_byte_of_the_manifest_and_the_seal_is_refused_by_name(version: Path) -> None:
    bits = np.random.default_rng(1)
    for name in (MANIFEST, SEAL):
        path = version / name
        for place, byte in enumerate(path.read_bytes()):
            overwrite(path, place, byte ^ 1 << int(bits.integers(8)))
            found = inspect(version)
            assert not found.files
            assert len(found.problems) == 1
            # A seal that is still a digest cannot tell which of the two was altered: the manifest is named with both digests.
            assert name in str(found.problems[0]), place
            overwrite(path, place, byte)
    assert not inspect(version).problems


def test_flips_in_every_other_file_are_refused_by_name(version: Path) -> None:
    bits = np.random.default_rng(2)
    good = {path: (version / path).read_bytes() for path in [*PARTS.values(), "weights/model.json"]}
    for _ in range(
        200
    ):  # (2000 in each file of real bundles: tests/laws) all files at once: each must be named, so each alone would be refused
        places = {path: int(bits.integers(len(data))) for path, data in good.items()}
        for path, place in places.items():
            overwrite(version / path, place, good[path][place] ^ 1 << int(bits.integers(8)))
        found = inspect(version)
        assert not found.files
        assert [problem.place for problem in found.problems] == [str(version / path) for path in sorted(good)]
        for path, place in places.items():
            overwrite(version / path, place, good[path][place])


def test_a_missing_file_is_named(version: Path) -> None:
    (version / "metrics.json").unlink()
    assert refusal(version) == f"{version}/metrics.json: is missing. Copy the bundle again from where it was published."


def test_an_extra_file_is_named(version: Path) -> None:
    (version / "weights" / "extra.bin").write_bytes(b"")
    assert refusal(version) == f"{version}/weights/extra.bin: is not in the manifest. Remove it, or copy the bundle again."


def test_a_renamed_file_is_missing_and_extra(version: Path) -> None:
    (version / "recipe.json").rename(version / "recipe2.json")
    assert refusal(version).splitlines() == [
        f"{version}/recipe.json: is missing. Copy the bundle again from where it was published.",
        f"{version}/recipe2.json: is not in the manifest. Remove it, or copy the bundle again.",
    ]


def test_an_empty_file_is_refused_before_it_is_read(version: Path) -> None:
    (version / "schema.json").write_bytes(b"")
    assert refusal(version).startswith(f"{version}/schema.json: 0 bytes; expected 12 bytes.")


def test_files_swapped_between_versions_are_refused(sealed, version: Path) -> None:
    other = publish(sealed("x"), version.parents[1], "demo")
    for path in ("golden.safetensors", MANIFEST, SEAL):
        kept = (version / path).read_bytes()
        (version / path).write_bytes((other / path).read_bytes())
        assert str(version / (MANIFEST if path == SEAL else path)) in refusal(version)
        (version / path).write_bytes(kept)


def test_links_pipes_sockets_and_folders_are_refused_by_kind(version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = version / "recipe.json"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(target.read_bytes())

    def symlink() -> None:
        target.symlink_to(elsewhere)

    def hardlink() -> None:
        target.hardlink_to(elsewhere)

    def named_pipe() -> None:
        os.mkfifo(target)

    def unix_socket() -> None:
        monkeypatch.chdir(version)  # the path of a socket may not be long
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(target.name)

    kinds = [
        (symlink, "a symbolic link"),
        (hardlink, "a hard link"),
        (named_pipe, "a named pipe"),
        (unix_socket, "a socket"),
        (target.mkdir, "a folder"),
    ]
    for make, kind in kinds:
        if target.exists():
            target.unlink()
        make()
        assert f"{target}: is {kind}" in refusal(version)
        if not target.is_dir():
            target.unlink()


def test_a_device_is_refused(version: Path) -> None:
    target = version / "recipe.json"
    target.unlink()
    try:
        os.mknod(target, 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    assert f"{target}: is a device" in refusal(version)


def test_a_linked_weights_folder_is_refused(version: Path, tmp_path: Path) -> None:
    (version / "weights").rename(tmp_path / "weights")
    (version / "weights").symlink_to(tmp_path / "weights")
    assert f"{version}/weights: is a symbolic link" in refusal(version)


def test_no_file_is_opened_when_a_size_differs(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (version / "weights" / "model.json").write_bytes(b"{} ")
    opened: list[str] = []
    original = os.open

    def watch(path, *args, **kwargs):
        opened.append(os.fspath(path))
        return original(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", watch)
    refusal(version)
    assert set(opened) == {str(version), "weights", MANIFEST, SEAL}


def test_each_file_is_opened_once(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    original = os.open

    def watch(path, *args, **kwargs):
        opened.append(os.fspath(path))
        return original(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", watch)
    names = [*(path.name for path in version.iterdir() if path.is_file()), "model.json"]
    read_version(version)
    assert {name: opened.count(name) for name in names} == dict.fromkeys(names, 1)


def test_bytes_swapped_while_they_are_read_are_never_returned(sealed, version: Path, tmp_path: Path) -> None:
    good = read_version(version).files
    target = version / "weights" / "model.json"
    beside = tmp_path / "beside"
    stop = threading.Event()

    def race() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            beside.write_bytes(b"[]" if turn % 2 else b"{}")
            beside.replace(target)

    racer = threading.Thread(target=race)
    racer.start()
    try:
        outcomes = {"read": 0, "refused": 0}
        for _ in range(1000):
            found = inspect(version)
            assert found.files.get("weights/model.json", b"{}") == good["weights/model.json"]
            outcomes["refused" if found.problems else "read"] += 1
    finally:
        stop.set()
        racer.join()
    assert min(outcomes.values()) > 0, f"the race was not one: {outcomes}"


def reseal(version: Path, manifest: bytes) -> None:
    """What a forger does: a manifest of his own, and a seal that agrees with it."""
    (version / MANIFEST).write_bytes(manifest)
    (version / SEAL).write_bytes(seal_of(manifest))


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "/etc/passwd", "weights/../../x", "weights/./x", ".hidden", "a/b/c", "weights//x", "weights\\\\x", ""]
)
def test_paths_that_leave_the_folder_are_refused_though_the_seal_agrees(version: Path, path: str) -> None:
    manifest = (version / MANIFEST).read_bytes().replace(b'"path":"recipe.json"', f'"path":"{path}"'.encode())
    reseal(version, manifest)
    assert "leaves the folder or has unusual characters" in refusal(version)


def test_a_newer_format_says_which_version_reads_it(version: Path) -> None:
    manifest = (
        (version / MANIFEST).read_bytes().replace(b'"format":1', b'"format":2').replace(b'"reads_with":"0.1.0"', b'"reads_with":"3.2.0"')
    )
    reseal(version, manifest)
    with pytest.raises(BundleVersionError) as caught:
        read_version(version)
    assert str(caught.value) == (
        f"{version}/manifest.json: bundle format 2; expected format 1. Barmill 3.2.0 or newer reads it: upgrade, then try again."
    )


def test_a_folder_without_a_bundle_is_told_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle here: there is no manifest.json. Name the folder of a version, or of a model"):
        read_version(tmp_path)
    with pytest.raises(BundleError, match="no bundle here: no such file or directory"):
        read_version(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BundleError, match="no bundle here: not a directory"):
        read_version(tmp_path / "file")


def test_a_folder_of_other_things_is_not_told_entry_by_entry(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    assert len(inspect(tmp_path).problems) == 1
    assert "there is no manifest.json" in str(inspect(tmp_path).problems[0])
    (tmp_path / "manifest.json").symlink_to(tmp_path / "folder")
    assert f"{tmp_path}/manifest.json: is a symbolic link" in "\n".join(map(str, inspect(tmp_path).problems))


def test_the_pointer_is_followed_from_the_model_folder(version: Path) -> None:
    folder, digest = find_version(version.parent)
    assert (folder, digest) == (version, read_version(version).digest)
    assert find_version(version) == (version, "")


@pytest.mark.parametrize(
    "text",
    [
        '{"digest":"x","format":1,"version":true}',
        '{"digest":"x","format":2,"version":1}',
        '{"version":1}',
        "[]",
        '{"digest":"x","format":1,"revision":-1,"version":1}',
        '{"digest":"x","format":1,"revision":"2","version":1}',
        '{"digest":"x","format":1,"more":0,"version":1}',
    ],
)
def test_a_pointer_of_another_shape_is_refused(version: Path, text: str) -> None:
    (version.parent / "current.json").write_text(text)
    with pytest.raises(BundleCorruption, match=r"current\.json"):
        read_pointer(version.parent)
