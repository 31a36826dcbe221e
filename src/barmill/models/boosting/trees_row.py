"""Boosters with memory for one row: their own walk of one row, and nothing made."""

import numpy as np

from barmill.models.boosting.boosted import Trees
from barmill.models.contract import RawForecast
from barmill.models.one_row import empty_forecast


class TreesRow:
    """Boosters of directions and, where there is one, of returns."""

    allocates = ""

    def __init__(self, up: Trees, returns: Trees | None) -> None:
        self.inputs = np.zeros(up.n_features, dtype=np.float32)
        self._forecast = empty_forecast(up.n_scores, expected=returns is not None)
        self._walks = [up.bound(self.inputs, self._forecast.logits.reshape(-1))]
        if returns is not None and self._forecast.expected is not None:
            self._walks.append(returns.bound(self.inputs, self._forecast.expected))

    def raw(self) -> RawForecast:
        for walk in self._walks:
            walk()
        return self._forecast


__all__ = ["TreesRow"]
