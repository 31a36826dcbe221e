"""A bundle that crashes, hangs or eats memory takes its child along, not us; and is told of, by reason, ever after."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from barmill.bundles import Bundle, first_load, publish
from barmill.bundles.folder import read_version
from barmill.errors import BundleCorruption, BundleError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BARMILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _marks(cache: Path) -> dict[str, list[Path]]:
    return {kind: sorted((cache / kind).glob("*")) for kind in ("verified", "quarantined")}


@pytest.mark.parametrize("model", ["logistic", "pattern_cnn"])  # every kind goes through a child in test_serving_side.py
def test_a_good_bundle_is_loaded_by_a_child_once_and_its_mark_says_which_it_is(
    making, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    version = publish(making.files_of(model), tmp_path / "r", "m")
    Bundle.load(version)
    assert [len(marks) for marks in _marks(cache).values()] == [1, 0]
    (mark,) = _marks(cache)["verified"]
    assert mark.name.startswith(read_version(version).digest)
    assert json.loads(mark.read_bytes()) == {"bundle": str(version)}
    monkeypatch.setattr(first_load, "_load_in_child", lambda verified: pytest.fail("a second child"))
    assert Bundle.load(version).replay.exact


def _with_nodes(making, nodes, constants) -> bytes:
    """A network that adds what the last of `nodes` says, cast to a number, to its logits: it has to be computed."""
    onnx = pytest.importorskip("onnx", reason="making a hostile network needs onnx, of the torch extra")
    model = onnx.load_from_string(making.files_of("lstm")["weights/model.onnx"])
    make = onnx.helper.make_node
    last = make("Cast", [nodes(onnx.helper)[-1].output[0]], ["as_number"], to=onnx.TensorProto.FLOAT)
    total = make("ReduceSum", ["as_number"], ["total"], keepdims=0)
    model.graph.initializer.extend(onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [len(v)], v) for name, v in constants.items())
    model.graph.node.extend([*nodes(onnx.helper), last, total])
    output = next(node for node in model.graph.node if "logits" in node.output)
    output.output[list(output.output).index("logits")] = "small_logits"
    model.graph.node.append(make("Add", ["small_logits", "total"], ["logits"]))
    return model.SerializeToString()


def _division(helper):
    return [helper.make_node("Div", ["least", "minus_one"], ["quotient"])]


def _endless_loop(helper):
    state, said = helper.make_tensor_value_info("state", 7, [1]), helper.make_tensor_value_info("on", 9, [])
    number, state_out = helper.make_tensor_value_info("number", 7, []), helper.make_tensor_value_info("state_out", 7, [1])
    on_out = helper.make_tensor_value_info("on_out", 9, [])
    body = [helper.make_node("Identity", ["on"], ["on_out"]), helper.make_node("Add", ["state", "one"], ["state_out"])]
    return [
        helper.make_node(
            "Loop", ["times", "", "one"], ["looped"], body=helper.make_graph(body, "b", [number, said, state], [on_out, state_out])
        )
    ]


def test_weights_that_crash_their_library_leave_the_parent_alive(making, forge, cache: Path) -> None:
    # The digests are right: it is the publisher's own file that is bad. The least integer by -1 has no answer, and no check in the library.
    bad = _with_nodes(making, _division, {"least": [-(2**63)], "minus_one": [-1]})
    version = forge({"weights/model.onnx": bad}, "lstm")
    with pytest.raises(BundleError) as caught:
        Bundle.load(version)
    said = str(caught.value)
    assert said.startswith(f"{version}: failed its first load, in a child process: ")
    assert "it was ended by SIGFPE" in said
    assert [len(marks) for marks in _marks(cache).values()] == [0, 1]
    with pytest.raises(BundleError, match=r"is quarantined: it was ended by SIGFPE.* remove .*quarantined.* to try this one once more"):
        Bundle.load(version)


def test_weights_that_hang_are_ended(making, forge, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_load, "WALL_SECONDS", 2.0)
    bad = _with_nodes(making, _endless_loop, {"times": [2**62], "one": [1]})
    began = time.monotonic()
    with pytest.raises(BundleError, match="it had not finished after 2 s"):
        Bundle.load(forge({"weights/model.onnx": bad}, "lstm"))
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("split_feature", b"1900000000", "asks for feature 1900000000"),
        ("left_child", b"0", "branches"),
        ("right_child", b"-99", "branches"),
    ],
)
def test_trees_that_would_crash_or_hang_are_refused_by_their_reader(
    making, forge, cache: Path, field: str, value: bytes, told: str
) -> None:
    text = making.files_of("lightgbm")["weights/p_up.txt"]
    n_splits = len(re.search(rb"(?m)^" + field.encode() + rb"=(.*)$", text)[1].split())
    bad = re.sub(rb"(?m)^" + field.encode() + rb"=.*$", field.encode() + b"=" + b" ".join([value] * n_splits), text, count=1)
    with pytest.raises(BundleCorruption, match=f"the weights of 'lightgbm' do not load: .*{told}"):
        Bundle.load(forge({"weights/p_up.txt": bad}))
    assert [len(marks) for marks in _marks(cache).values()] == [0, 0]


def test_a_network_that_asks_for_12_gib_is_refused_by_the_limit(making, forge, cache: Path) -> None:
    big = _with_nodes(making, lambda helper: [helper.make_node("ConstantOfShape", ["big_shape"], ["big"])], {"big_shape": [3 << 30]})
    with pytest.raises(
        BundleError, match=r"failed its first load, in a child process: it ended with code 1; its last words: .*(alloc|memory)"
    ):
        Bundle.load(forge({"weights/model.onnx": big}, "lstm"))
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
