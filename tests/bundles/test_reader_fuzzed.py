"""Whatever becomes of a bundle's bytes, its reader says so in a BundleError, or reads what was written: nothing else is ever raised."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.bundles import Bundle
from barmill.bundles.folder import VerifiedFiles, read_version
from barmill.bundles.manifest import MANIFEST, SEAL, list_files, parse_manifest, seal_of
from barmill.errors import BundleError, SchemaError

MODEL = "logistic"  # all of whose bytes are read by this package: a library that parses weights of its own is asked in a child process


@pytest.fixture(scope="module")
def files(making: ModuleType) -> dict[str, bytes]:
    return making.files_of(MODEL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzed") / "1"


@pytest.fixture(scope="module")
def whole(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle as it was published, but for what a test writes over it."""
    return laid_out(files, tmp_path_factory.mktemp("fuzzed") / "2")


def laid_out(files: dict[str, bytes], folder: Path) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@st.composite
def changes(draw: st.DrawFn, least: int = 1) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    """Flips, cuts, insertions, and swaps between files."""
    kinds = draw(st.lists(st.sampled_from(["flip", "cut", "insert", "swap", "empty"]), min_size=least, max_size=3))
    places = [(draw(st.floats(0, 1)), draw(st.floats(0, 1)), draw(st.integers(0, 7)), draw(st.binary(max_size=8))) for _ in kinds]

    def change(files: dict[str, bytes]) -> dict[str, bytes]:
        found, paths = dict(files), sorted(files)
        for kind, (which, where, bit, more) in zip(kinds, places, strict=True):
            path = paths[min(int(which * len(paths)), len(paths) - 1)]
            data = bytearray(found[path])
            at = min(int(where * len(data)), len(data) - 1)
            if kind == "swap":
                other = paths[min(int(where * len(paths)), len(paths) - 1)]
                found[path], found[other] = found[other], found[path]
                continue
            if kind == "flip" and data:
                data[at] ^= 1 << bit
            elif kind == "cut" and data:
                del data[at:]
            elif kind == "insert":
                data[max(at, 0) : max(at, 0)] = more
            elif kind == "empty":
                data.clear()
            found[path] = bytes(data)
        return found

    return change


@settings(max_examples=150, deadline=None)
@given(change=changes())
def test_bytes_that_differ_are_a_bundle_error_and_equal_ones_are_read(files, folder, change):
    changed = change(files)
    laid_out(changed, folder)
    if changed == files:
        assert read_version(folder).files.keys() == files.keys() - {MANIFEST, SEAL}
        return
    with pytest.raises(BundleError):
        read_version(folder)


def signed(files: dict[str, bytes], rest: dict[str, bytes], folder: Path) -> VerifiedFiles:
    """Other parts, with a manifest that agrees with them."""
    told = json.loads(files[MANIFEST])
    told["files"] = [{"path": one.path, "sha256": one.sha256, "size": one.size} for one in list_files(rest)]
    data = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return VerifiedFiles(folder, "f" * 64, parse_manifest(data, MANIFEST), rest)


@settings(max_examples=int(os.environ.get("BARMILL_FUZZ_EXAMPLES", "150")), deadline=None)
@given(change=changes())
def test_parts_that_a_forger_changed_and_signed_are_a_bundle_error_or_forecast_as_before(files, folder, change):
    """What reads each part is all that stands between its bytes and the forecasts."""
    parts = {path: data for path, data in files.items() if path not in (MANIFEST, SEAL)}
    try:
        Bundle.from_verified(signed(files, change(parts), folder))
    except (BundleError, SchemaError):  # the second where the features are not those that this version computes
        return


def test_parts_that_were_signed_anew_and_not_changed_are_read(files, folder):
    parts = {path: data for path, data in files.items() if path not in (MANIFEST, SEAL)}
    assert Bundle.from_verified(signed(files, parts, folder)).manifest.name == MODEL


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 10_000), more=st.binary(max_size=12), cut=st.integers(0, 12))
def test_a_manifest_that_a_forger_changed_and_sealed_is_a_bundle_error_or_names_the_same_files(files, whole, at, more, cut):
    data = bytearray(files[MANIFEST])
    at %= len(data)
    data[at : at + cut] = more
    laid_out({MANIFEST: bytes(data), SEAL: seal_of(bytes(data))}, whole)
    try:
        verified = read_version(whole)
    except BundleError:
        return
    assert verified.files.keys() == files.keys() - {MANIFEST, SEAL}
