"""When to stop: the validation loss has not made progress for `patience` epochs."""

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """What has been seen of the validation loss. A value: `after` gives the next one.

    patience : int, epochs in a row without progress before it stops
    min_delta : float, fall below the last progress that counts as progress
    best_loss, best_epoch : the lowest loss and when it was, whether it counted as progress or not
    reference, waited : the loss of the last progress, and the epochs since
    """

    patience: int
    min_delta: float
    best_loss: float = float("inf")
    best_epoch: int = -1
    reference: float = float("inf")
    waited: int = 0

    def after(self, epoch: int, loss: float) -> Self:
        """The state after `epoch` (from 0) ended with validation loss `loss`."""
        progress = loss < self.reference - self.min_delta
        best = (loss, epoch) if loss < self.best_loss else (self.best_loss, self.best_epoch)
        return replace(
            self,
            best_loss=best[0],
            best_epoch=best[1],
            reference=loss if progress else self.reference,
            waited=0 if progress else self.waited + 1,
        )

    @property
    def is_over(self) -> bool:
        return self.waited >= self.patience
