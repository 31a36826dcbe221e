"""The members of an ensemble as the run left them: what they said out of fold, and refitted on all of train."""

from collections.abc import Mapping, Sequence

import numpy as np

from barmill.artefacts import cache_folder, read_json
from barmill.ensembles.contract import Float64Array, Member, Said
from barmill.ensembles.out_of_fold import Outcomes, OutOfFold, Piece, put_together
from barmill.evaluation import Thresholds
from barmill.models.catalogue import load_forecaster, spec_of
from barmill.models.contract import Forecaster, KeepingForecaster
from barmill.pipeline.bundling import fitted_files
from barmill.pipeline.dataset import Positions, ScaledData
from barmill.pipeline.ensemble_config import EnsembleConfig
from barmill.pipeline.ensembles.folding import FoldForecast
from barmill.pipeline.ensembles.oof_folds import OofFolds
from barmill.pipeline.learned import learned_outputs
from barmill.pipeline.model_fit import CalibratedModel
from barmill.pipeline.recipe import ModelEntry, Recipe
from barmill.pipeline.workspace import Stage, Workspace
from barmill.uncertainty import Calibration, ResidualQuantiles


def members_of(recipe: Recipe, ensemble: EnsembleConfig) -> list[Member]:
    """The members of an ensemble, in the recipe's order, with what they learned: what is read off that tells a meta-learner nothing."""
    return [Member(entry.label, learned_outputs(entry)) for entry in recipe.members(ensemble)]


def load_member(entry: ModelEntry, fit: Stage, calibrate: Stage, workspace: Workspace) -> CalibratedModel:
    """A model as its stages of a run left it, fitted and calibrated."""
    forecaster: Forecaster = load_forecaster(spec_of(entry.name), fitted_files(workspace, fit))
    if isinstance(forecaster, KeepingForecaster):
        forecaster = forecaster.keeping(cache_folder() / "forecasts")
    folder = workspace.path(calibrate)
    thresholds = read_json(folder / "thresholds.json")
    return CalibratedModel(
        forecaster,
        Calibration.from_json(read_json(folder / "calibration.json")),
        ResidualQuantiles.from_json(read_json(folder / "quantiles.json")),
        Thresholds(thresholds["short_below"], thresholds["long_above"]),
    )


def said_out_of_fold(
    members: Sequence[Member],
    stages: Mapping[str, Sequence[Stage]],
    folds: OofFolds,
    data: ScaledData,
    workspace: Workspace,
    regimes: Float64Array | None,
) -> OutOfFold:
    """What the members said of the rows that teach, with what came: proved to be out of fold, and complete.

    stages : of each member, one for each fold
    regimes : float64 (n_bars, n_regimes), or None

    Raises: ProvenanceError for a forecast by a fit that saw its label, or a row that is missing or stands twice.
    """
    pieces: dict[str, list[Piece]] = {}
    for member in members:
        found = [FoldForecast.read(workspace.path(stage)) for stage in stages[member.label]]
        folds.check(member.label, [one.fitted_on for one in found])
        pieces[member.label] = [Piece(one.positions, one.said, number) for number, one in enumerate(found)]
    return put_together(members, pieces, outcomes_of(folds.rows, data, regimes))


def held_out_by_folds(members: Sequence[Member], stages: Mapping[str, Sequence[Stage]], workspace: Workspace) -> dict[str, list[Said]]:
    """By member, what the model of each fold said of the rows that neither it nor the refitted member was fitted on."""
    found = {member.label: [FoldForecast.read(workspace.path(stage)).held_out for stage in stages[member.label]] for member in members}
    return {label: [said for said in those if said is not None] for label, those in found.items()}


def outcomes_of(rows: Positions, data: ScaledData, regimes: Float64Array | None) -> Outcomes:
    """What came at the labels `rows`, in units of the volatility known at the decision; weights of mean 1."""
    weight, t0 = data.uniqueness[rows], data.labels.t0[rows]
    return Outcomes(
        rows,
        data.labels.classes(data.n_classes)[rows].astype(np.int64),
        data.labels.net_log_return[rows] / data.scale(rows),
        weight / weight.mean(),
        None if regimes is None else np.asarray(regimes[t0]),
    )


__all__ = ["held_out_by_folds", "load_member", "members_of", "outcomes_of", "said_out_of_fold"]
