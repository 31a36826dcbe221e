"""Worker: fit, calibrate, examine and publish one ensemble. `python -m barmill.pipeline.ensembles.fitting JOB`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from barmill.artefacts import read_json, readable_json, without_nan, write_folder, write_new
from barmill.bundles import ForecastBand
from barmill.ensembles.contract import Combiner, Member, Said
from barmill.ensembles.out_of_fold import OutOfFold
from barmill.ensembles.reading import read_combiner
from barmill.ensembles.shift import forecast_shift
from barmill.evaluation import classification_metrics, expected_calibration_error, fit_thresholds
from barmill.models.contract import RawForecast
from barmill.pipeline.bands.fitting import band_on, write_band
from barmill.pipeline.bands.out_of_fold import band_of_combined
from barmill.pipeline.bundling import fitted_files
from barmill.pipeline.calibrating import HeldOut, regimes_at
from barmill.pipeline.dataset import Dataset, Positions
from barmill.pipeline.ensembles.bundling import publish_ensemble
from barmill.pipeline.ensembles.calibrating import calibrate_ensemble
from barmill.pipeline.ensembles.combining import fit_combiner, regime_table, shares_in, summary_of
from barmill.pipeline.ensembles.evidence import evidence_of
from barmill.pipeline.ensembles.members import held_out_by_folds, load_member, members_of, said_out_of_fold
from barmill.pipeline.ensembles.oof_folds import OofFolds
from barmill.pipeline.ensembles.said import said_by, said_of
from barmill.pipeline.fitting import do_steps
from barmill.pipeline.job import EnsembleJob
from barmill.pipeline.model_fit import up_of
from barmill.pipeline.provenance import provenance_of
from barmill.pipeline.worker import Teller, work
from barmill.pipeline.workspace import Workspace
from barmill.uncertainty import Calibrator, ResidualQuantiles


def fit_calibrate_bundle(raw: dict[str, Any], teller: Teller) -> None:
    """Do what is not done yet of the stages of one ensemble."""
    job = EnsembleJob.model_validate(raw)
    workspace = Workspace(job.root)
    labels, stages = job.recipe.labels, {role: ref.stage for role, ref in job.stages.items()}
    data = Dataset.of(workspace, stages, labels.classes, labels.horizon, job.volatility)
    steps: dict[str, Callable[[Path], None]] = {
        "fit": lambda folder: _fit(job, workspace, data, folder),
        "calibrate": lambda folder: _calibrate(job, workspace, data, folder),
        "evidence": lambda folder: _examine(job, workspace, data, folder),
        "bundle": lambda folder: write_new(folder / "published.json", readable_json(publish_ensemble(job, workspace, data, teller.said))),
    }
    do_steps(stages, workspace, steps, teller)


def _fit(job: EnsembleJob, workspace: Workspace, data: Dataset, folder: Path) -> None:
    members, told = _told(job, workspace, data)
    combiner = fit_combiner(job.ensemble, members, told, data.labels, seed=job.recipe.seed)
    write_folder(folder / "weights", combiner.files())
    summary = {**summary_of(combiner), "learned_from": told.to_json()}
    write_new(folder / "summary.json", readable_json(without_nan(summary)))


def _told(job: EnsembleJob, workspace: Workspace, data: Dataset) -> tuple[list[Member], OutOfFold]:
    """The members, and what they said of the training block out of fold."""
    members = members_of(job.recipe, job.ensemble)
    folds = OofFolds.of(data.labels, data.positions["train"], job.ensemble.oof)
    stages = {label: [ref.stage for ref in refs] for label, refs in job.folds.items()}
    regimes = regime_table(job.ensemble, data.scaled_data)
    return members, said_out_of_fold(members, stages, folds, data.scaled_data, workspace, regimes)


def _calibrate(job: EnsembleJob, workspace: Workspace, data: Dataset, folder: Path) -> None:
    recipe = job.recipe
    combiner = read_combiner(fitted_files(workspace, job.stages["fit"].stage))
    held_out, chosen = (data.positions[block] for block in ("ensemble", "selection"))
    samples = data.samples("ensemble", None, ())
    raw = _combined(job, workspace, data, combiner, held_out)
    scaled = data.scaled_data
    calibration, quantiles, chosen_by = calibrate_ensemble(raw, samples.y, samples.z, HeldOut.of(recipe, scaled, held_out), recipe)
    p = calibration.apply(_combined(job, workspace, data, combiner, chosen).logits, regimes_at(recipe, scaled, chosen))
    y = data.labels.classes(recipe.labels.classes)[chosen]
    says = ["p_up", *(["E_r"] if raw.expected is not None else [])]
    error = expected_calibration_error(up_of(p), (y == recipe.labels.classes - 1).astype(np.int8))
    low, high = fit_thresholds(up_of(p), recipe.rule)
    write_new(folder / "calibration.json", readable_json(calibration.to_json()))
    write_new(folder / "quantiles.json", readable_json(quantiles.to_json()))
    write_band(folder, _band(job, workspace, data, combiner, calibration, quantiles))
    write_new(folder / "thresholds.json", readable_json({"short_below": low, "long_above": high}))
    selection = {"metrics": classification_metrics(p, y), "ece": error.ece, "n": len(chosen), "calibrated_by": chosen_by, "says": says}
    write_new(folder / "selection.json", readable_json(without_nan(selection)))
    records = [record.to_json() for record in provenance_of(data, recipe.tune is not None, folded=recipe.band_folds is not None)]
    write_new(folder / "provenance.json", readable_json(records))


def _examine(job: EnsembleJob, workspace: Workspace, data: Dataset, folder: Path) -> None:
    members, told = _told(job, workspace, data)
    stages = {label: [ref.stage for ref in refs] for label, refs in job.folds.items()}
    again = dict(zip((member.label for member in members), _refitted(job, workspace, data, data.positions["ensemble"]), strict=True))
    evidence = {
        **evidence_of(job.ensemble, members, told, data.labels, job.recipe),
        "shares": shares_in(read_json(workspace.path(job.stages["fit"].stage) / "summary.json"), members),
        "shift": forecast_shift(members, held_out_by_folds(members, stages, workspace), again),
    }
    write_new(folder / "evidence.json", readable_json(without_nan(evidence)))


def _band(
    job: EnsembleJob, workspace: Workspace, data: Dataset, combiner: Combiner, calibration: Calibrator, quantiles: ResidualQuantiles
) -> ForecastBand | None:
    config, scaled = job.recipe.inference.uncertainty, data.scaled_data
    if config is None:
        return None
    if not config.has_slice:
        members, told = _told(job, workspace, data)
        regime = regimes_at(job.recipe, scaled, told.positions)
        return band_of_combined(config, job.ensemble, members, told, data.labels, calibration, quantiles, regime, job.recipe.seed)
    rows = data.positions["conformal"]
    said = said_of(_combined(job, workspace, data, combiner, rows), calibration, quantiles, regimes_at(job.recipe, scaled, rows))
    return band_on(config, said, scaled, rows)


def _combined(job: EnsembleJob, workspace: Workspace, data: Dataset, combiner: Combiner, rows: Positions) -> RawForecast:
    """What the ensemble says of the labels `rows`, its members fitted on all of train."""
    regimes = regime_table(job.ensemble, data.scaled_data)
    return combiner.combine(_refitted(job, workspace, data, rows), None if regimes is None else regimes[data.labels.t0[rows]])


def _refitted(job: EnsembleJob, workspace: Workspace, data: Dataset, rows: Positions) -> list[Said]:
    """What each member, fitted on all of train, says of the labels `rows`."""
    said: list[Said] = []
    for entry in job.recipe.members(job.ensemble):
        fit, calibrate = (ref.stage for ref in job.members[entry.label])
        model = load_member(entry, fit, calibrate, workspace)
        view = data.scaled_data.view(rows, job.windows[entry.label], entry.inputs)
        said.append(said_by(model, view, regimes_at(job.recipe, data.scaled_data, rows)))
    return said


if __name__ == "__main__":
    work(fit_calibrate_bundle)
