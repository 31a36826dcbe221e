"""By how much a model's loss is below that of a naive baseline on the same rows, with an interval that knows that rows hang together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.evaluation.overfitting.bootstrap_interval import bootstrap_interval

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Control:
    """How an interval is found: the same for every model that is judged on the same rows.

    block : float, mean length in rows of a bootstrap block: at least as many as share an answer's bars
    seed : int, of the draws; n_boot : resamples
    """

    block: float
    seed: int
    n_boot: int = 500

    def interval_of_mean(self, values: Float64Array) -> list[float]:
        """95 % interval of the mean of `values` (n,), in time order; NaN with fewer than 8."""
        block = float(min(self.block, max(1, values.size // 2)))
        found = bootstrap_interval(values, lambda drawn: float(drawn.mean()), block=block, n_boot=self.n_boot, seed=self.seed)
        return [found.low, found.high]


def gain_over(name: str, model: Float64Array, baseline: Float64Array, control: Control, level: float | None = None) -> dict[str, Any]:
    """One comparison as plain values: the mean losses, their difference (positive where the model is better) and its interval.

    name : what the loss is called; level : of the quantile whose loss it is
    model, baseline : float64 (n,), the loss of each row, in time order
    """
    better = baseline - model
    return {
        "loss": name,
        "level": level,
        "model": float(model.mean()) if model.size else float("nan"),
        "baseline": float(baseline.mean()) if model.size else float("nan"),
        "better_by": float(better.mean()) if model.size else float("nan"),
        "interval": control.interval_of_mean(better),
        "n": int(model.size),
    }


__all__ = ["Control", "Float64Array", "gain_over"]
