"""Forecast with a linear model: NumPy and nothing else."""

import json
from collections.abc import Mapping
from typing import Self

import numpy as np
import numpy.typing as npt

from barmill.models.admission import ROWS_AT_ONCE, check_finite, check_view
from barmill.models.contract import RawForecast, View
from barmill.views import FeatureMatrix

PLACE = "model 'logistic'"


class LogisticForecaster:
    """Log-odds as a weighted sum of the features, in float64."""

    def __init__(self, coefficients: npt.NDArray[np.float64], intercepts: npt.NDArray[np.float64]) -> None:
        self._coefficients = coefficients  # (1, n_features) for two classes, (3, n_features) for three
        self._intercepts = intercepts

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build from the bytes of `model.json`."""
        content = json.loads(files["model.json"])
        return cls(np.array(content["coefficients"], dtype=np.float64), np.array(content["intercepts"], dtype=np.float64))

    def raw(self, view: View) -> RawForecast:
        """Log-odds of up, shape (n,), or three scores a row, shape (n, 3). A row's bits do not depend on its neighbours."""
        check_view(PLACE, view, "feature_matrix", self._coefficients.shape[1])
        assert isinstance(view, FeatureMatrix)
        scores = np.empty((len(view), self._intercepts.size))
        for start in range(0, len(view), ROWS_AT_ONCE):
            inputs = view.base[view.rows[start : start + ROWS_AT_ONCE]]
            check_finite(PLACE, inputs, start)
            rows = inputs.astype(np.float64)
            for k, weights in enumerate(self._coefficients):
                # A product with BLAS would add up one row in another order than a thousand rows; a sum along the row does not.
                scores[start : start + ROWS_AT_ONCE, k] = (rows * weights).sum(axis=1) + self._intercepts[k]
        return RawForecast(scores[:, 0] if scores.shape[1] == 1 else scores, None)
