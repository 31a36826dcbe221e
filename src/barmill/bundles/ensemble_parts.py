"""An ensemble of a bundle: `members.json`, a folder of weights for each member, and the combiner's own files.

Each member keeps its scaler, calibrator and quantiles in `members.json`, as one model alone keeps them in files of their own.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from barmill.bundles.ensemble_pipeline import EnsembleMember, EnsemblePipeline
from barmill.bundles.forecast_band import ForecastBand
from barmill.bundles.forecasting import Scaling
from barmill.bundles.manifest import ENSEMBLE, PARTS, WEIGHTS, ModelEntry
from barmill.bundles.model_parts import ModelParts, Shared, files_below, learned_outputs, model_pipeline
from barmill.bundles.part_json import MEND, reading
from barmill.bundles.strict_json import parse_canonical
from barmill.ensembles.catalogue import ENSEMBLES
from barmill.ensembles.contract import Combiner
from barmill.ensembles.reading import read_combiner
from barmill.errors import BarmillError, BundleCorruption, BundleError
from barmill.uncertainty import Calibrator, ResidualQuantiles, read_calibrator


def read_ensemble(
    shared: Shared, model: ModelEntry, said: Any, *, calibration: Calibrator, quantiles: ResidualQuantiles, band: ForecastBand | None
) -> EnsemblePipeline:
    place = f"{shared.place}/{PARTS['members']}"
    if model.name not in ENSEMBLES:
        found = f"ensemble '{model.name}' is not in this version's catalogue"
        raise BundleError(shared.place, found, mend="Upgrade Barmill, then try again.")
    with reading(place):
        regimes = tuple(str(name) for name in said["regimes"])
        members = tuple(_read_member(shared, one) for one in said["members"])
        if set(said) != {"members", "regimes"}:
            raise ValueError(f"keys {', '.join(said)}")
    labels = {label for label, _ in members}
    if lost := [path for path in files_below(shared.files, WEIGHTS) if path.split("/")[0] not in labels]:
        raise BundleCorruption(f"{shared.place}/{WEIGHTS}/{lost[0]}", "belongs to no member", mend=MEND)
    assert shared.volatility is not None
    pipeline = EnsemblePipeline(
        members=members,
        combiner=_read_combiner(shared.files, shared.place),
        regimes=regimes,
        calibration=calibration,
        quantiles=quantiles,
        volatility=shared.volatility,
        n_classes=model.classes,
        outputs=learned_outputs(model),
        band=band,
    )
    expected = ensemble_inputs(shared.plan.names, regimes, [(pipeline.input_names, pipeline.sees_bars) for _, pipeline in members])
    if model.inputs != expected:
        raise BundleCorruption(shared.place, f"inputs {', '.join(model.inputs)}", expected=", ".join(expected), mend=MEND)
    return pipeline


def ensemble_inputs(plan: Iterable[str], regimes: Iterable[str], members: Iterable[tuple[Iterable[str], bool]]) -> tuple[str, ...]:
    """All that goes into an ensemble: features that some member sees or the combiner reads, in the plan's order, then columns of bars.

    members : what each sees, and whether that is columns of bars
    """
    seen = list(members)
    features = {*regimes, *(name for names, of_bars in seen if not of_bars for name in names)}
    bars = [name for names, of_bars in seen if of_bars for name in names]
    return tuple(dict.fromkeys([*(name for name in plan if name in features), *bars]))


def member_json(label: str, entry: ModelEntry, scaler: Scaling, calibration: Calibrator, quantiles: ResidualQuantiles) -> dict[str, Any]:
    """What `members.json` says of a member; its weights lie in a folder of its name."""
    return {
        "label": label,
        "model": entry.to_json(),
        "preproc": scaler.to_json(),
        "calibrator": calibration.to_json(),
        "quantiles": quantiles.to_json(),
    }


def _read_member(shared: Shared, said: Mapping[str, Any]) -> EnsembleMember:
    label = str(said["label"])
    place = f"{shared.place}/{PARTS['members']} member '{label}'"
    try:
        with reading(place):
            if set(said) != {"label", "model", "preproc", "calibrator", "quantiles"}:
                raise ValueError(f"keys {', '.join(said)}")
            entry = ModelEntry.from_json(said["model"], place)
            calibration, quantiles = read_calibrator(said["calibrator"]), ResidualQuantiles.from_json(said["quantiles"])
        parts = ModelParts(entry, said["preproc"], calibration, quantiles, place)
        pipeline = model_pipeline(shared, parts, f"{WEIGHTS}/{label}")
    except BarmillError as error:
        if error.place.startswith(shared.place):
            raise
        raise BundleCorruption(place, f"{error.place}: {error.found}", expected=error.expected, mend=error.mend or MEND) from error
    if pipeline.columns != entry.outputs:
        raise BundleCorruption(place, f"outputs {', '.join(entry.outputs)}", expected=", ".join(pipeline.columns), mend=MEND)
    return EnsembleMember(label, pipeline)


def _read_combiner(files: Mapping[str, bytes], place: str) -> Combiner:
    own = files_below(files, ENSEMBLE)
    for path, data in own.items():
        if path.endswith(".json"):
            parse_canonical(data, f"{place}/{ENSEMBLE}/{path}")  # one spelling, and no number that is none
    try:
        return read_combiner(own)
    except BarmillError as error:
        raise BundleCorruption(f"{place}/{ENSEMBLE}", f"{error.place}: {error.found}", expected=error.expected, mend=MEND) from error
    except Exception as error:  # whatever type the library behind it raises
        first = (str(error).splitlines() or [""])[0][:200]
        raise BundleCorruption(f"{place}/{ENSEMBLE}", f"the ensemble does not load: {first}", mend=MEND) from error


__all__ = ["ensemble_inputs", "member_json", "read_ensemble"]
