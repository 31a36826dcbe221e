"""From verified bytes to objects: plan, instrument and forecast pipeline. The only place where a bundle's files are parsed."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from barmill.artefacts import canonical_json
from barmill.bundles import bar_scaling, image_scaling
from barmill.bundles.bar_scaling import BarScaling
from barmill.bundles.forecasting import ForecastPipeline, Scaling, Volatility
from barmill.bundles.image_scaling import ImageScaling
from barmill.bundles.manifest import PARTS, WEIGHTS, ModelEntry
from barmill.bundles.strict_json import parse_canonical
from barmill.errors import BarmillError, BundleCorruption, BundleError, SchemaError
from barmill.features import FeaturePlan
from barmill.market import Instrument
from barmill.models import MODELS, load_forecaster
from barmill.models.contract import Forecaster
from barmill.uncertainty import Calibration, ResidualQuantiles
from barmill.views import RobustScaler

_MEND = "Publish the run again with this version of Barmill."


def read_part(files: Mapping[str, bytes], part: str, place: str) -> Any:
    """The JSON value of the part, such as "metrics"."""
    return parse_canonical(files[PARTS[part]], f"{place}/{PARTS[part]}")


def read_plan(files: Mapping[str, bytes], schema_hash: str, place: str) -> FeaturePlan:
    """The feature plan, whose schema on this machine must be the one that was trained: same columns, same order."""
    with reading(f"{place}/{PARTS['features']}"):
        plan = FeaturePlan.from_json(read_part(files, "features", place))
    trained = read_part(files, "schema", place)
    if plan.schema != trained or plan.schema_hash != schema_hash:
        found = f"schema {plan.schema_hash[:8]}.. is computed here, {schema_hash[:8]}.. was trained"
        raise SchemaError(
            f"{place}/{PARTS['schema']}", f"{found}; first difference at {_first_difference(plan.schema, trained)}", mend=_MEND
        )
    return plan


def _first_difference(here: list[dict[str, Any]], trained: Any) -> str:
    if not isinstance(trained, list):
        return "the whole, which is not a list"
    for number in range(max(len(here), len(trained))):
        mine = here[number] if number < len(here) else None
        theirs = trained[number] if number < len(trained) else None
        if mine != theirs:
            return f"{number}: {_column(mine)} against {_column(theirs)}"
    return "the manifest, which names another hash"


def _column(entry: Any) -> str:
    return f"'{entry['name']}'" if isinstance(entry, dict) and "name" in entry else "nothing"


def read_instrument(files: Mapping[str, bytes], place: str) -> Instrument:
    with reading(f"{place}/{PARTS['instrument']}"):
        return Instrument.model_validate(read_part(files, "instrument", place))


def read_pipeline(files: Mapping[str, bytes], model: ModelEntry, plan: FeaturePlan, place: str) -> ForecastPipeline:
    """The pipeline that forecasts from the plan's features."""
    with reading(f"{place}/{PARTS['preproc']}"):
        scaler = _read_scaler(read_part(files, "preproc", place), plan)
    with reading(f"{place}/{PARTS['calibrator']}"):
        calibration = Calibration.from_json(read_part(files, "calibrator", place))
    with reading(f"{place}/{PARTS['quantiles']}"):
        said = read_part(files, "quantiles", place)
        quantiles = None if said is None else ResidualQuantiles.from_json(said)
    with reading(f"{place}/{PARTS['thresholds']}"):
        unit = read_part(files, "thresholds", place)["volatility"]
        volatility = None if unit is None else Volatility(str(unit["feature"]), int(unit["horizon"]), float(unit["floor"]))
    return ForecastPipeline(
        names=plan.names,
        input_names=model.inputs,
        scaler=scaler,
        forecaster=_read_forecaster(files, model, place),
        calibration=calibration,
        quantiles=quantiles,
        volatility=volatility,
        window=scaler.resolutions if isinstance(scaler, BarScaling) and model.window == scaler.resolutions else model.window,
        n_classes=model.classes,
        outputs=tuple(output for output in ("p_up", "E_r") if output in model.outputs),
    )


def _read_scaler(said: Mapping[str, Any], plan: FeaturePlan) -> Scaling:
    if said.get("kind") == image_scaling.KIND:
        return ImageScaling.from_json(said)
    if said.get("kind") != bar_scaling.KIND:
        return RobustScaler.from_json(said)
    scaling = BarScaling.from_json(said)
    if scaling.anchor != plan.anchor:
        raise SchemaError("bar scaling", f"bars counted from the {scaling.anchor}", expected=f"the {plan.anchor}, as the plan's")
    return scaling


def _read_forecaster(files: Mapping[str, bytes], model: ModelEntry, place: str) -> Forecaster:
    if model.name not in MODELS:
        raise BundleError(place, f"model '{model.name}' is not in this version's catalogue", mend="Upgrade Barmill, then try again.")
    spec = MODELS[model.name]
    if model.view not in spec.views:
        raise BundleCorruption(place, f"model '{model.name}' on a {model.view}", expected=f"a {' or a '.join(spec.views)}", mend=_MEND)
    weights = {path.removeprefix(f"{WEIGHTS}/"): data for path, data in files.items() if path.startswith(f"{WEIGHTS}/")}
    try:
        return load_forecaster(spec, weights)
    except BarmillError:
        raise
    except Exception as error:  # whatever type the library behind the model raises
        first = (str(error).splitlines() or [""])[0][:200]
        raise BundleCorruption(f"{place}/{WEIGHTS}", f"the weights of '{model.name}' do not load: {first}", mend=_MEND) from error


@contextmanager
def reading(place: str) -> Generator[None]:
    """Turn what a part with unexpected content raises into BundleCorruption naming the file."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise BundleCorruption(place, f"has another content than was expected ({error})", mend=_MEND) from error


def part_bytes(part: str, value: Any) -> bytes:
    """`value` as the canonical JSON of a part. Raises BundleError for what JSON cannot hold, such as NaN."""
    try:
        return canonical_json(value)
    except (TypeError, ValueError) as error:
        raise BundleError(part, f"cannot be written as JSON: {error}", expected="plain values without NaN or infinity") from error


__all__ = ["part_bytes", "read_instrument", "read_part", "read_pipeline", "read_plan", "reading"]
