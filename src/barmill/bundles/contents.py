"""From a fitted model and what belongs to it to the named bytes of a bundle. Equal contents give equal bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from barmill.bundles.forecast import forecast_columns
from barmill.bundles.forecasting import Scaling, Volatility
from barmill.bundles.golden import make_golden
from barmill.bundles.manifest import (
    MANIFEST,
    PARTS,
    SEAL,
    WEIGHTS,
    Manifest,
    ModelEntry,
    check_name,
    check_version,
    list_files,
    parse_manifest,
    seal_of,
)
from barmill.bundles.parts import part_bytes, read_pipeline
from barmill.errors import SchemaError
from barmill.features import FeaturePlan
from barmill.market import Bars, Instrument, Timeframe
from barmill.models import Window, view_of
from barmill.uncertainty import Calibration, ResidualQuantiles
from barmill.views import RobustScaler


@dataclass(frozen=True)
class BundleContents:
    """Everything that goes into a bundle, as values.

    name, version : the bundle's name (also its folder in a repository) and semantic version
    recipe : the completed recipe as plain JSON, without paths of this machine
    plan : features, on bars of `timeframe`
    scaler : over the plan's names, or how the bars themselves are seen
    model_name : as in the catalogue; model_files : what its fit gave as `files`
    input_names : features that the model sees, in its order; columns of the bars, where it sees these
    window : bars, by timeframe where there are several, None for a model that sees one row
    n_classes : 2 or 3 of direction, 5 patterns, 0 for a model that says nothing of classes
    outputs : what the model learned, such as ("p_up", "E_r")
    calibration : of as many classes
    quantiles : of the returns; volatility : their unit; both None for a model of another question than direction
    thresholds : the trading rule and its fitted thresholds, plain JSON; empty where there is none
    metrics, reference_profile, provenance : plain JSON without NaN
    fingerprints : data, recipe, code, seed and library versions
    golden_bars : bars to take golden samples from: the plan's warm-up and window, and some hundreds more
    """

    name: str
    version: str
    recipe: Mapping[str, Any]
    plan: FeaturePlan
    instrument: Instrument
    timeframe: Timeframe
    scaler: Scaling
    model_name: str
    model_files: Mapping[str, bytes]
    input_names: Sequence[str]
    window: Window
    n_classes: int
    outputs: Sequence[str]
    calibration: Calibration
    quantiles: ResidualQuantiles | None
    volatility: Volatility | None
    golden_bars: Bars
    fingerprints: Mapping[str, Any]
    thresholds: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    reference_profile: Mapping[str, Any] = field(default_factory=dict[str, Any])
    provenance: Sequence[Mapping[str, Any]] = ()
    model_card: str = ""

    @property
    def model(self) -> ModelEntry:
        """The manifest's entry of the model; of one of another question its outputs, whose columns its weights alone can tell."""
        of_direction = self.quantiles is not None
        return ModelEntry(
            name=self.model_name,
            view=view_of(self.window) if isinstance(self.scaler, RobustScaler) else self.scaler.view,
            window=self.window,
            classes=self.n_classes,
            inputs=tuple(self.input_names),
            outputs=forecast_columns(self.n_classes, tuple(self.outputs)) if of_direction else tuple(self.outputs),
        )


def assemble(contents: BundleContents) -> dict[str, bytes]:
    """The files of a bundle: path to bytes, with manifest, seal and golden samples.

    The golden samples are made by the pipeline that a reader of these very bytes will build. Raises BundleError (or
    SchemaError) for contents that do not fit together, before anything is written.
    """
    check_name(contents.name)
    check_version(contents.version)
    if contents.timeframe != contents.plan.base:
        raise SchemaError(contents.name, f"timeframe {contents.timeframe}", expected=f"{contents.plan.base}, which the plan is on")
    files = {
        **{f"{WEIGHTS}/{path}": bytes(data) for path, data in contents.model_files.items()},
        **{PARTS[part]: part_bytes(part, value) for part, value in _json_parts(contents).items()},
        PARTS["model_card"]: contents.model_card.encode(),
    }
    pipeline = read_pipeline(files, contents.model, contents.plan, contents.name)
    files[PARTS["golden"]] = make_golden(pipeline, contents.plan, contents.golden_bars)
    manifest = Manifest(
        name=contents.name,
        version=contents.version,
        symbol=contents.instrument.symbol,
        timeframe=str(contents.plan.base),
        model=replace(contents.model, outputs=pipeline.columns),
        schema_hash=contents.plan.schema_hash,
        fingerprints=contents.fingerprints,
        files=list_files(files),
    ).to_bytes()
    parse_manifest(manifest, contents.name)  # refuses odd file names and the like while there is somebody to tell
    return {**files, MANIFEST: manifest, SEAL: seal_of(manifest)}


def _json_parts(contents: BundleContents) -> dict[str, Any]:
    return {
        "calibrator": contents.calibration.to_json(),
        "features": contents.plan.to_json(),
        "instrument": contents.instrument.model_dump(mode="json"),
        "metrics": dict(contents.metrics),
        "preproc": contents.scaler.to_json(),
        "provenance": [dict(item) for item in contents.provenance],
        "quantiles": contents.quantiles and contents.quantiles.to_json(),
        "recipe": dict(contents.recipe),
        "reference_profile": dict(contents.reference_profile),
        "schema": contents.plan.schema,
        "thresholds": {"rule": dict(contents.thresholds), "volatility": contents.volatility and asdict(contents.volatility)},
    }


__all__ = ["BundleContents", "assemble"]
