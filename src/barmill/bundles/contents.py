"""From a fitted model and what belongs to it to the named bytes of a bundle. Equal contents give equal bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from barmill.bundles.direction import Volatility
from barmill.bundles.ensemble_parts import ensemble_inputs, member_json
from barmill.bundles.forecast import forecast_columns
from barmill.bundles.forecast_band import ForecastBand
from barmill.bundles.forecasting import Scaling
from barmill.bundles.golden import make_golden
from barmill.bundles.graphs import graph_files
from barmill.bundles.manifest import (
    ENSEMBLE,
    ENSEMBLE_VIEW,
    MANIFEST,
    NEIGHBOURS,
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
from barmill.bundles.neighbours import Neighbours
from barmill.bundles.part_json import part_bytes
from barmill.bundles.parts import read_pipeline
from barmill.bundles.pattern_columns import check_neighbours
from barmill.ensembles.contract import Combiner
from barmill.errors import SchemaError
from barmill.features import FeaturePlan
from barmill.market import Bars, Instrument, Timeframe
from barmill.models import Window, view_of
from barmill.uncertainty import Calibrator, ResidualQuantiles
from barmill.views import RobustScaler


@dataclass(frozen=True, kw_only=True)
class _Contents:
    """What goes into every bundle, as values.

    name, version : the bundle's name (also its folder in a repository) and semantic version
    recipe : the completed recipe as plain JSON, without paths of this machine
    plan : features, on bars of `timeframe`
    n_classes : 2 or 3 of direction, 5 patterns, 0 for a model that says nothing of classes
    outputs : what was learned, such as ("p_up", "E_r")
    calibration : of as many classes
    quantiles : of the returns; volatility : their unit; both None for a model of another question than direction
    band : a conformal band of z, or None
    thresholds : the trading rule and its fitted thresholds, plain JSON; empty where there is none
    metrics, reference_profile, provenance : plain JSON without NaN
    fingerprints : data, recipe, code, seed and library versions
    golden_bars : bars to take golden samples from: the plan's warm-up and window, and some hundreds more
    graphs : ONNX graphs by file name, such as "forecast.onnx"; parity : how they were found to agree with the bundle, plain JSON.
        As a rule they come later, when there is a bundle to agree with: `with_graphs`
    """

    name: str
    version: str
    recipe: Mapping[str, Any]
    plan: FeaturePlan
    instrument: Instrument
    timeframe: Timeframe
    n_classes: int
    outputs: Sequence[str]
    calibration: Calibrator
    quantiles: ResidualQuantiles | None
    volatility: Volatility | None
    golden_bars: Bars
    fingerprints: Mapping[str, Any]
    band: ForecastBand | None = None
    thresholds: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    reference_profile: Mapping[str, Any] = field(default_factory=dict[str, Any])
    provenance: Sequence[Mapping[str, Any]] = ()
    model_card: str = ""
    graphs: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    parity: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class BundleContents(_Contents):
    """Everything that goes into the bundle of one model, beside what goes into every bundle.

    scaler : over the plan's names, or how the bars themselves are seen
    model_name : as in the catalogue; model_files : what its fit gave as `files`
    input_names : features that the model sees, in its order; columns of the bars, where it sees these
    window : bars, by timeframe where there are several, None for a model that sees one row
    neighbours : of a model of patterns, its training rows with what became of them, or None
    """

    scaler: Scaling
    model_name: str
    model_files: Mapping[str, bytes]
    input_names: Sequence[str]
    window: Window
    neighbours: Neighbours | None = None

    @property
    def model(self) -> ModelEntry:
        """The manifest's entry of the model; of one of another question its outputs, whose columns its weights alone can tell."""
        outputs = tuple(self.outputs) if self.quantiles is None else forecast_columns(self.n_classes, tuple(self.outputs))
        return _entry(self.model_name, self.scaler, self.window, self.n_classes, self.input_names, outputs)


@dataclass(frozen=True, kw_only=True)
class MemberContents:
    """A model in an ensemble, refitted on all that the ensemble may learn from; fields as of `BundleContents`.

    label : its name in the run, and its folder under `weights`
    outputs : what it learned, ("p_up", "E_r") or ("p_up",)
    calibration, quantiles : its own, which make what it says out of fold and here the same
    """

    label: str
    scaler: Scaling
    model_name: str
    model_files: Mapping[str, bytes]
    input_names: Sequence[str]
    window: Window
    outputs: Sequence[str]
    calibration: Calibrator
    quantiles: ResidualQuantiles

    @property
    def model(self) -> ModelEntry:
        """Its entry in `members.json`."""
        n_classes = self.calibration.n_classes
        outputs = forecast_columns(n_classes, tuple(self.outputs))
        return _entry(self.model_name, self.scaler, self.window, n_classes, self.input_names, outputs)


@dataclass(frozen=True, kw_only=True)
class EnsembleContents(_Contents):
    """Everything that goes into the bundle of an ensemble, beside what goes into every bundle.

    ensemble_name : as in the catalogue of ensembles, such as "ridge_stacking"
    members : in the order in which the combiner was fitted with them
    combiner : the fitted ensemble
    regimes : features of the plan that it reads, in its order
    outputs : what the ensemble says: ("p_up", "E_r"), or ("p_up",) where its combiner gives no E_r
    calibration, quantiles : of the ensemble's own scores; `NATIVE` where the combiner says quantiles itself
    """

    ensemble_name: str
    members: Sequence[MemberContents]
    combiner: Combiner
    regimes: Sequence[str] = ()

    @property
    def model(self) -> ModelEntry:
        """The manifest's entry of the ensemble."""
        seen = [(member.input_names, not isinstance(member.scaler, RobustScaler)) for member in self.members]
        return ModelEntry(
            name=self.ensemble_name,
            view=ENSEMBLE_VIEW,
            window=None,
            classes=self.n_classes,
            inputs=ensemble_inputs(self.plan.names, self.regimes, seen),
            outputs=forecast_columns(self.n_classes, tuple(self.outputs)),
        )


def assemble(contents: BundleContents | EnsembleContents) -> dict[str, bytes]:
    """The files of a bundle: path to bytes, with manifest, seal and golden samples.

    The golden samples are made by the pipeline that a reader of these very bytes will build. Raises BundleError (or
    SchemaError) for contents that do not fit together, before anything is written.
    """
    check_name(contents.name)
    check_version(contents.version)
    if contents.timeframe != contents.plan.base:
        raise SchemaError(contents.name, f"timeframe {contents.timeframe}", expected=f"{contents.plan.base}, which the plan is on")
    files = {
        **_own_files(contents),
        **{PARTS[part]: part_bytes(part, value) for part, value in _json_parts(contents).items()},
        PARTS["model_card"]: contents.model_card.encode(),
    }
    pipeline = read_pipeline(files, contents.model, contents.plan, contents.name)
    if isinstance(contents, BundleContents):
        check_neighbours(contents.neighbours, pipeline, contents.name)
    files |= graph_files(contents.graphs, contents.parity)
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


def _entry(name: str, scaler: Scaling, window: Window, n_classes: int, input_names: Sequence[str], outputs: tuple[str, ...]) -> ModelEntry:
    view = view_of(window) if isinstance(scaler, RobustScaler) else scaler.view
    return ModelEntry(name=name, view=view, window=window, classes=n_classes, inputs=tuple(input_names), outputs=outputs)


def _own_files(contents: BundleContents | EnsembleContents) -> dict[str, bytes]:
    """The bytes that fits gave: weights, what a model remembers, and what combines the members of an ensemble."""
    if isinstance(contents, BundleContents):
        library = {} if contents.neighbours is None else {NEIGHBOURS: contents.neighbours.to_bytes()}
        return library | {f"{WEIGHTS}/{path}": bytes(data) for path, data in contents.model_files.items()}
    weights = {f"{WEIGHTS}/{member.label}/{path}": bytes(data) for member in contents.members for path, data in member.model_files.items()}
    return weights | {f"{ENSEMBLE}/{path}": bytes(data) for path, data in contents.combiner.files().items()}


def _json_parts(contents: BundleContents | EnsembleContents) -> dict[str, Any]:
    return {
        "calibrator": contents.calibration.to_json(),
        "conformal": contents.band and contents.band.to_json(),
        "features": contents.plan.to_json(),
        "instrument": contents.instrument.model_dump(mode="json"),
        "members": _members_json(contents) if isinstance(contents, EnsembleContents) else None,
        "metrics": dict(contents.metrics),
        "preproc": contents.scaler.to_json() if isinstance(contents, BundleContents) else None,
        "provenance": [dict(item) for item in contents.provenance],
        "quantiles": contents.quantiles and contents.quantiles.to_json(),
        "recipe": dict(contents.recipe),
        "reference_profile": dict(contents.reference_profile),
        "schema": contents.plan.schema,
        "thresholds": {"rule": dict(contents.thresholds), "volatility": contents.volatility and asdict(contents.volatility)},
    }


def _members_json(contents: EnsembleContents) -> dict[str, Any]:
    members = [member_json(one.label, one.model, one.scaler, one.calibration, one.quantiles) for one in contents.members]
    return {"members": members, "regimes": list(contents.regimes)}


__all__ = ["BundleContents", "EnsembleContents", "MemberContents", "assemble"]
