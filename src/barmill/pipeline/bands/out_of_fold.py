"""Bands from forecasts out of fold: of rows that teach, by fits that had not seen them, for the model that was fitted on all of them."""

from collections.abc import Sequence

import numpy as np

from barmill.bundles import ForecastBand
from barmill.ensembles.contract import Member
from barmill.ensembles.out_of_fold import OutOfFold
from barmill.labels import Labels
from barmill.pipeline.bands.config import UncertaintyConfig
from barmill.pipeline.bands.fitting import fit_out_of_fold_band
from barmill.pipeline.dataset import ScaledData
from barmill.pipeline.ensemble_config import EnsembleConfig
from barmill.pipeline.ensembles.combining import cross_combined
from barmill.pipeline.ensembles.folding import FoldForecast
from barmill.pipeline.ensembles.oof_folds import OofFolds
from barmill.pipeline.ensembles.said import joined, said_of
from barmill.pipeline.workspace import Stage, Workspace
from barmill.uncertainty import Calibration, ResidualQuantiles


def band_of_folds(
    config: UncertaintyConfig, label: str, stages: Sequence[Stage], folds: OofFolds, data: ScaledData, workspace: Workspace
) -> ForecastBand:
    """The band of the model `label`, by what it said in each of `folds`.

    stages : one for each fold, in order

    Raises: ProvenanceError for a forecast by a fit that saw its label, or a row that is missing; SplitError for too few rows.
    """
    found = [FoldForecast.read(workspace.path(stage)) for stage in stages]
    folds.check(label, [one.fitted_on for one in found])
    rows = np.concatenate([one.positions for one in found])
    return fit_out_of_fold_band(config, joined([one.said for one in found]), data.labels.net_log_return[rows] / data.scale(rows))


def band_of_combined(
    config: UncertaintyConfig,
    ensemble: EnsembleConfig,
    members: Sequence[Member],
    told: OutOfFold,
    labels: Labels,
    calibration: Calibration,
    quantiles: ResidualQuantiles,
    seed: int,
) -> ForecastBand:
    """The band of an ensemble, by what it says where neither a member nor what combines them was fitted on the row.

    told : what the members said out of fold; labels : of the run
    calibration, quantiles : of the ensemble, fitted on later rows
    """
    raw = cross_combined(ensemble, members, told, labels, seed=seed)
    return fit_out_of_fold_band(config, said_of(raw, calibration, quantiles), told.rows.z)


__all__ = ["band_of_combined", "band_of_folds"]
