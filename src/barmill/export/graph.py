"""ONNX graphs, written node by node: what every part of an export is made with."""

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from barmill.errors import SchemaError

OPSET = 20  # as the networks' exporter writes; plain ONNX Runtime has run it since 1.17
ML_OPSET = 3  # TreeEnsembleRegressor, which engines outside ONNX Runtime know too
IR_VERSION = 10

Value = str  # name of a tensor in the graph
Shape = Sequence[int | str | None]


@dataclass(slots=True)
class GraphBuilder:
    """Collects nodes; every value has a name of its own, which says which part wrote it.

    Parameters
    ----------
    prefix : str, put before the names of what is written while it stands, such as "member_lstm/"; see `scope`
    """

    prefix: str = ""
    nodes: list[onnx.NodeProto] = field(default_factory=list[onnx.NodeProto])
    initializers: list[onnx.TensorProto] = field(default_factory=list[onnx.TensorProto])
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list[onnx.ValueInfoProto])
    outputs: list[onnx.ValueInfoProto] = field(default_factory=list[onnx.ValueInfoProto])
    _count: int = 0

    def name(self, of: str) -> Value:
        """A name that nothing in the graph has yet."""
        self._count += 1
        return f"{self.prefix}{of}_{self._count}"

    @contextlib.contextmanager
    def scope(self, prefix: str) -> Generator[None]:
        """What is written inside has `prefix` before its names."""
        before = self.prefix
        self.prefix = f"{before}{prefix}"
        try:
            yield
        finally:
            self.prefix = before

    def input(self, name: str, dtype: npt.DTypeLike, shape: Shape) -> Value:
        """Declare an input of the graph; a str in `shape` is a dynamic axis, such as "batch"."""
        self.inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape)))
        return name

    def output(self, value: Value, name: str, dtype: npt.DTypeLike, shape: Shape) -> None:
        """Declare `value` as an output of the graph, under `name`."""
        self.nodes.append(helper.make_node("Identity", [value], [name], name=self.name("out")))
        self.outputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape)))

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Value:
        """A constant tensor; `dtype` float64 unless the array has one, or it is said."""
        name = self.name("constant")
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype=dtype, order="C"), name))
        return name

    def op(self, kind: str, *inputs: Value, domain: str = "", **attributes: Any) -> Value:
        """A node with one output; returns the output's name. An empty input name leaves an optional input out."""
        return self.ops(kind, *inputs, n_outputs=1, domain=domain, **attributes)[0]

    def ops(self, kind: str, *inputs: Value, n_outputs: int, domain: str = "", **attributes: Any) -> tuple[Value, ...]:
        """A node with several outputs; returns their names."""
        outputs = tuple(self.name(kind.lower()) for _ in range(n_outputs))
        self.nodes.append(helper.make_node(kind, list(inputs), list(outputs), name=self.name(kind), domain=domain, **attributes))
        return outputs

    def cast(self, value: Value, dtype: npt.DTypeLike) -> Value:
        """`value` as another type."""
        return self.op("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def graph(self, value: bytes, feeds: Mapping[str, Value]) -> dict[str, Value]:
        """Put another ONNX model's whole graph here.

        feeds : for each of its inputs, the value here that it reads

        Returns
        -------
        for each of its outputs, the value here
        """
        model = onnx.load_from_string(value)
        _check_inner(model)
        self._count += 1
        prefix = f"{self.prefix}inner_{self._count}/"
        renamed = dict(feeds)
        for tensor in model.graph.initializer:
            renamed[tensor.name] = prefix + tensor.name
            copy = onnx.TensorProto()
            copy.CopyFrom(tensor)
            copy.name = renamed[tensor.name]
            self.initializers.append(copy)
        for place, node in enumerate(model.graph.node):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = prefix + (node.name or f"node_{place}")  # who writes graphs may leave nodes unnamed, and two names may not be equal
            for number, name in enumerate(node.input):
                copy.input[number] = renamed.get(name, name)
            for number, name in enumerate(node.output):
                if name:
                    renamed[name] = prefix + name
                    copy.output[number] = renamed[name]
            self.nodes.append(copy)
        return {output.name: renamed[output.name] for output in model.graph.output}

    def model(self, name: str, metadata: Mapping[str, str]) -> onnx.ModelProto:
        """The finished model, checked. `metadata` becomes its metadata_props, sorted, so that equal graphs give equal bytes."""
        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.initializers)
        imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="barmill")
        helper.set_model_props(model, dict(sorted(metadata.items())))
        onnx.checker.check_model(model, full_check=True)
        return model


def _check_inner(model: onnx.ModelProto) -> None:
    """Refuse a graph that would mean something else inside another: other operators, functions of its own, graphs within nodes."""
    opsets = {one.domain: one.version for one in model.opset_import}
    used = {node.domain for node in model.graph.node}
    if opsets.get("") != OPSET or used - {"", "ai.onnx"} or model.functions:
        found = f"opset {opsets.get('')}, operators of {', '.join(sorted(used - {''})) or 'ONNX alone'}, {len(model.functions)} functions"
        raise SchemaError("graph of a network", found, expected=f"ONNX's own operators of opset {OPSET}", mend="Fit the model again.")
    nested = [node.op_type for node in model.graph.node if any(one.HasField("g") or one.graphs for one in node.attribute)]
    if nested:
        raise SchemaError("graph of a network", f"has a graph within {nested[0]}", expected="plain nodes", mend="Fit the model again.")
