"""What an ensemble says of one row, written into memory that is there."""

from collections.abc import Sequence

from barmill.models.contract import RawForecast
from barmill.models.one_row import empty_forecast


class WrittenRow:
    """Memory for the forecast of one row. Not to be shared between threads.

    n_scores : int, 1 for two classes; expected, quantiles : bool, whether the ensemble says them itself
    """

    def __init__(self, n_scores: int, *, expected: bool, quantiles: bool) -> None:
        self._raw = empty_forecast(n_scores, expected=expected, quantiles=quantiles)
        self._logits = self._raw.logits.reshape(-1)

    def of(self, logits: Sequence[float], expected: float | None, quantiles: Sequence[float] | None) -> RawForecast:
        """These numbers; the next call overwrites them."""
        raw = self._raw
        for place, logit in enumerate(logits):
            self._logits[place] = logit
        if raw.expected is not None and expected is not None:
            raw.expected[0] = expected
        if raw.quantiles is not None and quantiles is not None:
            raw.quantiles[0, 0], raw.quantiles[0, 1], raw.quantiles[0, 2] = quantiles
        return raw


__all__ = ["WrittenRow"]
