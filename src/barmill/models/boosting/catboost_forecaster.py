"""Forecast with CatBoost's symmetric trees, without CatBoost. A row's bits do not depend on its neighbours."""

from collections.abc import Mapping
from typing import Self

from barmill.models.boosting.boosted import check_boosters, raw_of_trees
from barmill.models.boosting.symmetric_trees import SymmetricTrees
from barmill.models.boosting.trees_row import TreesRow
from barmill.models.contract import RawForecast, View


class CatBoostForecaster:
    """Raw scores of CatBoost boosters."""

    def __init__(self, up: SymmetricTrees, returns: SymmetricTrees | None) -> None:
        self.up, self.returns = up, returns
        check_boosters(up, returns)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build from the bytes of `p_up.json` and, where there is one, `E_r.json`."""
        returns = files.get("E_r.json")
        return cls(SymmetricTrees.read(files["p_up.json"]), None if returns is None else SymmetricTrees.read(returns))

    def raw(self, view: View) -> RawForecast:
        """Log-odds of up (n,), or three scores a row (n, 3); and the expected z, where it was learned."""
        return raw_of_trees("model 'catboost'", self.up, self.returns, view)

    def one_row(self) -> TreesRow:
        """Itself, with memory for one row."""
        return TreesRow(self.up, self.returns)

    @property
    def boosters(self) -> tuple[SymmetricTrees, ...]:
        """What is asked, one after the other."""
        return (self.up,) if self.returns is None else (self.up, self.returns)


__all__ = ["CatBoostForecaster"]
