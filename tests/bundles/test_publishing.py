"""Publishing numbers versions, is idempotent, and moves one pointer."""

import threading
from pathlib import Path

import pytest

from barmill.bundles.folder import inspect, read_pointer
from barmill.bundles.manifest import MANIFEST, SEAL
from barmill.bundles.publishing import promote, publish
from barmill.errors import BundleError, StorageError


def test_versions_are_numbered_and_the_pointer_follows(sealed, tmp_path: Path) -> None:
    assert publish(sealed("a"), tmp_path / "r", "m") == tmp_path / "r" / "m" / "1"
    assert publish(sealed("b"), tmp_path / "r", "m") == tmp_path / "r" / "m" / "2"
    assert read_pointer(tmp_path / "r" / "m")[0] == 2
    assert publish(sealed("b"), tmp_path / "r", "other") == tmp_path / "r" / "other" / "1"


def test_a_bundle_that_is_there_already_is_not_written_again_but_becomes_current(sealed, tmp_path: Path) -> None:
    first = publish(sealed("a"), tmp_path, "m")
    before = (first / MANIFEST).stat()
    publish(sealed("b"), tmp_path, "m")
    assert publish(sealed("a"), tmp_path, "m") == first
    after = (first / MANIFEST).stat()  # when it was read last may differ
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (before.st_ino, before.st_mtime_ns, before.st_ctime_ns)
    assert read_pointer(tmp_path / "m")[0] == 1
    assert sorted(path.name for path in (tmp_path / "m").iterdir() if path.name.isdigit()) == ["1", "2"]


def test_each_write_of_the_pointer_has_a_higher_revision_and_one_without_counts_as_none(sealed, tmp_path: Path) -> None:
    for content in ("a", "b", "a"):
        publish(sealed(content), tmp_path, "m")
    assert read_pointer(tmp_path / "m").revision == 3
    digest = promote(tmp_path / "m", 2)
    assert read_pointer(tmp_path / "m") == (2, digest, 4)
    pointer = tmp_path / "m" / "current.json"
    pointer.write_bytes(pointer.read_bytes().replace(b'"revision":4,', b""))
    assert read_pointer(tmp_path / "m") == (2, digest, 0)
    pointer.write_bytes(b"{")
    promote(tmp_path / "m", 1)
    assert read_pointer(tmp_path / "m").revision == 1


def test_a_damaged_version_is_published_anew_beside_it(sealed, tmp_path: Path) -> None:
    first = publish(sealed("a"), tmp_path, "m")
    (first / "recipe.json").write_bytes(b"other")
    second = publish(sealed("a"), tmp_path, "m")
    assert second.name == "2"
    assert not inspect(second).problems


@pytest.mark.parametrize(
    "break_it",
    [lambda f: f.pop(MANIFEST), lambda f: f.pop(SEAL), lambda f: f.update({"recipe.json": b"x"}), lambda f: f.update({"x": b""})],
)
def test_files_that_disagree_with_their_manifest_are_not_published(sealed, tmp_path: Path, break_it) -> None:
    files = sealed()
    break_it(files)
    with pytest.raises(BundleError):
        publish(files, tmp_path / "r", "m")
    assert not (tmp_path / "r").exists()


def test_eight_publishers_at_once_make_eight_whole_versions(sealed, tmp_path: Path) -> None:
    threads = [threading.Thread(target=publish, args=(sealed(str(i % 4)), tmp_path, "m")) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = [path for path in (tmp_path / "m").iterdir() if path.name.isdigit()]
    assert sorted(path.name for path in versions) == ["1", "2", "3", "4"]  # four contents, published twice each
    assert all(not inspect(version).problems for version in versions)
    assert list((tmp_path / "m" / ".staging").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_storage_error(sealed, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be written: not a directory"):
        publish(sealed(), tmp_path / "file" / "r", "m")


def test_a_model_name_cannot_leave_the_repository(sealed, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"name: '\.\./m'"):
        publish(sealed(), tmp_path, "../m")
