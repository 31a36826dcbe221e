"""Forecast with boosted trees in the boosters' own formats.

A booster adds up a row's leaves in the order of its trees, so a row's forecast does not depend on the rows beside it,
to the bit. Each call runs on the calling thread alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from barmill.models.admission import ROWS_AT_ONCE, check_finite, check_view
from barmill.models.boosting.flat_trees import FlatTrees, check_alike
from barmill.models.boosting.lightgbm_text import read_lightgbm
from barmill.models.boosting.trees_row import TreesRow
from barmill.models.contract import Float64Array, RawForecast, View
from barmill.views import FeatureMatrix


class LightGBMForecaster:
    """Raw scores of LightGBM boosters."""

    def __init__(self, up: FlatTrees, returns: FlatTrees | None) -> None:
        self.up, self.returns = up, returns
        check_boosters(up, returns)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build from the bytes of `p_up.txt` and, where there is one, `E_r.txt`."""
        returns = files.get("E_r.txt")
        return cls(read_lightgbm(files["p_up.txt"]), None if returns is None else read_lightgbm(returns))

    def raw(self, view: View) -> RawForecast:
        """Log-odds of up (n,), or three scores a row (n, 3); and the expected z, where it was learned."""
        return raw_of_trees("model 'lightgbm'", self.up, self.returns, view)

    def one_row(self) -> TreesRow:
        """Itself, with memory for one row."""
        return TreesRow(self.up, self.returns)


class XGBoostForecaster:
    """Margins of XGBoost boosters."""

    def __init__(self, up: xgb.Booster, returns: xgb.Booster | None, n_scores: int) -> None:
        self._up, self._returns, self._n_scores = up, returns, n_scores

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build from the bytes of `p_up.ubj` and, where there is one, `E_r.ubj`."""
        up = _xgboost(files["p_up.ubj"])
        returns = files.get("E_r.ubj")
        probe = np.zeros((1, up.num_features()), dtype=np.float32)
        n_scores = int(np.size(up.inplace_predict(probe, predict_type="margin")))
        return cls(up, None if returns is None else _xgboost(returns), n_scores)

    def raw(self, view: View) -> RawForecast:
        """Log-odds of up (n,), or three scores a row (n, 3); and the expected z, where it was learned."""
        place = "model 'xgboost'"
        check_view(place, view, "feature_matrix", self._up.num_features())
        logits: list[npt.NDArray[Any]] = []
        expected: list[npt.NDArray[Any]] = []
        for rows in _parts(view, place):
            logits.append(self._up.inplace_predict(rows, predict_type="margin"))
            if self._returns is not None:
                expected.append(self._returns.inplace_predict(rows, predict_type="margin"))
        return RawForecast(_joined(logits, self._n_scores), None if self._returns is None else _joined(expected, 1))


def check_boosters(up: FlatTrees, returns: FlatTrees | None) -> None:
    """Raise ValueError where the boosters of a model do not fit together."""
    if up.n_scores not in (1, 3) or (returns is not None and returns.n_scores != 1):
        raise ValueError("boosters of as many scores as no model has")
    check_alike([up] if returns is None else [up, returns])


def raw_of_trees(place: str, up: FlatTrees, returns: FlatTrees | None, view: View) -> RawForecast:
    """What boosters of directions and of returns say about finite rows; `place` is named where they are not."""
    check_view(place, view, "feature_matrix", up.n_features)
    assert isinstance(view, FeatureMatrix)
    logits = np.empty((len(view),) if up.n_scores == 1 else (len(view), up.n_scores))
    expected = None if returns is None else np.empty(len(view))
    for start in range(0, len(view), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        rows = view.base[view.rows[part]]
        check_finite(place, rows, start)
        logits[part] = up.scores(rows)
        if expected is not None and returns is not None:
            expected[part] = returns.scores(rows)
    return RawForecast(logits, expected)


def _xgboost(content: bytes) -> xgb.Booster:
    booster = xgb.Booster({"nthread": 1})
    booster.load_model(bytearray(content))
    booster.set_param({"nthread": 1})  # loading resets it
    return booster


def _parts(view: View, place: str) -> Iterator[npt.NDArray[np.float32]]:
    """The rows in parts, so that the inputs are never held twice."""
    assert isinstance(view, FeatureMatrix)
    for start in range(0, len(view), ROWS_AT_ONCE):
        rows = view.base[view.rows[start : start + ROWS_AT_ONCE]]
        check_finite(place, rows, start)
        yield rows


def _joined(parts: list[npt.NDArray[Any]], n_scores: int) -> Float64Array:
    """Parts of scores as one float64 array: (n,) for one score a row, (n, n_scores) for more."""
    shape = (-1,) if n_scores == 1 else (-1, n_scores)
    return np.concatenate([np.zeros(0), *(part.astype(np.float64).ravel() for part in parts)]).reshape(shape)
