"""The band of one model or ensemble, by the method of the recipe: the same for all of a run."""

from pathlib import Path

import numpy as np

from barmill.artefacts import read_json, readable_json, write_new
from barmill.bundles import ForecastBand
from barmill.ensembles.contract import Float64Array, Said
from barmill.pipeline.bands.config import USUAL_STEPS, USUAL_WINDOW, UncertaintyConfig
from barmill.pipeline.bands.regime import regime_at, regime_name
from barmill.pipeline.dataset import Positions, ScaledData
from barmill.uncertainty.conformal import (
    AdaptiveConformal,
    AdaptiveState,
    CvPlusBand,
    RegimeBand,
    fit_cqr_band,
    fit_jackknife_band,
    fit_regime_band,
    fit_split_band,
)

BAND_FILE = "band.json"
QUANTILES = "q05_q95"


def fit_band(config: UncertaintyConfig, said: Said, z: Float64Array, regime: Float64Array | None) -> ForecastBand:
    """Fit a band of z, the return in units of the volatility known at the decision.

    Parameters
    ----------
    config : of a method that is fitted on a slice
    said : what the model says of n rows in time order, on which nothing of it was fitted
    z : float64 (n,), what came
    regime : float64 (n,), known at the decision, where the band goes by it

    Raises: SplitError with the number of rows needed where they are too few; ShapeError for a regime that is no whole number.
    """
    lo, hi = np.ascontiguousarray(said.quantiles[:, 0]), np.ascontiguousarray(said.quantiles[:, 2])
    match config.method:
        case "split":
            around, centre = point_of(said)
            return ForecastBand(fit_split_band(z, centre, config.alpha), around)
        case "cqr":
            return ForecastBand(fit_cqr_band(z, lo, hi, config.alpha), QUANTILES)
        case "adaptive":
            settings = AdaptiveConformal(config.alpha, config.steps or USUAL_STEPS, config.window or USUAL_WINDOW)
            return ForecastBand(settings.start(z, lo, hi), QUANTILES)
        case "mondrian":
            assert regime is not None
            return ForecastBand(fit_regime_band(z, lo, hi, regime, config.alpha), QUANTILES, regime_name(config))
        case "jackknife_plus":
            raise AssertionError("is fitted out of fold")


def band_on(config: UncertaintyConfig, said: Said, data: ScaledData, positions: Positions) -> ForecastBand:
    """`fit_band` on the labels at `positions`, of which `said` was said."""
    z = data.labels.net_log_return[positions] / data.scale(positions)
    return fit_band(config, said, z, regime_at(config, data, positions))


def fit_out_of_fold_band(config: UncertaintyConfig, said: Said, z: Float64Array) -> ForecastBand:
    """The band of the refitted model by the errors of those that had not seen the row.

    said : out of fold, of n rows; z : float64 (n,), what came

    Raises: SplitError with the number of rows needed where they are too few.
    """
    around, centre = point_of(said)
    return ForecastBand(fit_jackknife_band(z, centre, config.alpha), around)


def point_of(said: Said) -> tuple[str, Float64Array]:
    """What a band of one width goes around, and its values (n,): E_r, or q50 where the model has none."""
    return ("q50", np.ascontiguousarray(said.quantiles[:, 1])) if said.expected is None else ("E_r", said.expected)


def rows_behind(band: ForecastBand) -> int:
    """How many rows a band was fitted on."""
    match band.band:
        case AdaptiveState():
            return band.band.scores.size
        case RegimeBand():
            return band.band.pooled.n_rows
        case CvPlusBand():
            return band.band.residuals.size
        case _:
            return band.band.n_rows


def write_band(folder: Path, band: ForecastBand | None) -> None:
    """Keep the band of a stage, where it has one."""
    if band is not None:
        write_new(folder / BAND_FILE, readable_json(band.to_json()))


def read_band_of(folder: Path) -> ForecastBand | None:
    """The band that a stage kept; None where the run has none."""
    file = folder / BAND_FILE
    return ForecastBand.from_json(read_json(file)) if file.exists() else None


__all__ = ["band_on", "fit_band", "fit_out_of_fold_band", "point_of", "read_band_of", "rows_behind", "write_band"]
