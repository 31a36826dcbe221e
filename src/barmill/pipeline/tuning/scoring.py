"""From the outcomes of inner folds to the one number that a tuning makes best, and to what the ledger keeps."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from barmill.evaluation import sharpe_ratio
from barmill.pipeline.tuning.inner_folds import FoldOutcome

Float64Array = npt.NDArray[np.float64]


def score(metric: str, outcomes: Sequence[FoldOutcome]) -> float:
    """The metric over all folds done so far: log loss and AUC as the mean over rows, Sharpe of all bars together, annualised.

    A rule that never trades has no Sharpe ratio; here it counts as 0, for it earned nothing and risked nothing.
    """
    if metric == "sharpe":
        value = sharpe_ratio(pooled(outcomes), outcomes[0].periods)
        return 0.0 if np.isnan(value) else value
    values = [outcome.auc if metric == "auc" else outcome.log_loss for outcome in outcomes]
    return float(np.average(values, weights=[outcome.n for outcome in outcomes]))


def sharpe_per_bar(outcomes: Sequence[FoldOutcome]) -> float | None:
    """Net Sharpe ratio per bar over all folds done; None where it is undefined."""
    value = sharpe_ratio(pooled(outcomes), 1.0) if outcomes else float("nan")
    return None if np.isnan(value) else value


def pooled(outcomes: Sequence[FoldOutcome]) -> Float64Array:
    """Returns of all folds done, one after another."""
    return np.concatenate([np.empty(0), *(outcome.returns for outcome in outcomes)])


__all__ = ["pooled", "score", "sharpe_per_bar"]
