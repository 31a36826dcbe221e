"""`barmill export`: what it publishes or writes, what it prints, and its exit codes."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import onnx
import pytest
from typer.testing import CliRunner, Result

from barmill.artefacts import canonical_json
from barmill.bundles import Bundle, publish, verify
from barmill.cli.__main__ import app
from barmill.errors import InputError
from barmill.export import exporting


@pytest.fixture(scope="session")
def making() -> ModuleType:
    """The module tests/bundles/making.py, shared with the tests there."""
    name = "barmill_making"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "bundles" / "making.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def version(making: ModuleType, tmp_path: Path) -> Path:
    return publish(making.files_of("logistic"), tmp_path / "r", "logistic")


def exported(*words: object) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, words)])


def test_the_next_version_has_the_graphs_and_the_same_semantic_version(version: Path) -> None:
    result = exported(version)
    assert result.exit_code == 0, result.stdout
    assert result.stdout.startswith(f"logistic: its graphs say what it says; written to {version.parent / '2'}\n")
    before, after = Bundle.load(version), Bundle.load(version.parent)
    assert after.folder == version.parent / "2"
    assert set(after.graphs) == {"forecast.onnx", "model.onnx"}
    assert (after.manifest.version, after.manifest.name) == (before.manifest.version, before.manifest.name)
    assert verify(after.folder).ok
    again = exported(version.parent)
    assert again.exit_code == 0
    assert sorted(path.name for path in version.parent.iterdir() if path.name.isdigit()) == ["1", "2"]  # the same bytes are no new version


def test_with_out_graphs_and_report_lie_in_a_folder_and_nothing_is_published(version: Path, tmp_path: Path) -> None:
    result = exported(version.parent, "--quantize", "--optimize", "--out", tmp_path / "graphs", "--json")
    assert result.exit_code == 0, result.stdout
    (told,) = json.loads(result.stdout)
    assert told["passed"]
    assert told["notes"] == ["logistic: nothing to quantise, trees and linear models have no layers to round"]
    assert {path.name for path in (tmp_path / "graphs").iterdir()} == {"forecast.onnx", "model.onnx", "parity.json"}
    assert told["graphs"] == {name: (tmp_path / "graphs" / name).stat().st_size for name in ("forecast.onnx", "model.onnx")}
    assert json.loads((tmp_path / "graphs" / "parity.json").read_text())["passed"] is True
    assert [path.name for path in version.parent.iterdir() if path.name.isdigit()] == ["1"]


def test_bars_are_compared_on_too(version: Path, tmp_path: Path, making: ModuleType) -> None:
    bars = making.walk(600, 5)
    bars.frame.write_parquet(tmp_path / "SIM_1m.parquet")
    result = exported(version, "--bars", tmp_path / "SIM_1m.parquet", "--symbol", "SIM", "--out", tmp_path / "graphs")
    assert result.exit_code == 0, result.stdout
    report = json.loads((tmp_path / "graphs" / "parity.json").read_text())
    assert "bars" in {one["kind"] for graph in report["graphs"] for one in graph["comparisons"]}


def test_of_a_run_every_bundle_is_exported_or_the_one_that_is_named(version: Path, making: ModuleType, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for name in ("first", "second"):
        publish(making.files_of("logistic"), run / "bundle", name)
    models = [{"name": name, "bundle": f"bundle/{name}/1", "selected": name == "first"} for name in ("first", "second")]
    (run / "metrics").mkdir()
    (run / "metrics" / "judgement.json").write_bytes(canonical_json({"models": models}))
    (run / "fingerprints.json").write_bytes(b"{}")
    assert exported(run, "--model", "second").exit_code == 0
    assert [(run / "bundle" / name / "2").is_dir() for name in ("first", "second")] == [False, True]
    result = exported(run, "--out", tmp_path / "graphs")
    assert result.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "graphs").iterdir()) == ["first", "second"]
    assert isinstance(exported(run, "--model", "secnd").exception, InputError)
    assert isinstance(exported(version, "--model", "logistic").exception, InputError)


def test_a_graph_that_differs_is_named_written_nowhere_and_ends_with_1(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exporting.model_graph

    def negated(*given: object) -> onnx.ModelProto:
        model = whole(*given)
        last = next(node for node in model.graph.node if node.output[0] == "logits")
        last.op_type = "Neg"
        return model

    monkeypatch.setattr(exporting, "model_graph", negated)
    result = exported(version)
    assert result.exit_code == 1
    assert "nothing is written" in result.stdout
    assert "error: model.onnx: golden inputs: p differs" in result.stdout
    assert [path.name for path in version.parent.iterdir() if path.name.isdigit()] == ["1"]


def test_a_copy_that_lies_in_no_repository_needs_a_folder(version: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(version, copy)
    assert isinstance(exported(copy).exception, InputError)
    assert exported(copy, "--out", tmp_path / "graphs").exit_code == 0
