"""What surrounds the training of a network: its export, the proof of it, and a loop that must be there."""

import io
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import safetensors.torch
import torch

from barmill.errors import SchemaError, TrainingError
from barmill.models import FitContext, FittedModel, Samples, load_fit, load_forecaster, onnx_export, spec_of
from barmill.models.heads import ForecastNetwork, HeadLayout, NamedOutputs
from barmill.models.network_fit import prove_parity
from barmill.models.network_forecaster import BATCH
from barmill.models.onnx_export import export_onnx
from barmill.models.recurrent.lstm import LSTMTrunk
from barmill.training import train_network
from barmill.views import WindowTensor

pytestmark = pytest.mark.xdist_group("the fit of a network")  # one process, which fits and exports it once
SPEC = spec_of("lstm")
BASE = np.random.default_rng(0).standard_normal((400, 3)).astype(np.float32)
LAYOUT = HeadLayout(2, returns=True)
CONTEXT = FitContext(seed=1, n_classes=2, outputs=("p_up", "E_r"), feature_names=("a", "b", "c"), train_network=train_network)
PARAMS = SPEC.params(seq_len=5, hidden_size=4, epochs=1)  # type: ignore[call-arg]


def _samples(first: int, last: int) -> Samples:
    at = np.arange(first, last)
    z = BASE[at, 0].astype(np.float64)
    return Samples(WindowTensor(BASE, at, 5), (z > 0).astype(np.int8), z, np.ones(at.size))


@pytest.fixture(scope="module")
def model() -> FittedModel:
    return load_fit(SPEC)(PARAMS, _samples(10, 200), _samples(200, 300), CONTEXT)


def test_the_graph_tells_nothing_of_where_it_was_made(model: FittedModel) -> None:
    graph = onnx.load(io.BytesIO(model.files["model.onnx"]))
    assert graph.producer_name == graph.producer_version == graph.doc_string == ""
    assert not graph.metadata_props
    assert not graph.graph.value_info
    assert all(not node.metadata_props and not node.doc_string for node in graph.graph.node)
    assert b"/" not in model.files["model.onnx"].replace(b"ai.onnx/", b"") or b".py" not in model.files["model.onnx"]
    assert [node.op_type for node in graph.graph.node].count("LSTM") == 2


def test_the_graph_names_its_input_and_outputs_and_leaves_the_batch_open(model: FittedModel) -> None:
    graph = onnx.load(io.BytesIO(model.files["model.onnx"])).graph
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in (*graph.input, *graph.output)
    }
    assert shapes == {"window": ["batch", 5, 3], "logits": ["batch", 1], "expected": ["batch"]}


def test_the_weights_kept_in_the_run_are_those_of_the_graph(model: FittedModel) -> None:
    network = ForecastNetwork(LSTMTrunk(3, 4, 2, 0.2), 4, LAYOUT).eval()
    network.load_state_dict(safetensors.torch.load(model.training_files["weights.safetensors"]))
    view = _samples(300, 400).view
    raw = load_forecaster(SPEC, model.files).raw(view)
    with torch.no_grad():
        head = network(torch.from_numpy(view.gather(np.arange(100)))).numpy()  # type: ignore[union-attr]
    np.testing.assert_allclose(np.column_stack([raw.logits, raw.expected]), head, rtol=0, atol=1e-6)
    assert model.summary["export_parity"] < 1e-6


def test_an_export_that_forecasts_otherwise_is_refused(model: FittedModel) -> None:
    network = ForecastNetwork(LSTMTrunk(3, 4, 2, 0.2), 4, LAYOUT)
    network.load_state_dict(safetensors.torch.load(model.training_files["weights.safetensors"]))
    view: Any = _samples(300, 400).view
    assert prove_parity("lstm", network, LAYOUT, dict(model.files), view) < 1e-6
    with torch.no_grad():
        network.head.bias[1] += 2e-5
    with pytest.raises(
        TrainingError, match=r"model 'lstm', export: differs from the fitted network by 2e-05 on 100 real windows; expected less"
    ):
        prove_parity("lstm", network, LAYOUT, dict(model.files), view)


def test_a_network_that_cannot_be_exported_is_told_so() -> None:
    class Branching(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, 0, :2] if x.sum() > 0 else x[:, 1, :2]  # depends on the data

    with pytest.raises(TrainingError, match="ONNX export: the network cannot be expressed"):
        export_onnx(NamedOutputs(Branching(), LAYOUT), 5, 3)


def test_networks_of_one_make_share_a_graph_and_none_of_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def network(seed: int) -> NamedOutputs:
        torch.manual_seed(seed)
        return NamedOutputs(ForecastNetwork(LSTMTrunk(3, 4, 1, 0.0), 4, LAYOUT), LAYOUT).eval()

    x = np.random.default_rng(1).standard_normal((7, 5, 3)).astype(np.float32)

    def said(graph: bytes) -> np.ndarray[Any, Any]:
        results: Any = ort.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(["logits", "expected"], {"window": x})
        return np.column_stack(results)

    with torch.random.fork_rng(devices=[]):
        one, other = network(1), network(2)
        traced: list[NamedOutputs] = []
        trace = onnx_export._trace  # pyright: ignore[reportPrivateUsage]
        monkeypatch.setattr(onnx_export, "_trace", lambda net, *rest: traced.append(net) or trace(net, *rest))
        monkeypatch.setattr(onnx_export, "_traced", {})
        first, shared = export_onnx(one, 5, 3, "a make"), export_onnx(other, 5, 3, "a make")
        assert traced == [one]
        monkeypatch.setattr(onnx_export, "_traced", {})
        assert export_onnx(other, 5, 3, "a make") == shared  # whichever of them was traced
        assert first != shared
        with torch.no_grad():
            for network_, graph in ((one, first), (other, shared)):
                told = network_(torch.from_numpy(x))
                np.testing.assert_allclose(said(graph), np.column_stack([part.numpy() for part in told]), rtol=0, atol=1e-6)


def test_a_context_without_a_training_loop_is_refused() -> None:
    bare = FitContext(seed=1, n_classes=2, outputs=("p_up",), feature_names=("a", "b", "c"))
    with pytest.raises(TrainingError, match=r"brings no training loop\. Give the context train_network=barmill\.training\.train_network"):
        load_fit(SPEC)(PARAMS, _samples(10, 200), _samples(200, 300), bare)


def test_windows_that_are_not_seq_len_long_are_refused_by_the_fit() -> None:
    longer = SPEC.params(seq_len=6)  # type: ignore[call-arg]
    with pytest.raises(SchemaError, match="windows of 5 bars are offered; expected 6 bars"):
        load_fit(SPEC)(longer, _samples(10, 200), _samples(200, 300), CONTEXT)


@pytest.mark.parametrize("n", [1, BATCH - 1, BATCH, BATCH + 1])
def test_any_number_of_windows_can_be_forecast(model: FittedModel, n: int) -> None:
    raw = load_forecaster(SPEC, model.files).raw(_samples(100, 100 + n).view)
    assert raw.logits.shape == (n,)
    assert np.isfinite(raw.logits).all()
