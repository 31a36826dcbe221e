"""Forecast with the trees of LightGBM and XGBoost, read from the libraries' own formats and walked without them.

Scores are the libraries' to the bit. A booster adds up a row's leaves in the order of its trees, so a row's forecast does not depend on
the rows beside it. Each call runs on the calling thread alone.
"""

from collections.abc import Mapping
from typing import Self

from barmill.models.boosting.boosted import check_boosters, raw_of_trees
from barmill.models.boosting.flat_trees import FlatTrees
from barmill.models.boosting.lightgbm_text import read_lightgbm
from barmill.models.boosting.trees_row import TreesRow
from barmill.models.boosting.xgboost_ubj import read_xgboost
from barmill.models.contract import RawForecast, View


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

    @property
    def boosters(self) -> tuple[FlatTrees, ...]:
        """What is asked, one after the other."""
        return (self.up,) if self.returns is None else (self.up, self.returns)


class XGBoostForecaster:
    """Margins of XGBoost boosters."""

    def __init__(self, up: FlatTrees, returns: FlatTrees | None) -> None:
        self.up, self.returns = up, returns
        check_boosters(up, returns)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build from the bytes of `p_up.ubj` and, where there is one, `E_r.ubj`."""
        returns = files.get("E_r.ubj")
        return cls(read_xgboost(files["p_up.ubj"]), None if returns is None else read_xgboost(returns))

    def raw(self, view: View) -> RawForecast:
        """Log-odds of up (n,), or three scores a row (n, 3); and the expected z, where it was learned."""
        return raw_of_trees("model 'xgboost'", self.up, self.returns, view)

    def one_row(self) -> TreesRow:
        """Itself, with memory for one row."""
        return TreesRow(self.up, self.returns)

    @property
    def boosters(self) -> tuple[FlatTrees, ...]:
        """What is asked, one after the other."""
        return (self.up,) if self.returns is None else (self.up, self.returns)


__all__ = ["LightGBMForecaster", "XGBoostForecaster"]
