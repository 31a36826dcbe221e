"""Graphs are run as others would run them: ONNX Runtime alone, on the CPU."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime as ort
import pytest

from barmill.export.graph import GraphBuilder, Value

Ran = Callable[..., list[np.ndarray]]


def run_graph(write: Callable[..., tuple[Value, ...]], feeds: Mapping[str, np.ndarray], *ranks: int) -> list[np.ndarray]:
    """What a graph says: `write(graph, *inputs)` gives its outputs, each of one of `ranks`; first axes are the batch."""
    graph = GraphBuilder()
    inputs = [graph.input(name, array.dtype, ("batch", *array.shape[1:])) for name, array in feeds.items()]
    for number, (value, rank) in enumerate(zip(write(graph, *inputs), ranks, strict=True)):
        graph.output(value, f"said_{number}", np.float64, ("batch", *(f"axis_{axis}" for axis in range(1, rank))))
    session = ort.InferenceSession(graph.model("test", {}).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(feeds))


@pytest.fixture(scope="session")
def ran() -> Ran:
    """Runs what a function writes: `ran(lambda graph, x: (graph.op("Exp", x),), {"x": array}, 1)`; see `run_graph`."""
    return run_graph


@pytest.fixture(scope="session")
def making() -> ModuleType:
    """The module tests/bundles/making.py: bars, and the contents and files of small bundles."""
    return _of_bundles("making")


@pytest.fixture(scope="session")
def ensembles() -> ModuleType:
    """The module tests/bundles/making_ensembles.py."""
    return _of_bundles("making_ensembles")


def _of_bundles(file: str) -> ModuleType:
    name = f"barmill_{file}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "bundles" / f"{file}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
