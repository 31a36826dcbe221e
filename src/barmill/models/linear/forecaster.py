"""Forecast with a linear model: NumPy and nothing else."""

import json
from collections.abc import Mapping
from typing import Self

import numpy as np

from barmill.models.admission import ROWS_AT_ONCE, check_finite, check_view
from barmill.models.contract import Float64Array, RawForecast, View
from barmill.models.one_row import empty_forecast
from barmill.views import FeatureMatrix


class LinearForecaster:
    """Log-odds, and where it was learned the expected z, as weighted sums of the features, in float64."""

    def __init__(self, name: str, coefficients: Float64Array, intercepts: Float64Array, *, learned_returns: bool) -> None:
        self._place = f"model '{name}'"
        # (n_scores, n_features): one score for two classes, three for three, and the expected z last.
        self._coefficients = coefficients
        self._intercepts = intercepts
        self._learned_returns = learned_returns

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build from the bytes of `model.json`."""
        content = json.loads(files["model.json"])
        expected = content.get("expected")
        coefficients = [*content["coefficients"], *([] if expected is None else [expected["coefficients"]])]
        intercepts = [*content["intercepts"], *([] if expected is None else [expected["intercept"]])]
        name = content.get("model", "logistic")  # once the only linear model, which did not say its name
        return cls(name, np.array(coefficients, np.float64), np.array(intercepts, np.float64), learned_returns=expected is not None)

    def raw(self, view: View) -> RawForecast:
        """Log-odds of up (n,), or three scores a row (n, 3); and the expected z (n,). A row's bits do not depend on its neighbours."""
        check_view(self._place, view, "feature_matrix", self._coefficients.shape[1])
        assert isinstance(view, FeatureMatrix)
        scores = np.empty((len(view), self._intercepts.size))
        for start in range(0, len(view), ROWS_AT_ONCE):
            inputs = view.base[view.rows[start : start + ROWS_AT_ONCE]]
            check_finite(self._place, inputs, start)
            rows = inputs.astype(np.float64)
            for k, weights in enumerate(self._coefficients):
                # A product with BLAS would add up one row in another order than a thousand rows; a sum along the row does not.
                scores[start : start + ROWS_AT_ONCE, k] = (rows * weights).sum(axis=1) + self._intercepts[k]
        logits, expected = (scores[:, :-1], scores[:, -1]) if self._learned_returns else (scores, None)
        return RawForecast(logits[:, 0] if logits.shape[1] == 1 else logits, expected)

    def one_row(self) -> "LinearRow":
        """Itself, with memory for one row."""
        return LinearRow(self._coefficients, self._intercepts, learned_returns=self._learned_returns)


class LinearRow:
    """A linear model with memory for one row: the sums of `LinearForecaster.raw`."""

    allocates = ""

    def __init__(self, coefficients: Float64Array, intercepts: Float64Array, *, learned_returns: bool) -> None:
        self.inputs = np.zeros(coefficients.shape[1], dtype=np.float32)
        self._coefficients, self._intercepts = [row[None] for row in coefficients], intercepts.tolist()
        self._row = np.zeros((1, coefficients.shape[1]))
        self._products, self._sum = np.empty_like(self._row), np.empty(1)
        self._forecast = empty_forecast(len(intercepts) - learned_returns, expected=learned_returns)
        expected = () if self._forecast.expected is None else (self._forecast.expected,)
        scores = self._forecast.logits.reshape(-1)
        self._scores = [*(scores[k : k + 1] for k in range(scores.size)), *expected]

    def raw(self) -> RawForecast:
        self._row[0] = self.inputs
        for weights, intercept, score in zip(self._coefficients, self._intercepts, self._scores, strict=True):
            np.multiply(self._row, weights, self._products)
            np.add.reduce(self._products, axis=1, out=self._sum)
            score[0] = self._sum.item() + intercept
        return self._forecast
