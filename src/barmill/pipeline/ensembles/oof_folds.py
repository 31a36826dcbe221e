"""The folds among rows that teach, in which members forecast what they have not seen."""

from dataclasses import dataclass

import numpy as np

from barmill.labels import Labels
from barmill.pipeline.dataset import Positions
from barmill.pipeline.ensemble_config import OofConfig
from barmill.splits import Fold, OofPiece, PurgedKFold, Ranges, check_out_of_fold


@dataclass(frozen=True)
class OofFolds:
    """Contiguous purged folds of the rows on which members are fitted, of a run's training block or of one split.

    labels : of the whole run
    rows : int64, the rows that teach, among all labels, ascending
    folds : rows numbered among `rows`
    oof : how they were cut
    """

    labels: Labels
    rows: Positions
    folds: tuple[Fold, ...]
    oof: OofConfig

    @classmethod
    def of(cls, labels: Labels, rows: Positions, oof: OofConfig) -> "OofFolds":
        """Raises SplitError for fewer rows than folds, or a fold that leaves nothing to learn from."""
        splitter = PurgedKFold(oof.n_folds, purge=oof.purge_bars, embargo=oof.embargo_bars)
        return cls(labels, rows, tuple(splitter.folds(labels.take(rows))), oof)

    def train(self, number: int) -> Positions:
        """The rows that may teach in fold `number`, among all labels."""
        return self.rows[self.folds[number].train.positions()]

    def test(self, number: int) -> Positions:
        """The rows that fold `number` forecasts, among all labels."""
        return self.rows[self.folds[number].test.positions()]

    def check(self, label: str, fitted_on: list[Ranges]) -> None:
        """Prove that each row stands once in what the model `label` forecast, by a fit that shares no bar with it.

        fitted_on : for each fold the positions of every label that anything of it was fitted on

        Raises: ProvenanceError.
        """
        pieces = [OofPiece(0, Ranges.of(self.test(number)), seen, f"{label}, fold {number}") for number, seen in enumerate(fitted_on)]
        check_out_of_fold(self.labels, np.asarray(self.rows), pieces, purge_bars=self.oof.purge_bars, embargo_bars=self.oof.embargo_bars)


__all__ = ["OofFolds"]
