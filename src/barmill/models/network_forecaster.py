"""Forecast with an exported network through ONNX Runtime: no torch, no training side."""

import json
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import onnxruntime as ort

from barmill.models.admission import check_finite, check_view
from barmill.models.catalogue import view_of
from barmill.models.contract import RawForecast, View
from barmill.models.one_row import ViewOfOne, empty_forecast
from barmill.models.onnx_session import open_session
from barmill.views import MultiResolution, WindowTensor

BATCH = 64  # windows gathered at once: fits a core's cache, and more is no faster


class NetworkForecaster:
    """Outputs of a network on windows of scaled float32 features, or of bars of several timeframes, on the calling thread alone.

    A window's forecast does not depend on its neighbours: bit for bit on the machines it was tested on, and within 1e-6
    wherever the runtime picks another kernel for another batch size.
    """

    def __init__(self, session: ort.InferenceSession, name: str, window: int | Mapping[str, int], n_features: int, n_classes: int) -> None:
        self._session = session
        self._place = f"model '{name}'"
        self._window, self._n_features = window, n_features
        self._n_logits = 1 if n_classes == 2 else n_classes
        self._outputs = [output.name for output in session.get_outputs()]

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build from the bytes of `model.onnx` and `architecture.json`."""
        architecture = json.loads(files["architecture.json"])
        window: int | Mapping[str, int] = architecture.get("resolutions") or architecture["window"]
        return cls(
            open_session(files["model.onnx"]), architecture["network"], window, architecture["n_features"], architecture["n_classes"]
        )

    def raw(self, view: View) -> RawForecast:
        """Log-odds of up (n,), or three scores a row (n, 3); the expected z (n,) and its quantiles (n, 3), where they were learned."""
        check_view(self._place, view, view_of(self._window), self._n_features, self._window)
        assert isinstance(view, WindowTensor | MultiResolution)
        n = len(view)
        found = {"logits": np.empty((n, self._n_logits))}
        found |= {name: np.empty((n, *shape)) for name, shape in (("expected", ()), ("quantiles", (3,))) if name in self._outputs}
        for start in range(0, n, BATCH):
            stop = min(start + BATCH, n)
            windows = view.gather(np.arange(start, stop))
            check_finite(self._place, windows, start)
            results: Any = self._session.run(list(found), {"window": windows})
            for values, result in zip(found.values(), results, strict=True):
                values[start:stop] = result
        logits = found["logits"]
        return RawForecast(logits[:, 0] if self._n_logits == 1 else logits, found.get("expected"), found.get("quantiles"))

    def one_row(self) -> "NetworkRow | ViewOfOne":
        """Itself, with memory for one window."""
        if not isinstance(self._window, int):  # of several timeframes, whose windows the view scales
            return ViewOfOne(self, self._n_features, None)
        return NetworkRow(self._session, self._outputs, (self._window, self._n_features), self._n_logits)


class NetworkRow:
    """A network with memory for one window, to which the session's inputs and outputs are bound once.

    The runtime itself works in an arena of its own, which it keeps from call to call.
    """

    allocates = ""

    def __init__(self, session: ort.InferenceSession, outputs: list[str], shape: tuple[int, int], n_logits: int) -> None:
        window = np.zeros((1, *shape), dtype=np.float32)
        self.inputs = window[0]
        self._session, self._binding = session, session.io_binding()
        self._window = ort.OrtValue.ortvalue_from_numpy(window)  # on the CPU it is the array's own memory
        self._binding.bind_ortvalue_input("window", self._window)
        self._forecast = empty_forecast(n_logits, expected="expected" in outputs, quantiles="quantiles" in outputs)
        logits, expected, quantiles, _ = self._forecast
        self._said: list[tuple[Any, Any]] = []  # what the runtime writes, float32, and where it goes
        forms: tuple[tuple[int, ...], ...] = ((1, n_logits), (1,), (1, 3))
        for name, form, values in zip(("logits", "expected", "quantiles"), forms, (logits, expected, quantiles), strict=True):
            if values is not None:
                said = np.empty(form, dtype=np.float32)
                self._binding.bind_ortvalue_output(name, ort.OrtValue.ortvalue_from_numpy(said))
                self._said.append((said, values.reshape(form)))

    def raw(self) -> RawForecast:
        self._session.run_with_iobinding(self._binding)
        for said, values in self._said:
            np.copyto(values, said)
        return self._forecast
