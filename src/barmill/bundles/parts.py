"""From verified bytes to objects: plan, instrument and the pipeline of a model or an ensemble. The only place where a bundle's files are
parsed."""

from collections.abc import Mapping
from typing import Any

from barmill.bundles.direction import Volatility
from barmill.bundles.ensemble_parts import read_ensemble
from barmill.bundles.ensemble_pipeline import Pipeline
from barmill.bundles.forecast_band import ForecastBand
from barmill.bundles.manifest import ENSEMBLE_VIEW, PARTS, WEIGHTS, ModelEntry
from barmill.bundles.model_parts import ModelParts, Shared, model_pipeline
from barmill.bundles.part_json import MEND, read_part, reading
from barmill.errors import BundleCorruption, SchemaError
from barmill.features import FeaturePlan
from barmill.market import Instrument
from barmill.uncertainty import Calibrator, ResidualQuantiles, read_calibrator


def read_plan(files: Mapping[str, bytes], schema_hash: str, place: str) -> FeaturePlan:
    """The feature plan, whose schema on this machine must be the one that was trained: same columns, same order."""
    with reading(f"{place}/{PARTS['features']}"):
        plan = FeaturePlan.from_json(read_part(files, "features", place))
    trained = read_part(files, "schema", place)
    if plan.schema != trained or plan.schema_hash != schema_hash:
        found = f"schema {plan.schema_hash[:8]}.. is computed here, {schema_hash[:8]}.. was trained"
        raise SchemaError(
            f"{place}/{PARTS['schema']}", f"{found}; first difference at {_first_difference(plan.schema, trained)}", mend=MEND
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


def read_pipeline(files: Mapping[str, bytes], model: ModelEntry, plan: FeaturePlan, place: str) -> Pipeline:
    """The pipeline that forecasts from the plan's features: of one model, or of an ensemble."""
    calibration, quantiles, band = _read_calibration(files, place), _read_quantiles(files, place), _read_band(files, place)
    with reading(f"{place}/{PARTS['thresholds']}"):
        unit = read_part(files, "thresholds", place)["volatility"]
        volatility = None if unit is None else Volatility(str(unit["feature"]), int(unit["horizon"]), float(unit["floor"]))
    scaler, members = read_part(files, "preproc", place), read_part(files, "members", place)
    if model.view == ENSEMBLE_VIEW:
        if scaler is not None:
            raise BundleCorruption(f"{place}/{PARTS['preproc']}", "is a scaler", expected="null: each member has its own", mend=MEND)
        if quantiles is None or volatility is None:
            raise SchemaError("quantiles and volatility", "one is missing", expected="both, for an ensemble", mend=MEND)
        shared = Shared(files, plan, volatility, place)
        return read_ensemble(shared, model, members, calibration=calibration, quantiles=quantiles, band=band)
    if members is not None:
        raise BundleCorruption(f"{place}/{PARTS['members']}", "has members", expected=f"null, for one '{model.name}'", mend=MEND)
    parts = ModelParts(model, scaler, calibration, quantiles, f"{place}/{PARTS['preproc']}")
    return model_pipeline(Shared(files, plan, volatility, place), parts, WEIGHTS, band)


def _read_calibration(files: Mapping[str, bytes], place: str) -> Calibrator:
    with reading(f"{place}/{PARTS['calibrator']}"):
        return read_calibrator(read_part(files, "calibrator", place))


def _read_quantiles(files: Mapping[str, bytes], place: str) -> ResidualQuantiles | None:
    with reading(f"{place}/{PARTS['quantiles']}"):
        said = read_part(files, "quantiles", place)
        return None if said is None else ResidualQuantiles.from_json(said)


def _read_band(files: Mapping[str, bytes], place: str) -> ForecastBand | None:
    with reading(f"{place}/{PARTS['conformal']}"):
        said = read_part(files, "conformal", place)
        return None if said is None else ForecastBand.from_json(said)


__all__ = ["read_instrument", "read_pipeline", "read_plan"]
