"""What a booster for directions and one for returns say about rows: the part that is the same for every library's trees."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from barmill.models.admission import ROWS_AT_ONCE, check_finite, check_view
from barmill.models.boosting.flat_trees import check_alike
from barmill.models.contract import Float64Array, RawForecast, View
from barmill.views import FeatureMatrix


class Trees(Protocol):
    """A booster that can be asked: `FlatTrees` or `SymmetricTrees`."""

    @property
    def n_features(self) -> int:
        """Columns of a row."""
        ...

    @property
    def n_scores(self) -> int:
        """Raw scores of a row."""
        ...

    def scores(self, x: npt.NDArray[np.float32]) -> Float64Array:
        """Raw scores of finite rows (n, n_features), shape (n,), or (n, n_scores) of several; each depends on its row alone."""
        ...

    def bound(self, x: npt.NDArray[np.float32], out: Float64Array) -> Callable[[], None]:
        """A call that writes to `out` (n_scores,) the raw scores of the finite row then in `x` (n_features,), and makes no array."""
        ...


def check_boosters(up: Trees, returns: Trees | None) -> None:
    """Raise ValueError where the boosters of a model do not fit together."""
    if up.n_scores not in (1, 3) or (returns is not None and returns.n_scores != 1):
        raise ValueError("boosters of as many scores as no model has")
    check_alike([up] if returns is None else [up, returns])


def raw_of_trees(place: str, up: Trees, returns: Trees | None, view: View) -> RawForecast:
    """What boosters of directions and of returns say about finite rows; `place` is named where they are not.

    Rows are taken in parts, so that the inputs are never held twice.
    """
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


__all__ = ["Trees", "check_boosters", "raw_of_trees"]
