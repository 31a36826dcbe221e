"""Networks in eight bits still run, and say nearly what they said."""

import logging

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from barmill.export.graph import GraphBuilder
from barmill.export.quantising import quantised


def network(*weights: tuple[int, ...]) -> bytes:
    """A network that multiplies windows (batch, 3, 4) by each of `weights` in turn."""
    rng, graph = np.random.default_rng(0), GraphBuilder()
    value = graph.input("window", np.float32, ("batch", 3, 4))
    for shape in weights:
        value = graph.op("Tanh", graph.op("MatMul", value, graph.constant(rng.standard_normal(shape).astype(np.float32))))
    graph.output(graph.op("Neg", value), "said", np.float32, ("batch", 3, weights[-1][-1] if weights else 4))
    return graph.model("network", {}).SerializeToString()


def run(graph: bytes, window: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"window": window})[0]


@pytest.mark.parametrize("weights", [[(4, 6)], [(1, 4, 6), (6, 2)]], ids=["two axes", "three axes"])
def test_a_rounded_network_says_nearly_the_same_with_operators_of_onnx_alone(weights):
    plain, window = network(*weights), np.random.default_rng(1).standard_normal((50, 3, 4)).astype(np.float32)
    rounded = quantised(plain)
    assert rounded is not None
    assert quantised(plain) == rounded
    model = onnx.load_from_string(rounded)
    assert {node.domain for node in model.graph.node} == {""}
    assert "MatMulInteger" in {node.op_type for node in model.graph.node}
    apart = np.abs(run(rounded, window) - run(plain, window))
    assert 0 < apart.max() < 0.1


def test_a_network_without_weights_to_round_is_left_as_it_is():
    assert quantised(network()) is None


def test_others_may_log_as_before():
    before = logging.root.manager.disable
    quantised(network((4, 6)))
    assert logging.root.manager.disable == before
