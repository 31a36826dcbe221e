"""One model of a bundle, alone or a member of an ensemble, from what was parsed of it and the bytes of its weights."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from barmill.bundles import bar_scaling, image_scaling
from barmill.bundles.bar_scaling import BarScaling
from barmill.bundles.direction import Volatility
from barmill.bundles.forecast_band import ForecastBand
from barmill.bundles.forecasting import ForecastPipeline, Scaling
from barmill.bundles.image_scaling import ImageScaling
from barmill.bundles.manifest import ModelEntry
from barmill.bundles.part_json import MEND, reading
from barmill.errors import BarmillError, BundleCorruption, BundleError, SchemaError
from barmill.features import FeaturePlan
from barmill.models import MODELS, load_forecaster
from barmill.models.contract import Forecaster
from barmill.uncertainty import Calibrator, ResidualQuantiles
from barmill.views import RobustScaler


class FittedFiles(NamedTuple):
    """A fitted model as a bundle holds it: its name in the catalogue, and the bytes of its fit by their names."""

    name: str
    files: Mapping[str, bytes]


class Shared(NamedTuple):
    """What every model of a bundle stands on."""

    files: Mapping[str, bytes]
    plan: FeaturePlan
    volatility: Volatility | None
    place: str


class ModelParts(NamedTuple):
    """What of a bundle is one model's own, the scaler as JSON that stands at `place`."""

    entry: ModelEntry
    scaler: Any
    calibration: Calibrator
    quantiles: ResidualQuantiles | None
    place: str


def model_pipeline(shared: Shared, parts: ModelParts, folder: str, band: ForecastBand | None = None) -> ForecastPipeline:
    """The pipeline of one model, whose weights lie in `folder`."""
    model = parts.entry
    with reading(parts.place):
        scaler = _read_scaler(parts.scaler, shared.plan)
    return ForecastPipeline(
        names=shared.plan.names,
        input_names=model.inputs,
        scaler=scaler,
        forecaster=_read_forecaster(shared.files, model, folder, shared.place),
        calibration=parts.calibration,
        quantiles=parts.quantiles,
        volatility=shared.volatility,
        window=scaler.resolutions if isinstance(scaler, BarScaling) and model.window == scaler.resolutions else model.window,
        n_classes=model.classes,
        outputs=learned_outputs(model),
        band=band,
    )


def learned_outputs(model: ModelEntry) -> tuple[str, ...]:
    return tuple(output for output in ("p_up", "E_r") if output in model.outputs)


def _read_scaler(said: Mapping[str, Any], plan: FeaturePlan) -> Scaling:
    if said.get("kind") == image_scaling.KIND:
        return ImageScaling.from_json(said)
    if said.get("kind") != bar_scaling.KIND:
        return RobustScaler.from_json(said)
    scaling = BarScaling.from_json(said)
    if scaling.anchor != plan.anchor:
        raise SchemaError("bar scaling", f"bars counted from the {scaling.anchor}", expected=f"the {plan.anchor}, as the plan's")
    return scaling


def _read_forecaster(files: Mapping[str, bytes], model: ModelEntry, folder: str, place: str) -> Forecaster:
    if model.name not in MODELS:
        raise BundleError(place, f"model '{model.name}' is not in this version's catalogue", mend="Upgrade Barmill, then try again.")
    spec = MODELS[model.name]
    if model.view not in spec.views:
        raise BundleCorruption(place, f"model '{model.name}' on a {model.view}", expected=f"a {' or a '.join(spec.views)}", mend=MEND)
    try:
        return load_forecaster(spec, files_below(files, folder))
    except BarmillError:
        raise
    except Exception as error:  # whatever type the library behind the model raises
        first = (str(error).splitlines() or [""])[0][:200]
        raise BundleCorruption(f"{place}/{folder}", f"the weights of '{model.name}' do not load: {first}", mend=MEND) from error


def files_below(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    """The files in `folder`, by their paths there."""
    return {path.removeprefix(f"{folder}/"): data for path, data in files.items() if path.startswith(f"{folder}/")}


__all__ = ["FittedFiles", "ModelParts", "Shared", "files_below", "learned_outputs", "model_pipeline"]
