"""A witness to the split: it remembers the training rows and nothing else.

Whether purge and embargo hold is a matter of rows, not of models. A model may hide that they do not: trees that are stopped early forget
which rows they saw (with no purge at all their AUC next to training rows was 0.51 to 0.55). The witness forecasts what became of the
training row that is nearest in time. Where no outcome is shared that is a coin; where one is, it is the outcome.
"""

import numpy as np
import numpy.typing as npt

from barmill.pipeline.dataset import Positions

Float64Array = npt.NDArray[np.float64]


def remembered(t0: Positions, y: npt.NDArray[np.int8], train: Positions, test: Positions) -> Float64Array:
    """The class of the nearest training row of each test row, float64 of shape of `test`; of two as near the earlier.

    Parameters
    ----------
    t0 : bars of all decisions, ascending; y : class of each
    train, test : positions among them, ascending; at least one to train
    """
    at = np.searchsorted(t0[train], t0[test])
    before, after = train[np.maximum(at - 1, 0)], train[np.minimum(at, train.size - 1)]
    later = np.abs(t0[after] - t0[test]) < np.abs(t0[test] - t0[before])
    return y[np.where(later, after, before)].astype(np.float64)


__all__ = ["remembered"]
