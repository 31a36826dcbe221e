"""The band of each row, as a server would have said it: the one place where a run applies a band outside its bundles."""

import numpy as np

from barmill.bundles import ForecastBand
from barmill.ensembles.contract import Float64Array, Said
from barmill.pipeline.bands.config import UncertaintyConfig
from barmill.pipeline.bands.regime import regime_at
from barmill.pipeline.dataset import Positions, ScaledData


def apply_band(band: ForecastBand, config: UncertaintyConfig, said: Said, data: ScaledData, positions: Positions) -> Float64Array:
    """Lower and upper end around what was said of the labels at `positions`: float64 (n, 2), net log returns.

    band : fitted under `config`; an adaptive one as it stood when it was fitted
    """
    bounds = band.of(said, regime_at(config, data, positions))
    return np.column_stack(bounds) * data.scale(positions)[:, None]


__all__ = ["apply_band"]
