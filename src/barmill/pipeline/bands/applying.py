"""The band of each row, as a server would have said it: the one place where a run applies a band outside its bundles."""

from dataclasses import replace

import numpy as np

from barmill.bundles import BandOutcomes, ForecastBand
from barmill.ensembles.contract import Float64Array, Said
from barmill.labels import LabelConfig
from barmill.market import Bars
from barmill.pipeline.bands.config import UncertaintyConfig
from barmill.pipeline.bands.regime import regime_at
from barmill.pipeline.dataset import Dataset, Positions, ScaledData
from barmill.uncertainty.conformal import AdaptiveState, Bounds, adaptive_bands


def apply_band(band: ForecastBand, config: UncertaintyConfig, said: Said, data: ScaledData, positions: Positions) -> Float64Array:
    """Lower and upper end around what was said of the labels at `positions`: float64 (n, 2), net log returns.

    An adaptive band walks through the rows in time order: what it says of each stands on the outcomes of earlier ones of them that were
    known by then, and on none that was known later.

    band : fitted under `config`; positions : int64 (n,), ascending
    """
    unit = data.scale(positions)
    if isinstance(band.band, AdaptiveState):
        labels, (lo, hi) = data.labels, band.ends(said)
        z = labels.net_log_return[positions] / unit
        walked = adaptive_bands(band.band, labels.t0[positions], labels.t1[positions], lo, hi, z)
        bounds = Bounds(walked.lower, walked.upper)
    else:
        bounds = band.of(said, regime_at(config, data, positions))
    return np.column_stack(bounds) * unit[:, None]


def served(band: ForecastBand | None, labels: LabelConfig, data: Dataset, bars: Bars) -> ForecastBand | None:
    """The band as a bundle holds it: an adaptive one with the outcomes that move it, from the last bar on that calibration knew."""
    if band is None or not isinstance(band.band, AdaptiveState):
        return band
    last = int(data.labels.t1[data.positions["conformal"]].max())
    return replace(band, outcomes=BandOutcomes(labels, int(bars.open_time[last])))


__all__ = ["apply_band", "served"]
