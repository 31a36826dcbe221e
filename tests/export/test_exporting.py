"""From a bundle to the same bundle with its graphs in it: measured, reproducible, and none that differs."""

import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import barmill
from barmill.artefacts import sha256
from barmill.bundles import Bundle, publish, read_bundle, verify
from barmill.bundles.manifest import MANIFEST
from barmill.bundles.needed_features import needed_features
from barmill.errors import BundleError, MissingDependency, TrainingError
from barmill.export import exporting
from barmill.export.exporting import Exported, export_bundle, write_graphs
from barmill.export.graph import GraphBuilder
from barmill.export.parity import measure
from barmill.pipeline.exporting import with_export
from barmill.pipeline.recipe import ExportConfig


@pytest.fixture(scope="module")
def loaded(making, ensembles, tmp_path_factory):
    """`loaded("lstm")`, `loaded("soft_voting", ensembles.WIDE)`: a bundle, published and read."""

    def load(kind: str, labels: tuple[str, ...] = ()) -> Bundle:
        files = ensembles.files_of(making, kind, labels) if labels else making.files_of(kind)
        return Bundle.from_verified(read_bundle(publish(files, tmp_path_factory.mktemp("repository"), kind)))

    return load


@pytest.fixture(scope="module")
def exported(loaded) -> Exported:
    return export_bundle(loaded("lstm"), quantize=True)


def test_every_graph_passes_the_checker_in_full_and_says_what_it_is(loaded, ensembles):
    bundle = loaded("soft_voting", ensembles.WIDE)
    graphs = write_graphs(bundle).files
    assert list(graphs) == ["forecast.onnx", "logistic.model.onnx", "lstm.model.onnx", "scales.model.onnx"]
    for name, data in graphs.items():
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        about = {one.key: one.value for one in model.metadata_props}
        assert (about["name"], about["version"], about["barmill"]) == ("soft_voting", "1.2.3", barmill.__version__)
        assert (about["bundle"], about["schema_hash"]) == (bundle.digest, bundle.manifest.schema_hash)
        assert json.loads(about["opset"])["ai.onnx"] == next(one.version for one in model.opset_import if not one.domain)
        assert set(json.loads(about["inputs"])) == {one.name for one in model.graph.input}
        assert {one.name for one in model.graph.output} <= set(json.loads(about["units"])), name
    inputs = json.loads({one.key: one.value for one in onnx.load_from_string(graphs["forecast.onnx"]).metadata_props}["inputs"])
    assert inputs["features"] == {"names": list(needed_features(bundle.pipeline)), "rows": 8, "scaled": False}
    assert inputs["scales.window"]["resolutions"] == {"1m": 6, "5m": 3}


@pytest.mark.parametrize("optimize", [False, True])
def test_equal_bundles_give_equal_bytes(loaded, optimize):
    first, second = (write_graphs(loaded("lstm"), optimize=optimize, quantize=True).files for _ in range(2))
    assert first == second


def test_a_bundle_with_graphs_verifies_forecasts_the_same_and_is_exported_to_the_same_bytes(exported, loaded, tmp_path, making):
    bundle = loaded("lstm")
    files = exported.bundled(bundle)
    again = Bundle.from_verified(read_bundle(publish(files, tmp_path, "lstm")))
    assert again.graphs == exported.kept
    assert verify(again.folder).ok
    bars = making.walk(400, 5)
    assert again.forecast(bars).frame.equals(bundle.forecast(bars).frame)
    assert write_graphs(again, quantize=True).files == exported.graphs.files
    assert export_bundle(again, quantize=True).bundled(again) == files


def test_networks_in_eight_bits_stand_beside_the_others(exported):
    files = exported.graphs.files
    assert set(files) == {"forecast.onnx", "model.onnx", "forecast.int8.onnx", "model.int8.onnx"}
    operators = {node.op_type for node in onnx.load_from_string(files["model.int8.onnx"]).graph.node}
    assert "MatMulInteger" in operators
    assert "MatMulInteger" not in {node.op_type for node in onnx.load_from_string(files["model.onnx"]).graph.node}
    assert {node.domain for node in onnx.load_from_string(files["forecast.int8.onnx"]).graph.node} == {""}
    assert {graph.name for graph in exported.report.graphs if graph.quantised} == {"forecast.int8.onnx", "model.int8.onnx"}


def test_of_models_without_layers_is_told_that_there_is_nothing_to_quantise(loaded, ensembles):
    assert write_graphs(loaded("logistic"), quantize=True).notes == (
        "logistic: nothing to quantise, trees and linear models have no layers to round",
    )
    graphs = write_graphs(loaded("ridge_stacking", ensembles.WIDE), quantize=True)
    assert {"forecast.int8.onnx", "lstm.model.int8.onnx", "scales.model.int8.onnx"} < set(graphs.files)
    assert "logistic.model.int8.onnx" not in graphs.files
    assert [note.split(":")[0] for note in graphs.notes] == ["logistic"]


def test_an_optimised_graph_is_smaller_holds_only_onnxs_operators_and_passes_the_same_gate(loaded, ensembles):
    bundle = loaded("softmax_gating", ensembles.SMALL)
    plain, small = (write_graphs(bundle, optimize=optimize).files for optimize in (False, True))
    for name in plain:
        models = [onnx.load_from_string(files[name]) for files in (plain, small)]
        assert len(models[1].graph.node) <= len(models[0].graph.node)
        assert models[1].metadata_props == models[0].metadata_props
        assert {node.domain for node in models[1].graph.node} <= {"", "ai.onnx.ml"}
        assert ort.InferenceSession(small[name], providers=["CPUExecutionProvider"])
    assert len(onnx.load_from_string(small["forecast.onnx"]).graph.node) < len(onnx.load_from_string(plain["forecast.onnx"]).graph.node)
    assert measure(bundle, small, n_rows=200, n_threshold_rows=200).passed
    row = np.full((1, len(needed_features(bundle.pipeline))), np.inf)
    assert np.isnan(ort.InferenceSession(small["forecast.onnx"], providers=["CPUExecutionProvider"]).run(None, {"features": row})).all()


def drifted(graph: bytes) -> bytes:
    """The same graph, whose p_up is off by a ten-thousandth."""
    model = onnx.load_from_string(graph)
    last = next(node for node in model.graph.node if node.output[0] == "p_up")
    builder = GraphBuilder(prefix="drift/")
    last.input[0] = builder.op("Add", last.input[0], builder.constant(1e-4))
    model.graph.initializer.extend(builder.initializers)
    at = list(model.graph.node).index(last)
    model.graph.node.insert(at, builder.nodes[0])
    return model.SerializeToString()


def test_a_graph_that_differs_is_not_bundled_by_hand_or_by_a_run(loaded, making, monkeypatch):
    bundle, whole = loaded("logistic"), exporting.forecast_graph
    monkeypatch.setattr(exporting, "forecast_graph", lambda *given: onnx.load_from_string(drifted(whole(*given).SerializeToString())))
    done = export_bundle(bundle)
    assert not done.report.passed
    assert done.kept == {}  # the model's own graph agrees, but is not the forecast
    with pytest.raises(BundleError, match=r"forecast\.onnx: .*p_up differs"):
        done.bundled(bundle)
    with pytest.raises(TrainingError, match="p_up differs"):
        with_export(making.files_of("logistic"), ExportConfig(onnx=True), "logistic", lambda text: None)


def test_one_in_eight_bits_that_misses_its_gate_is_left_out_and_told_of(loaded, making, monkeypatch):
    whole = exporting.quantised

    def halved(network: bytes) -> bytes:
        model = onnx.load_from_string(whole(network))
        for tensor in model.graph.initializer:
            if tensor.name.endswith("_scale"):
                tensor.CopyFrom(onnx.numpy_helper.from_array(np.float32(0.2) * onnx.numpy_helper.to_array(tensor), tensor.name))
        return model.SerializeToString()

    monkeypatch.setattr(exporting, "quantised", halved)
    heard: list[str] = []
    files = with_export(making.files_of("lstm"), ExportConfig(onnx=True, quantize=True), "lstm", heard.append)
    assert {"onnx/forecast.onnx", "onnx/model.onnx"} <= set(files)
    left_out = {path for path in ("onnx/forecast.int8.onnx", "onnx/model.int8.onnx") if path not in files}
    assert left_out
    assert all(any(path.removeprefix("onnx/") in text and "left out" in text for text in heard) for path in left_out)


def test_a_run_that_asks_for_no_graphs_gets_the_bundle_as_it_was(making):
    files = making.files_of("logistic")
    assert with_export(files, ExportConfig(), "logistic", lambda text: None) == files
    with_graphs = with_export(files, ExportConfig(onnx=True), "logistic", lambda text: None)
    assert with_graphs == with_export(files, ExportConfig(onnx=True), "logistic", lambda text: None)
    about = {one.key: one.value for one in onnx.load_from_string(with_graphs["onnx/forecast.onnx"]).metadata_props}
    assert about["bundle"] == sha256(files[MANIFEST])


def test_what_is_asked_of_graphs_that_are_not_asked_for_is_refused():
    with pytest.raises(ValueError, match="set onnx: true"):
        ExportConfig(quantize=True)


def test_without_the_onnx_package_the_line_that_installs_it_is_told(loaded, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r'pip install "barmill\[export\]"'):
        export_bundle(loaded("logistic"))
