"""Assembling: equal contents give equal bytes, and contents that do not fit are refused before anything is written."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open

from barmill.artefacts import sha256
from barmill.bundles import assemble
from barmill.bundles.manifest import MANIFEST, PARTS, SEAL, parse_manifest
from barmill.errors import BundleError, SchemaError
from barmill.market import Timeframe

MODELS = ("lightgbm", "entry", "risk", "pattern_cnn")


@pytest.mark.parametrize("model", MODELS)
def test_assembling_twice_gives_the_same_bytes(making, model: str) -> None:
    contents = making.contents_of(model)
    assert assemble(contents) == assemble(contents) == making.files_of(model)


def test_two_processes_that_fit_and_assemble_give_the_same_digests(making) -> None:
    models = ("lightgbm", "risk", "pattern_cnn")  # in one other process: what costs is to start one that fits a network
    script = str(Path(__file__).with_name("making.py"))
    environment = {name: value for name, value in os.environ.items() if name == "PYTHONPATH"} | {"PYTHONHASHSEED": "1"}
    done = subprocess.run([sys.executable, script, *models], capture_output=True, text=True, check=True, env=environment)
    own = {model: sha256(making.files_of(model)[MANIFEST]) for model in models}
    assert dict(zip(models, done.stdout.split(), strict=True)) == own


def test_the_files_are_those_of_the_format(making) -> None:
    files = making.files_of("lightgbm")
    assert set(files) == {*PARTS.values(), MANIFEST, SEAL, "weights/p_up.txt", "weights/E_r.txt"}
    manifest = parse_manifest(files[MANIFEST], MANIFEST)
    assert (manifest.name, manifest.version, manifest.symbol, manifest.timeframe) == ("lightgbm", "1.2.3", "SIM", "1m")
    assert manifest.model.outputs == ("p_up", "E_r", "q05", "q50", "q95")
    assert manifest.schema_hash == sha256(files["schema.json"])


@pytest.mark.parametrize(
    ("model", "classes", "view", "window", "weights"),
    [
        ("entry", 2, "feature_matrix", None, {"expert.json", "entry_L.txt", "entry_M.txt", "entry_H.txt"}),
        ("risk", 0, "feature_matrix", None, {"expert.json", "q0.6.txt", "q0.7.txt", "q0.8.txt"}),
        ("pattern_cnn", 5, "pattern_image", 64, {"model.onnx", "architecture.json"}),
    ],
)
def test_a_model_of_another_question_has_the_same_files_and_no_returns(making, model, classes, view, window, weights) -> None:
    files = making.files_of(model)
    assert set(files) == {*PARTS.values(), MANIFEST, SEAL, *(f"weights/{name}" for name in weights)}
    entry = parse_manifest(files[MANIFEST], MANIFEST).model
    assert (entry.classes, entry.view, entry.window) == (classes, view, window)
    assert files["quantiles.json"] == b"null"
    assert files["thresholds.json"] == b'{"rule":{},"volatility":null}'


def test_the_golden_file_has_no_metadata_whose_order_could_vary(making, tmp_path: Path) -> None:
    (tmp_path / "golden").write_bytes(making.files_of("lightgbm")["golden.safetensors"])
    with safe_open(tmp_path / "golden", "numpy") as golden:
        assert golden.metadata() is None


@pytest.mark.parametrize(
    ("model", "changes", "said"),
    [
        ("risk", {"quantiles": "lightgbm"}, "quantiles and volatility: one is missing, or one too many is there; expected neither"),
        ("lightgbm", {"volatility": "risk"}, "expected both, for a model of direction"),
        ("risk", {"calibration": "entry"}, "calibrator: of 2 classes; expected 0"),
        ("pattern_cnn", {"scaler": "risk", "window": "risk"}, "model 'pattern_cnn' on a feature_matrix"),
        ("risk", {"scaler": "pattern_cnn", "input_names": "pattern_cnn", "window": "pattern_cnn"}, "model 'risk' on a pattern_image"),
    ],
)
def test_contents_of_one_question_do_not_go_with_a_model_of_another(making, model: str, changes: dict[str, str], said: str) -> None:
    others = {name: getattr(making.contents_of(other), name) for name, other in changes.items()}
    with pytest.raises((BundleError, SchemaError), match=said):
        assemble(replace(making.contents_of(model), **others))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metrics": {"auc": float("nan")}}, "metrics: cannot be written as JSON"),
        ({"metrics": {"auc": object()}}, "metrics: cannot be written as JSON"),
        ({"name": "No Spaces"}, "name: 'No Spaces'"),
        ({"version": "1"}, "version: '1'"),
        ({"model_files": {"../p_up.txt": b""}}, "do not load"),
        ({"model_files": {}}, "do not load"),
    ],
)
def test_contents_that_cannot_be_a_bundle_are_refused(making, changes: dict[str, object], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        assemble(replace(making.contents_of("lightgbm"), **changes))


def test_a_model_file_with_an_odd_name_is_refused(making) -> None:
    contents = making.contents_of("lightgbm")
    with pytest.raises(BundleError, match="leaves the folder or has unusual characters"):
        assemble(replace(contents, model_files={**contents.model_files, "../x": b""}))


def test_another_timeframe_than_the_plans_is_refused(making) -> None:
    with pytest.raises(SchemaError, match="timeframe 5m; expected 1m"):
        assemble(replace(making.contents_of("lightgbm"), timeframe=Timeframe.parse("5m")))


def test_golden_bars_that_never_get_ready_are_refused(making) -> None:
    with pytest.raises(BundleError, match="golden bars: none of 50 is ready"):
        assemble(replace(making.contents_of("lightgbm"), golden_bars=making.walk(50)))
