"""A bundle that crashes, hangs or eats memory takes its child along, not us; and is told of, by reason, ever after."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from barmill.bundles import Bundle, first_load, publish
from barmill.bundles.folder import read_version
from barmill.errors import BundleError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BARMILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _marks(cache: Path) -> dict[str, list[Path]]:
    return {kind: sorted((cache / kind).glob("*")) for kind in ("verified", "quarantined")}


@pytest.mark.parametrize("model", ["logistic", "entry", "risk", "pattern_cnn"])
def test_a_good_bundle_is_loaded_by_a_child_once(making, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    version = publish(making.files_of(model), tmp_path / "r", "m")
    Bundle.load(version)
    assert [len(marks) for marks in _marks(cache).values()] == [1, 0]
    monkeypatch.setattr(first_load, "_load_in_child", lambda verified: pytest.fail("a second child"))
    assert Bundle.load(version).replay.exact


def _first_tree(text: bytes, field: str, value: bytes) -> bytes:
    return re.sub(rb"(?m)^" + field.encode() + rb"=.*$", field.encode() + b"=" + value, text, count=1)


def test_weights_that_crash_their_library_leave_the_parent_alive(making, forge, cache: Path) -> None:
    # The digests are right: it is the publisher's own file that is bad. A split on a feature far outside a row's memory.
    text = making.files_of("lightgbm")["weights/p_up.txt"]
    n_splits = len(re.search(rb"(?m)^split_feature=(.*)$", text)[1].split())
    sizes = re.search(rb"(?m)^tree_sizes=.*\n", text)[0]
    bad = _first_tree(text, "split_feature", b" ".join([b"1900000000"] * n_splits)).replace(sizes, b"")
    version = forge({"weights/p_up.txt": bad})
    with pytest.raises(BundleError) as caught:
        Bundle.load(version)
    said = str(caught.value)
    assert said.startswith(f"{version}: failed its first load, in a child process: ")
    assert "it was ended by SIGSEGV" in said
    assert [len(marks) for marks in _marks(cache).values()] == [0, 1]
    with pytest.raises(BundleError, match=r"is quarantined: it was ended by SIGSEGV.* remove .*quarantined.* to try this one once more"):
        Bundle.load(version)


def test_weights_that_hang_are_ended(making, forge, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_load, "WALL_SECONDS", 2.0)
    text = making.files_of("lightgbm")["weights/p_up.txt"]
    n_splits = len(re.search(rb"(?m)^left_child=(.*)$", text)[1].split())
    sizes = re.search(rb"(?m)^tree_sizes=.*\n", text)[0]
    loop = b" ".join([b"0"] * n_splits)  # every node's child is the root
    bad = _first_tree(_first_tree(text, "left_child", loop), "right_child", loop).replace(sizes, b"")
    began = time.monotonic()
    with pytest.raises(BundleError, match="it had not finished after 2 s"):
        Bundle.load(forge({"weights/p_up.txt": bad}))
    assert time.monotonic() - began < 60


def test_a_network_that_asks_for_12_gib_is_refused_by_the_limit(making, forge, cache: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="making a hostile network needs onnx, of the torch extra")
    model = onnx.load_from_string(making.files_of("lstm")["weights/model.onnx"])
    big = onnx.helper.make_node("ConstantOfShape", ["big_shape"], ["big"])
    total = onnx.helper.make_node("ReduceSum", ["big"], ["big_total"], keepdims=0)
    model.graph.initializer.append(onnx.helper.make_tensor("big_shape", onnx.TensorProto.INT64, [1], [3 << 30]))
    model.graph.node.extend([big, total])
    output = next(node for node in model.graph.node if "logits" in node.output)
    output.output[list(output.output).index("logits")] = "small_logits"
    model.graph.node.append(onnx.helper.make_node("Add", ["small_logits", "big_total"], ["logits"]))
    with pytest.raises(
        BundleError, match=r"failed its first load, in a child process: it ended with code 1; its last words: .*(alloc|memory)"
    ):
        Bundle.load(forge({"weights/model.onnx": model.SerializeToString()}, "lstm"))
    assert [len(marks) for marks in _marks(cache).values()] == [0, 1]


def test_what_our_own_checks_refuse_is_refused_by_type_and_not_quarantined(making, forge, cache: Path) -> None:
    other = making.files_of("lightgbm", 2, 11)
    with pytest.raises(BundleError, match="the forecasts of its golden inputs come out differently"):
        Bundle.load(forge({path: other[path] for path in ("weights/p_up.txt", "weights/E_r.txt")}))
    assert [len(marks) for marks in _marks(cache).values()] == [0, 0]


def test_a_bundle_that_the_child_alone_refuses_is_refused(making, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barmill.bundles.bundle.pass_first_load", lambda verified: "it was replaced while it was loaded")
    with pytest.raises(BundleError, match="was refused by a child process: it was replaced while it was loaded"):
        Bundle.load(publish(making.files_of("logistic"), tmp_path / "r", "m"))


def test_a_version_that_is_swapped_under_the_child_is_refused(making, cache: Path, tmp_path: Path) -> None:
    version = publish(making.files_of("logistic"), tmp_path / "r", "m")
    verified = read_version(version)
    other = publish(making.files_of("logistic", 3), tmp_path / "r", "m")
    version.rename(tmp_path / "away")
    other.rename(version)
    assert first_load.pass_first_load(verified) == "it was replaced while it was loaded"


def test_without_a_cache_folder_every_load_is_a_first_one_and_none_fails(making, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("BARMILL_CACHE", str(tmp_path / "file" / "cache"))
    assert Bundle.load(publish(making.files_of("logistic"), tmp_path / "r", "m")).replay.exact


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARMILL_CACHE", "/a")
    assert first_load.cache_folder() == Path("/a")
    monkeypatch.delenv("BARMILL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert first_load.cache_folder() == Path("/b/barmill")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/c")
    assert first_load.cache_folder() == Path("/c/.cache/barmill")


def test_a_file_in_the_current_folder_does_not_pass_for_one_of_our_modules(
    making, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish(making.files_of("logistic"), tmp_path / "r", "m")
    (tmp_path / "barmill").mkdir()
    (tmp_path / "barmill" / "__init__.py").write_text(f"open({os.fspath(tmp_path / 'ran')!r}, 'w')")
    (tmp_path / "numpy.py").write_text(f"open({os.fspath(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    Bundle.load(version.relative_to(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_mark_says_which_bundle_it_is_of(making, cache: Path, tmp_path: Path) -> None:
    version = publish(making.files_of("logistic"), tmp_path / "r", "m")
    Bundle.load(version)
    (mark,) = _marks(cache)["verified"]
    assert mark.name.startswith(read_version(version).digest)
    assert json.loads(mark.read_bytes()) == {"bundle": str(version)}
