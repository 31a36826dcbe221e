"""The reliability curve: what came against what was said, with a band for what chance may do to it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from barmill.errors import ShapeError
from barmill.evaluation.overfitting.stationary_bootstrap import draw_blocks, require_block
from barmill.evaluation.probability_bins import Binning, Bins, binned

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

Z_95 = 1.959963984540054  # norm.ppf(0.975)


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityCurve:
    """One entry for each bin that is not empty, in ascending order.

    mean_p : mean forecast; share : share of class 1; low, high : its interval, of 95 % unless asked otherwise; count : rows
    """

    mean_p: Float64Array
    share: Float64Array
    low: Float64Array
    high: Float64Array
    count: Int64Array


def reliability_curve(
    p: npt.ArrayLike, y: npt.ArrayLike, n_bins: int = 10, overlap: float = 1.0, binning: Binning = "equal_width"
) -> ReliabilityCurve:
    """What came against what was said, over the bins of `expected_calibration_error`, with a Wilson band.

    Parameters
    ----------
    p, y, n_bins, binning : as in `expected_calibration_error`
    overlap : float, at least 1: how many rows share one outcome. Labels of 60 bars made at every bar overlap; with overlap 60 the band is
        that of a sixtieth of the rows, without it the rows pass for independent and the band is far too narrow.

    Source: Wilson (1927), JASA 22.
    """
    if not overlap >= 1:
        raise ShapeError("overlap", f"is {overlap}", expected="1 or more rows")
    bins = binned(p, y, n_bins, binning)
    low, high = _wilson(bins.share, np.maximum(bins.count / overlap, 1.0))
    return ReliabilityCurve(bins.mean_p, bins.share, low, high, bins.count)


def reliability_band(
    p: npt.ArrayLike,
    y: npt.ArrayLike,
    block: float,
    seed: int,
    n_bins: int = 10,
    level: float = 0.95,
    n_boot: int = 500,
    binning: Binning = "equal_width",
) -> ReliabilityCurve:
    """The reliability curve with a band from resampled blocks of rows, in place of Wilson's with a stated overlap.

    Rows of one bin that stand side by side share an outcome, those that stand apart do not: blocks keep which is which, where one
    number for the overlap takes all bins alike. The bins stay those of the sample; each end of a band is a percentile of its share over
    the resamples that hold a row of it.

    Parameters
    ----------
    p, y, n_bins, binning : as in `expected_calibration_error`, rows in time order
    block : mean length of a block in rows, at least as many as share an outcome (label length over decision spacing)
    seed : of the draws; level : float in (0, 1); n_boot : resamples, at least 20

    Returns
    -------
    ReliabilityCurve. Where all rows of a bin came out alike there is nothing to resample: its band is Wilson's, of a row for each block.
    NaN where fewer than two blocks fit.

    Cost: one pass over the rows for each resample (500 of 30 000 rows: under 0.3 s).
    Source: Politis & Romano (1994), JASA 89; Bröcker & Smith (2007), Weather and Forecasting 22, for bands of reliability curves.
    """
    if n_boot < 20 or not 0 < level < 1:
        raise ShapeError("reliability_band", f"level {level}, {n_boot} resamples", expected="a level in (0, 1), at least 20 resamples")
    bins = binned(p, y, n_bins, binning)
    mean_length, n = require_block(block, bins.said.size), bins.said.size
    if n < 2 * mean_length:
        unknown = np.full(bins.share.size, np.nan)
        return ReliabilityCurve(bins.mean_p, bins.share, unknown, unknown, bins.count)
    low, high = _percentiles(_resampled_shares(bins, mean_length, seed, n_boot), level)
    alike = (bins.share == 0) | (bins.share == 1)
    plain_low, plain_high = _wilson(bins.share, np.maximum(bins.count / mean_length, 1.0), float(ndtri((1 + level) / 2)))
    return ReliabilityCurve(bins.mean_p, bins.share, np.where(alike, plain_low, low), np.where(alike, plain_high, high), bins.count)


def _resampled_shares(bins: Bins, block: float, seed: int, n_boot: int) -> Float64Array:
    """float64 (n_boot, n_bins), NaN where a resample holds no row of a bin."""
    n_bins, draw = bins.count.size, np.random.default_rng(seed)
    shares = np.full((n_boot, n_bins), np.nan)
    for row in shares:
        times = draw_blocks(draw, bins.said.size, block).counts(bins.said.size)
        drawn = np.bincount(bins.place, weights=times, minlength=n_bins)
        came = np.bincount(bins.place, weights=times * bins.came, minlength=n_bins)
        np.divide(came, drawn, out=row, where=drawn > 0)
    return shares


def _percentiles(shares: Float64Array, level: float) -> tuple[Float64Array, Float64Array]:
    low, high = np.nanquantile(shares, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _wilson(share: Float64Array, n: Float64Array, z: float = Z_95) -> tuple[Float64Array, Float64Array]:
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


__all__ = ["ReliabilityCurve", "reliability_band", "reliability_curve"]
