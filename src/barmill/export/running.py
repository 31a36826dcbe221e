"""Graphs run by ONNX Runtime, as whoever uses them would, and by a second runtime that shares no code with it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import BundleError
from barmill.export.feeds import Feeds
from barmill.models.onnx_session import open_session

Outputs = dict[str, npt.NDArray[Any]]

_ROWS_AT_ONCE = 4096
_REFERENCE_ROWS_AT_ONCE = 64  # what NumPy makes of more windows on the way does not fit everywhere


class GraphRun:
    """A session of one graph. Raises BundleError where ONNX Runtime refuses the graph."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        try:
            self._session = open_session(data)
        except Exception as error:  # ONNX Runtime raises types of its own, which share no base
            raise _refused(name, error) from error
        self.outputs = [output.name for output in self._session.get_outputs()]
        self._inputs = [one.name for one in self._session.get_inputs()]

    def run(self, feeds: Feeds, batch: int = _ROWS_AT_ONCE) -> Outputs:
        """The outputs of all rows, `batch` rows at a time. Raises BundleError where the graph wants other inputs, or fails."""
        if missing := [name for name in self._inputs if name not in feeds]:
            raise BundleError(self.name, f"wants the input '{missing[0]}'", expected=f"one of {', '.join(feeds)}", mend="Export it again.")
        own = {name: feeds[name] for name in self._inputs}
        try:
            parts: list[list[Any]] = [list(self._session.run(self.outputs, part)) for part in batches(own, batch)]
        except Exception as error:  # as above
            raise _refused(self.name, error) from error
        return {name: np.concatenate(values) for name, values in zip(self.outputs, zip(*parts, strict=True), strict=True)}


def batches(feeds: Feeds, size: int) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """`feeds` in pieces of `size` rows, the last one shorter."""
    n = len(next(iter(feeds.values())))
    for start in range(0, n, size):
        yield {name: values[start : start + size] for name, values in feeds.items()}


def run_by_reference(data: bytes, feeds: Feeds) -> Outputs | str:
    """The outputs by `onnx.reference`, which is NumPy and slow; or why it cannot run the graph."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    try:
        evaluator: Any = ReferenceEvaluator(onnx.load_from_string(data))
        wanted = [one.name for one in onnx.load_from_string(data).graph.input]
        own = {name: feeds[name] for name in wanted}
        with np.errstate(all="ignore"):
            parts: list[Any] = [evaluator.run(None, part) for part in batches(own, _REFERENCE_ROWS_AT_ONCE)]
    except Exception as error:  # noqa: BLE001 - what it lacks it says by any type of exception: that is told, and no fault of the graph
        return f"onnx.reference cannot run it: {(str(error).splitlines() or [type(error).__name__])[0][:160]}"
    return {name: np.concatenate(values) for name, values in zip(evaluator.output_names, zip(*parts, strict=True), strict=True)}


def versions() -> dict[str, str]:
    """Versions of what runs graphs here."""
    import onnx
    import onnxruntime as ort

    return {"onnx": onnx.__version__, "onnxruntime": ort.__version__}


def _refused(name: str, error: Exception) -> BundleError:
    first = (str(error).splitlines() or [""])[0][:200]
    return BundleError(name, f"ONNX Runtime does not run it: {first}", mend="Export the bundle again.")


__all__ = ["GraphRun", "Outputs", "batches", "run_by_reference", "versions"]
