"""A graph made smaller by ONNX Runtime before it is shipped: what is constant is worked out, what does nothing is left out.

At the basic level alone: further ones write operators that no other engine knows, or that suit this machine's processor.
"""

import tempfile
from pathlib import Path

import onnx
import onnxruntime as ort

from barmill.errors import SchemaError

_KNOWN = {"", "ai.onnx", "ai.onnx.ml"}


def optimised(graph: bytes) -> bytes:
    """The same graph in fewer nodes; equal graphs give equal bytes.

    Raises: SchemaError where the optimiser wrote operators of its own.
    """
    with tempfile.TemporaryDirectory(prefix="barmill-export-") as folder:
        written = Path(folder) / "optimised.onnx"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(written)
        options.log_severity_level = 3
        ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        found = onnx.load(str(written))
    foreign = {node.domain for node in found.graph.node} - _KNOWN
    if foreign:
        raise SchemaError("optimised graph", f"has operators of {', '.join(sorted(foreign))}", expected="those of ONNX alone")
    model = onnx.load_from_string(graph)
    model.graph.ClearField("node")
    model.graph.ClearField("initializer")
    model.graph.node.extend(found.graph.node)
    model.graph.initializer.extend(found.graph.initializer)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


__all__ = ["optimised"]
