"""From the stages of an ensemble and of its members to its published bundle."""

from collections.abc import Callable, Mapping
from typing import Any

from barmill.artefacts import read_json, sha256
from barmill.bundles import EnsembleContents, MemberContents, Volatility, assemble, publish
from barmill.bundles.bar_scaling import BarScaling
from barmill.ensembles.reading import read_combiner
from barmill.models.resolutions import finest_first, history_bars
from barmill.pipeline.bands.applying import served
from barmill.pipeline.bands.fitting import read_band_of
from barmill.pipeline.bundling import fitted_files, golden_bars, reference_profile, timed
from barmill.pipeline.dataset import Dataset, load_bars
from barmill.pipeline.ensembles.regime_features import regimes_of
from barmill.pipeline.exporting import with_export
from barmill.pipeline.job import EnsembleJob
from barmill.pipeline.learned import learned_outputs
from barmill.pipeline.model_card import ensemble_card
from barmill.pipeline.model_fit import columns_of
from barmill.pipeline.recipe import ModelEntry
from barmill.pipeline.unconditional import unconditional
from barmill.pipeline.workspace import Workspace
from barmill.uncertainty import ResidualQuantiles, read_calibrator


def publish_ensemble(job: EnsembleJob, workspace: Workspace, data: Dataset, say: Callable[[str], None]) -> dict[str, Any]:
    """Assemble, export where the recipe asks for it, and publish the bundle; returns its place in the run folder and its digest.

    say : hears what is to be told of the export
    """
    recipe, calibrated = job.recipe, workspace.path(job.stages["calibrate"].stage)
    bars, plan = load_bars(workspace.path(job.stages["bars"].stage)), data.plan
    band = served(read_band_of(calibrated), recipe.labels, data, bars)
    prior = unconditional(data.labels, data.positions["train"], recipe.labels.classes, band)
    selection, train = read_json(calibrated / "selection.json"), data.labels.t0[data.positions["train"]]
    evidence = read_json(workspace.path(job.stages["evidence"].stage) / "evidence.json")
    entries = recipe.members(job.ensemble)
    history = max(history_bars(plan.warmup_bars, job.windows[entry.label], bars.timeframe) for entry in entries)
    contents = EnsembleContents(
        name=job.ensemble.label,
        version=recipe.version,
        recipe=job.portable_recipe,
        plan=plan,
        instrument=bars.instrument,
        timeframe=bars.timeframe,
        ensemble_name=job.ensemble.kind,
        members=[_member(entry, job, workspace, data) for entry in entries],
        combiner=read_combiner(fitted_files(workspace, job.stages["fit"].stage)),
        regimes=regimes_of(job.ensemble).all,
        n_classes=recipe.labels.classes,
        outputs=tuple(selection["says"]),
        calibration=read_calibrator(read_json(calibrated / "calibration.json")),
        quantiles=ResidualQuantiles.from_json(read_json(calibrated / "quantiles.json")),
        volatility=Volatility(job.volatility, recipe.labels.horizon, data.volatility_floor),
        band=band,
        thresholds=read_json(calibrated / "thresholds.json"),
        metrics={"selection": selection, "dropped": [one.model_dump(mode="json") for one in job.ensemble.dropped]},
        reference_profile=reference_profile(data.values, train, data.names, prior),
        fingerprints=job.fingerprints,
        model_card=ensemble_card(job, bars, data, selection, evidence),
        provenance=[timed(record, bars) for record in read_json(calibrated / "provenance.json")],
        golden_bars=golden_bars(bars, history, int(train[-1])),
    )
    files = with_export(assemble(contents), recipe.export, job.ensemble.label, say)
    place = publish(files, job.root / "bundle", job.ensemble.label)
    return {"path": place.relative_to(job.root).as_posix(), "digest": sha256(files["manifest.json"])}


def _member(entry: ModelEntry, job: EnsembleJob, workspace: Workspace, data: Dataset) -> MemberContents:
    window = job.windows[entry.label]
    fit, calibrate = (ref.stage for ref in job.members[entry.label])
    folder = workspace.path(calibrate)
    return MemberContents(
        label=entry.label,
        scaler=BarScaling(finest_first(window), data.plan.anchor) if isinstance(window, Mapping) else data.scaler,
        model_name=entry.name,
        model_files=fitted_files(workspace, fit),
        input_names=columns_of(entry, window, data.names),
        window=window,
        outputs=learned_outputs(entry),
        calibration=read_calibrator(read_json(folder / "calibration.json")),
        quantiles=ResidualQuantiles.from_json(read_json(folder / "quantiles.json")),
    )


__all__ = ["publish_ensemble"]
