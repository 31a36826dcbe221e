"""Forecasts kept by content: a window that was forecast once, in any fold or run, is not forecast again.

A zero-shot model says the same of a window whoever asks, and takes milliseconds for it; the splits of a cross-validation ask for
each window many times.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from barmill.artefacts import sha256, write_bytes

Float64Array = npt.NDArray[np.float64]

KEY_BYTES: Final = 16


class ForecastCache:
    """Rows of numbers by the content of what they were made of; one folder for each model.

    Several processes may add to it: each writes files of its own, and two that forecast the same window write the same numbers.
    """

    def __init__(self, folder: Path, graph_digest: str) -> None:
        self._folder = folder / graph_digest[:32]
        self._keys: npt.NDArray[np.bytes_] = np.empty(0, dtype=f"S{2 * KEY_BYTES}")
        self._rows: Float64Array = np.empty((0, 0))
        self._read: set[str] = set()

    def get(self, keys: npt.NDArray[np.bytes_]) -> tuple[npt.NDArray[np.bool_], Float64Array]:
        """Which keys are there, bool (n,), and their rows, float64 (number there, width)."""
        self._refresh()
        if not self._keys.size:
            return np.zeros(keys.size, dtype=np.bool_), np.empty((0, 0))
        at = np.minimum(np.searchsorted(self._keys, keys), self._keys.size - 1)
        there = self._keys[at] == keys
        return there, self._rows[at[there]]

    def put(self, keys: npt.NDArray[np.bytes_], rows: Float64Array) -> None:
        """Keep rows, float64 (n, width). Raises StorageError where the folder cannot be written."""
        if keys.size:
            data = save_tensors({"keys": np.frombuffer(keys.tobytes(), dtype=np.uint8), "rows": np.ascontiguousarray(rows)})
            write_bytes(self._folder / f"{sha256(data)[:32]}.safetensors", data)

    def _refresh(self) -> None:
        files = sorted(path for path in self._folder.glob("*.safetensors") if path.name not in self._read)
        if not files:
            return
        parts: list[Mapping[str, npt.NDArray[np.generic]]] = [load_tensors(path.read_bytes()) for path in files]
        keys = np.concatenate([self._keys, *(part["keys"].view(self._keys.dtype) for part in parts)])
        rows = [part["rows"] for part in parts]
        table = np.concatenate([self._rows, *rows] if self._rows.size else rows)
        self._keys, first = np.unique(keys, return_index=True)
        self._rows = np.asarray(table[first], dtype=np.float64)
        self._read |= {path.name for path in files}


def content_keys(windows: npt.NDArray[np.float32]) -> npt.NDArray[np.bytes_]:
    """A key for each row of a batch, by its bytes: hexadecimal, since trailing zero bytes are not kept by NumPy."""
    return np.array([hashlib.blake2b(window.tobytes(), digest_size=KEY_BYTES).hexdigest() for window in windows], dtype=f"S{2 * KEY_BYTES}")
