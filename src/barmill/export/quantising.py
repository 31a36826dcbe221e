"""Weights of networks in eight bits: a quarter of the size, and other numbers than before, which parity judges by a gate of its own.

Dynamic quantisation: weights are rounded once, what flows through the network in every call, by its own range. Recurrent layers stay as
they are, as ONNX has no operator for them in eight bits that engines share.
"""

import contextlib
import logging
import tempfile
from collections.abc import Generator
from pathlib import Path

import onnx

_ROUNDED = ("Conv", "Gemm", "MatMul")


def quantised(network: bytes) -> bytes | None:
    """A network's graph with its weights in eight bits; None where it has none that can be rounded. Equal graphs give equal bytes."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_from_string(network)
    model.graph.ClearField("value_info")  # shapes that the exporter noted, over which quantize_dynamic of onnxruntime 1.2x stumbles
    with tempfile.TemporaryDirectory(prefix="barmill-export-") as folder, _quiet():
        written = Path(folder) / "quantised.onnx"
        # Seven of the eight bits: processors without VNNI add products of eight bits in sixteen, which would overflow. One range for a
        # layer: a range for each of its channels is what onnxruntime 1.2x cannot run where weights have three axes.
        quantize_dynamic(
            model, written, op_types_to_quantize=list(_ROUNDED), per_channel=False, reduce_range=True, weight_type=QuantType.QInt8
        )
        found = onnx.load(str(written))
    if not any(node.op_type in ("ConvInteger", "MatMulInteger") for node in found.graph.node):
        return None
    return found.SerializeToString(deterministic=True)


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Without its advice to prepare the graph by a tool that fails on it."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


__all__ = ["quantised"]
