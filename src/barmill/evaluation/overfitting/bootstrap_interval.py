"""An interval for any figure of a return series, by the stationary bootstrap."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.evaluation.auc_interval import Interval
from barmill.evaluation.overfitting.stationary_bootstrap import draw_blocks, optimal_block_length, require_block
from barmill.evaluation.performance import drop_missing

Float64Array = npt.NDArray[np.float64]
Metric = Callable[[Float64Array], float]


def bootstrap_interval(
    returns: npt.ArrayLike, metric: Metric, level: float = 0.95, block: float | None = None, n_boot: int = 1000, seed: int = 0
) -> Interval:
    """Percentile interval of one metric; see `bootstrap_intervals`.

    Example: bootstrap_interval(net, lambda r: sharpe_ratio(r, 525_600), seed=1)
    """
    return bootstrap_intervals(returns, {"metric": metric}, level, block, n_boot, seed)["metric"]


def bootstrap_intervals(
    returns: npt.ArrayLike,
    metrics: Mapping[str, Metric],
    level: float = 0.95,
    block: float | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Percentile intervals of several metrics over the same stationary-bootstrap resamples.

    Parameters
    ----------
    returns : float64 of shape (n,), in time order; NaN rows are dropped
    metrics : functions of a float64 array of shape (n,), such as `max_drawdown`; each is called once per resample
    level : in (0, 1)
    block : mean length of a block in rows; by Politis & White if None. Bars held for h bars hang together over h: at least as many.
    n_boot : resamples, at least 20; seed : of the draws

    Returns
    -------
    low, high by name; NaN where the metric is NaN in more than half of the resamples (in fewer: these are left out), or with fewer than
    8 rows. An infinite metric stays infinite.

    A drawdown depends on the order of all rows, which blocks break up: its interval is that of a market with the same short memory.
    Cost: one resample is in memory at a time; 1000 of 130 000 rows take about 2 s with a Sharpe ratio.
    Source: Politis & Romano (1994), JASA 89.
    """
    if not 0 < level < 1 or n_boot < 20:
        raise ShapeError("bootstrap_interval", f"level {level}, n_boot {n_boot}", expected="a level in (0, 1), at least 20 resamples")
    r = drop_missing(returns).returns
    n = r.size
    if n < 8:
        return dict.fromkeys(metrics, Interval(float("nan"), float("nan")))
    mean_length = require_block(optimal_block_length(r) if block is None else block, n)
    draw = np.random.default_rng(seed)
    values = np.empty((len(metrics), n_boot))
    for column in range(n_boot):
        resample = draw_blocks(draw, n, mean_length).resample(r)
        values[:, column] = [metric(resample) for metric in metrics.values()]
    return {name: _percentiles(row, level) for name, row in zip(metrics, values, strict=True)}


def _percentiles(values: Float64Array, level: float) -> Interval:
    known = np.sort(values[~np.isnan(values)])
    if known.size < values.size / 2:
        return Interval(float("nan"), float("nan"))
    # order statistics, not interpolated ones: halfway to an infinity there is nothing
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return Interval(float(low), float(high))


__all__ = ["Metric", "bootstrap_interval", "bootstrap_intervals"]
