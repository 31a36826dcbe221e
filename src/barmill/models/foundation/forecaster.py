"""Forecast with a foundation model's graph through ONNX Runtime: no torch, no library of its authors."""

import contextlib
import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from barmill.artefacts import sha256
from barmill.errors import StorageError
from barmill.models.admission import check_finite, check_view
from barmill.models.contract import LEVELS, RawForecast, View
from barmill.models.foundation.deciles import quantiles, share_above
from barmill.models.foundation.forecast_cache import ForecastCache, content_keys
from barmill.models.onnx_session import open_session
from barmill.views import WindowTensor

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

BATCH: Final = 32  # windows at once: more is no faster on one core
LOOKED_UP: Final = 1024  # windows whose forecasts are looked up at once
SPREAD_BARS: Final = 60  # bars whose root mean square return is the unit of z, as the labels' is
SUREST: Final = 1e-6  # nearer to 0 or 1 no nine deciles can tell


class FoundationForecaster:
    """Reads a window of one-bar log returns as levels of the log price, and says what is `step` bars ahead, in units of volatility.

    What the network says of step s is divided by the root mean square return of the window's last 60 bars times sqrt(s): z, as labels are
    scaled. A label whose time barrier lies beyond the network's last step is taken to be as many volatilities away as that step.
    """

    def __init__(self, graph: bytes, architecture: Mapping[str, Any]) -> None:
        self._graph, self._digest = open_session(graph), sha256(graph)
        self._cache: ForecastCache | None = None
        self._place = f"model '{architecture['network']}'"
        self._window, self._n_features = int(architecture["window"]), int(architecture["n_features"])
        self._target, self._step = int(architecture["target"]), int(architecture["step"])
        self._n_classes, self._outputs = int(architecture["n_classes"]), tuple(architecture["outputs"])
        self._shift, self._neither = float(architecture["shift"]), float(architecture["neither"])

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build from the bytes of `model.onnx` and `architecture.json`."""
        return cls(files["model.onnx"], json.loads(files["architecture.json"]))

    def raw(self, view: View) -> RawForecast:
        """Log-odds of up (n,), or three scores a row (n, 3); the expected z (n,) and its quantiles (n, 3), where they were asked for."""
        deciles = self.deciles(view) + self._shift
        zero = np.zeros(len(deciles))
        if self._n_classes == 2:
            up = np.clip(share_above(deciles, zero), SUREST, 1 - SUREST)
            logits = np.log(up / (1 - up))
        else:
            up = share_above(deciles, zero + self._neither)
            down = 1 - share_above(deciles, zero - self._neither)
            logits = np.log(np.clip(np.stack([down, 1 - up - down, up], axis=1), SUREST, 1.0))
        expected = deciles.mean(axis=1) if "E_r" in self._outputs else None  # a mean without its outer tenths
        return RawForecast(logits, expected, quantiles(deciles, LEVELS) if "q50" in self._outputs else None)

    def keeping(self, folder: Path) -> Self:
        """The same, which keeps in `folder` what it has said of a window, and does not ask the network again."""
        again = copy.copy(self)
        again._cache = ForecastCache(folder, self._digest)
        return again

    def deciles(self, view: View) -> Float64Array:
        """The deciles of the gross z as the network says them, float64 (n, 9), ascending in a row."""
        check_view(self._place, view, "window_tensor", self._n_features, self._window)
        assert isinstance(view, WindowTensor)
        returns = view.columns([self._target])
        said = np.empty((len(view), 9))
        for start in range(0, len(view), LOOKED_UP):
            stop = min(start + LOOKED_UP, len(view))
            windows = returns.gather(np.arange(start, stop))
            check_finite(self._place, windows, start, first_column=self._target)
            said[start:stop] = self._kept(windows[:, :, 0])
        return said

    def _kept(self, windows: Float32Array) -> Float64Array:
        if self._cache is None:
            return self._asked(windows)
        keys = content_keys(windows)
        there, rows = self._cache.get(keys)
        said = np.empty((len(windows), 9))
        said[there] = rows.reshape(-1, 9)
        said[~there] = self._asked(windows[~there])
        with contextlib.suppress(StorageError):  # a cache that cannot be written costs time and nothing else
            self._cache.put(keys[~there], said[~there])
        return said

    def _asked(self, windows: Float32Array) -> Float64Array:
        parts = [windows[start : start + BATCH].astype(np.float64) for start in range(0, len(windows), BATCH)]
        return np.concatenate([np.empty((0, 9)), *(self._in_volatilities(part) for part in parts)])

    def _in_volatilities(self, returns: Float64Array) -> Float64Array:
        levels = np.cumsum(returns, axis=1)
        ahead = run_session(self._graph, (levels - levels[:, -1:]).astype(np.float32)).astype(np.float64)
        spread = np.sqrt(np.mean(returns[:, -SPREAD_BARS:] ** 2, axis=1)) * np.sqrt(self._step)
        return ahead / np.where(spread > 0, spread, np.inf)[:, None]  # a price that stood still is expected to


def run_session(graph: ort.InferenceSession, levels: Float32Array) -> Float32Array:
    """The deciles (n, 9) that the graph says of windows of levels (n, W)."""
    said: Any = graph.run(["deciles"], {"window": np.ascontiguousarray(levels[:, :, None])})
    return said[0]
