"""From a fitted network to ONNX bytes that depend on its weights alone.

The exporter writes where it ran (paths, stack traces, versions) into every node. All of that is taken out, so that the
same fit gives the same bytes in any process, on any machine with the same libraries.

To trace a network takes seconds, and what is traced depends on its weights in nothing but their values. So networks that say what
they are `made_of` are traced once in a process, and the folds of a cross-validation put their weights into that one graph.
"""

import contextlib
import logging
import warnings
from collections.abc import Generator, Hashable

import onnx
import onnx_ir
import torch

from barmill.errors import TrainingError
from barmill.models.heads import NamedModule
from barmill.models.recurrent_graph import without_idle_nodes

LARGEST_BATCH = 4096
MOST_TRACED = 32

_traced: dict[Hashable, bytes] = {}  # graphs before they are simplified, by what they are made of; the oldest first


def export_onnx(network: NamedModule, window: int, n_features: int, made_of: Hashable = None) -> bytes:
    """The network in evaluation mode as ONNX: input `window` (batch, window, n_features) float32, batch 1 to 4096.

    made_of : all that decides the network but the tensors of its `state_dict`, hashable; None traces it anew

    Raises TrainingError if the exporter cannot express the network.
    """
    return export_onnx_of(network, "window", (window, n_features), made_of)


def export_onnx_of(network: NamedModule, name: str, shape: tuple[int, ...], made_of: Hashable = None) -> bytes:
    """As `export_onnx`, for a network whose input is called `name` and has `shape` after the batch."""
    network.eval()
    if made_of is None:
        program = _trace(network, name, shape)
    else:
        key = (made_of, name, shape, tuple(network.names))
        if key not in _traced:
            if len(_traced) == MOST_TRACED:
                del _traced[next(iter(_traced))]
            _traced[key] = _trace(network, name, shape).model_proto.SerializeToString()
        program = _with_weights(_traced[key], network)
    with _quiet():
        program.optimize()
    return stripped(without_idle_nodes(program.model_proto))


def _with_weights(graph: bytes, network: NamedModule) -> torch.onnx.ONNXProgram:
    """The graph with the weights of `network` in the place of those that it was traced with."""
    model = onnx_ir.from_proto(onnx.load_from_string(graph))
    state = network.state_dict()
    for name, value in model.graph.initializers.items():
        if name in state:
            value.const_value = onnx_ir.tensor(state[name].detach().cpu().contiguous().numpy(), name=name)
    return torch.onnx.ONNXProgram(model, None)


def _trace(network: NamedModule, name: str, shape: tuple[int, ...]) -> torch.onnx.ONNXProgram:
    example = torch.zeros(2, *shape)
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    with _quiet():
        try:
            program = torch.onnx.export(
                network,
                (example,),
                input_names=[name],
                output_names=list(network.names),
                dynamic_shapes=({0: batch},),
                dynamo=True,  # fails loudly where the older exporter can be silently wrong
                external_data=False,
                verbose=False,
                optimize=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise TrainingError("ONNX export", f"the network cannot be expressed: {str(error).splitlines()[0]}") from error
    if program is None:  # only the older exporter returns nothing
        raise TrainingError("ONNX export", "the exporter returned nothing")
    return program


def stripped(model: onnx.ModelProto) -> bytes:
    """The model's bytes without what varies between machines and runs: producer, doc strings, metadata, inner shapes."""
    model.producer_name = ""
    model.producer_version = ""
    model.doc_string = ""
    model.ClearField("metadata_props")
    graph = model.graph
    graph.doc_string = ""
    graph.ClearField("metadata_props")
    graph.ClearField("value_info")  # quantising stumbles over it, and ONNX Runtime infers it again
    for item in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        item.doc_string = ""
        item.ClearField("metadata_props")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keep the exporter's talk (missing torchvision, deprecations inside torch) from users who can do nothing about it."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch.onnx", "onnxscript", "onnx_ir", "torch._dynamo", "torch.fx")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
