"""Does trading one model earn more than trading another over the same bars, by more than chance?"""

import math
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.overfitting.stationary_bootstrap import optimal_block_length, require_block, resampled_means
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]


class ReturnTest(NamedTuple):
    """difference : mean net return per bar of the first model less that of the second; above 0 the first is better
    p_value : two-sided, of the hypothesis that they earn alike
    n_rows, block (mean length in rows), n_boot : how
    """

    difference: float
    p_value: float
    n_rows: int
    block: float
    n_boot: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan(self._asdict())


def paired_return_test(
    net_a: npt.ArrayLike, net_b: npt.ArrayLike, block: float | None = None, n_boot: int = 1000, seed: int = 0
) -> ReturnTest:
    """Test of the mean difference of two return series by the stationary bootstrap; see `paired_return_tests`."""
    first = vector(net_a, "net_a")
    both = np.column_stack([first, vector(net_b, "net_b", first.size)])
    if block is None and first.size >= 2:
        block = optimal_block_length(both[:, 0] - both[:, 1])
    return paired_return_tests(both, block, n_boot, seed)[0, 1]


def paired_return_tests(
    returns: npt.ArrayLike, block: float | None = None, n_boot: int = 1000, seed: int = 0
) -> dict[tuple[int, int], ReturnTest]:
    """Test of each pair of columns, all over the same resamples of the rows.

    The rows of all models are resampled together, so what they earn on the same bars stays paired. The p-value is the share of
    resamples whose difference lies as far from the one that came as that lies from 0, the sample itself counted among them.

    Parameters
    ----------
    returns : float64 of shape (n_bars, n_models), net returns per bar
    block : mean length of a block in rows; the longest that any column asks for (Politis & White) if None. Positions that are held
        for h bars hang together over h: at least as many
    n_boot : resamples, at least 20; no p-value is below 1 / (n_boot + 1)
    seed : of the draws

    Returns
    -------
    by pair of columns (i, j), i < j. The p-value is NaN where the difference does not vary, or with fewer than 8 rows.

    Source: Politis & Romano (1994), JASA 89; Davison & Hinkley (1997), Bootstrap Methods and their Application, sec. 4.4.
    """
    nets = np.asarray(returns, dtype=np.float64)
    if nets.ndim != 2 or nets.shape[1] < 2 or not np.isfinite(nets).all():
        raise ShapeError("returns", f"of shape {nets.shape}", expected="(n_bars, n_models), two models or more, all finite")
    if n_boot < 20:
        raise ShapeError("n_boot", f"is {n_boot}", expected="at least 20 resamples")
    n = len(nets)
    pairs = list(combinations(range(nets.shape[1]), 2))
    if n < 8:
        return {(i, j): ReturnTest(_mean(nets[:, i] - nets[:, j]), math.nan, n, math.nan, n_boot) for i, j in pairs}
    length = require_block(max(optimal_block_length(column) for column in nets.T) if block is None else block, n)
    means, drawn = nets.mean(axis=0), resampled_means(nets, length, n_boot, seed)
    found: dict[tuple[int, int], ReturnTest] = {}
    for i, j in pairs:
        difference = nets[:, i] - nets[:, j]
        came = float(means[i] - means[j])
        away = np.abs(drawn[:, i] - drawn[:, j] - came)
        varies = difference.max() > difference.min()
        p = (1 + int((away >= abs(came)).sum())) / (n_boot + 1) if varies else math.nan
        found[i, j] = ReturnTest(came, p, n, length, n_boot)
    return found


def _mean(x: Float64Array) -> float:
    return float(x.mean()) if x.size else math.nan


__all__ = ["ReturnTest", "paired_return_test", "paired_return_tests"]
