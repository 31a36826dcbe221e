"""Samples as one array of their values, and an array as samples again: for whoever asks a model about inputs of its own making."""

import numpy as np
import numpy.typing as npt

from barmill.models.contract import View
from barmill.views import FeatureMatrix, MultiResolution, WindowTensor

Float32Array = npt.NDArray[np.float32]


def values_of(view: View) -> Float32Array:
    """Every sample's inputs: (n, n_features) of a matrix, (n, window, n_features) of windows, (n, 3, 64, 64) of images."""
    return view.values if isinstance(view, FeatureMatrix) else view.gather(np.arange(len(view)))


def view_with(values: Float32Array, like: View) -> View:
    """Samples with these values, (n, n_features) or (n, window, n_features), as a view of the kind of `like`, which holds no images."""
    if isinstance(like, MultiResolution):
        return MultiResolution.of_windows(values, like.lengths, like.names)
    if values.ndim == 2:
        return FeatureMatrix(values, np.arange(len(values)))
    n, window, n_features = values.shape
    return WindowTensor(values.reshape(n * window, n_features), np.arange(window - 1, n * window, window), window)


__all__ = ["values_of", "view_with"]
