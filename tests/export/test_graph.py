"""Graphs within graphs, and names that stay apart."""

import numpy as np
import onnx
import pytest
from onnx import helper

from barmill.errors import SchemaError
from barmill.export.graph import OPSET, GraphBuilder


def inner(op: str = "Exp", opset: int = OPSET, domain: str = "", **attributes: object) -> bytes:
    node = helper.make_node(op, ["x"], ["y"], domain=domain, **attributes)
    value = lambda name: helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, ["batch"])  # noqa: E731
    imports = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(helper.make_graph([node], "inner", [value("x")], [value("y")]), opset_imports=imports).SerializeToString()


def test_a_graph_is_put_in_as_often_as_it_is_asked_for(ran):
    def twice(graph, x):
        return (graph.graph(inner(), {"x": graph.graph(inner(), {"x": x})["y"]})["y"],)

    x = np.array([0.0, -1.0])
    np.testing.assert_allclose(ran(twice, {"x": x}, 1)[0], np.exp(np.exp(x)), rtol=1e-15)


def test_nodes_without_names_stay_apart(ran):
    model = onnx.load_from_string(inner())
    model.graph.node[0].output[0] = "between"
    model.graph.node.append(helper.make_node("Neg", ["between"], ["y"]))
    x = np.array([0.0, -1.0])
    (found,) = ran(lambda graph, x: (graph.graph(model.SerializeToString(), {"x": x})["y"],), {"x": x}, 1)
    np.testing.assert_allclose(found, -np.exp(x), rtol=1e-15)


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        pytest.param(inner(opset=OPSET - 1), f"opset {OPSET - 1}", id="older"),
        pytest.param(inner(op="Gelu", domain="com.microsoft"), "com.microsoft", id="foreign"),
        pytest.param(inner(op="Loop", body=helper.make_graph([], "body", [], [])), "a graph within Loop", id="nested"),
    ],
)
def test_a_graph_that_would_mean_something_else_inside_another_is_refused(graph, said):
    with pytest.raises(SchemaError, match=said):
        GraphBuilder().graph(graph, {"x": "x"})


def test_scopes_name_what_is_written_in_them():
    graph = GraphBuilder()
    with graph.scope("member/"), graph.scope("inner/"):
        assert graph.constant(1.0).startswith("member/inner/")
    assert graph.constant(1.0).startswith("constant")


def test_a_number_is_a_constant_without_axes():
    graph = GraphBuilder()
    graph.constant(1.0)
    assert list(graph.initializers[0].dims) == []
