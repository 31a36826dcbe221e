"""What torch's exporter writes around each recurrent layer of a graph, and no layer needs, taken out.

A layer that begins with nothing is given states of zeros, whose shape is worked out anew in each call; and the one direction that it reads
in is folded away by a shape that is worked out likewise. ONNX begins with zeros where no state is named, and squeezes an axis of one. For
one window these are some twenty nodes of a microsecond each beside two layers that take 450.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

_LAYERS = ("LSTM", "GRU", "RNN")
_STATES = slice(5, 7)  # of the inputs: after X, W, R, B and the lengths, which no layer of ours is given; behind them are peepholes
_SAME_NUMBERS = ("Slice", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Expand", "Identity")  # zeros stay zeros
_DIRECTION_LAST = [0, 2, 1, 3]
_AXIS = "axis_of_the_direction"


def without_idle_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph without them; every output keeps its bits. A layer that is given other states, or reads both ways, stays as it is."""
    lean = onnx.ModelProto()
    lean.CopyFrom(model)
    graph = lean.graph
    by_output = {output: node for node in graph.node for output in node.output}
    constants = {one.name: one for one in graph.initializer}
    squeezed = False
    for layer in [node for node in graph.node if node.op_type in _LAYERS]:
        states = [name for name in layer.input[_STATES] if name]
        if not all(_zeros(name, by_output, constants) for name in states):
            continue
        if len(layer.input) <= _STATES.stop:
            del layer.input[_STATES]
        squeezed |= _squeeze(graph, layer)
    if squeezed:
        graph.initializer.append(numpy_helper.from_array(np.array([1], dtype=np.int64), _AXIS))
    _drop_unused(graph)
    return lean


def _zeros(name: str, by_output: dict[str, onnx.NodeProto], constants: dict[str, onnx.TensorProto]) -> bool:
    """Whether `name` holds zeros, in whatever shape."""
    while (node := by_output.get(name)) is not None and node.op_type in _SAME_NUMBERS:
        name = node.input[0]
    return name in constants and not np.any(numpy_helper.to_array(constants[name]))


def _squeeze(graph: onnx.GraphProto, layer: onnx.NodeProto) -> bool:
    """Take out the axis of the direction of all states (window, 1, batch, hidden) by squeezing it, where it is folded away."""
    for turned in [node for node in graph.node if node.op_type == "Transpose" and node.input[0] == layer.output[0]]:
        for folded in [node for node in graph.node if node.op_type == "Reshape" and node.input[0] == turned.output[0]]:
            if _permutation(turned) == _DIRECTION_LAST and _direction(layer) != "bidirectional" and _n_axes(graph, folded.input[1]) == 3:
                squeeze = helper.make_node("Squeeze", [layer.output[0], _AXIS], [folded.output[0]], name=folded.name)
                graph.node.insert(list(graph.node).index(folded), squeeze)
                graph.node.remove(folded)
                return True
    return False


def _permutation(node: onnx.NodeProto) -> list[int]:
    return [axis for one in node.attribute if one.name == "perm" for axis in one.ints]


def _direction(layer: onnx.NodeProto) -> str:
    return next((one.s.decode() for one in layer.attribute if one.name == "direction"), "forward")


def _n_axes(graph: onnx.GraphProto, shape: str) -> int:
    """Of the shape that is put together under this name; 0 where it is not."""
    return next((len(node.input) for node in graph.node if node.op_type == "Concat" and shape in node.output), 0)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Take out nodes and constants whose results nobody reads."""
    while True:
        read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
        idle = [node for node in graph.node if read.isdisjoint(node.output)]
        if not idle:
            break
        for node in idle:
            graph.node.remove(node)
    for constant in [one for one in graph.initializer if one.name not in read]:
        graph.initializer.remove(constant)


__all__ = ["without_idle_nodes"]
