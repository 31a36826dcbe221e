"""The recipe: one YAML file that names a whole experiment, as typed values with defaults and ranges.

The keys of seed configurations (`base_models`, `ensemble`, `inference`, `policy`) stand beside ours, so those
configurations run as they are.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from barmill.errors import InstrumentError, nearest
from barmill.evaluation import LEAKAGE_CHECKS, TradingRule
from barmill.labels import LabelConfig
from barmill.labels.back_labeler_config import OutcomeConfig
from barmill.market import Instrument, SeriesSource, Timeframe
from barmill.models.pattern.detector_config import DetectorConfig
from barmill.pipeline.bands.config import UncertaintyConfig
from barmill.pipeline.ensemble_config import ALIAS, EnsembleConfig, OofConfig
from barmill.pipeline.recipe_part import Part
from barmill.pipeline.target_config import TargetsConfig
from barmill.pipeline.tuning.config import TuneConfig
from barmill.splits import CrossValidationConfig, SplitConfig
from barmill.uncertainty.conditional import LEAST_ROWS


def timeframe_name(text: str) -> str:
    """A timeframe as it is written everywhere: `60m` is 1h. ValueError for another text, as Pydantic wants it."""
    try:
        return str(Timeframe.parse(text))
    except InstrumentError as error:
        raise ValueError(f"'{text}': {error.found}; expected {error.expected}") from error


Share = Annotated[float, Field(gt=0, lt=1)]
AUTO, CLASS, REGIME = "auto", "class", "regime"
USUAL_REGIME = "volatility_regime"
Length = Annotated[str, AfterValidator(timeframe_name)]
Calibrators = Literal["auto"] | tuple[Literal["temperature_scaling", "platt", "beta", "isotonic"], ...]
VALIDATION_SLICES = ("early_stopping", "calibration", "ensemble", "conformal", "selection")  # in time order
BANDS_SHARE = 0.2  # of the validation block, for conformal bands


class Simulated(Part):
    """Bars from the market simulator instead of a file."""

    n_bars: int = Field(default=60_000, ge=2_000, le=20_000_000, description="how many bars")
    seed: int = Field(default=7, ge=0, description="seed of the simulator alone; the run has its own")
    strength: float = Field(default=1.0, ge=0, le=3, description="size of the planted edge; 0 is a market without one")
    start: str = Field(default="2024-01-01", description="date of the first bar, UTC")


class BarsSource(Part):
    """Where bars come from when it is not a plain path."""

    simulate: Simulated


class Resampling(Part):
    """Longer bars than those of the file, made as `barmill data resample` makes them."""

    to: Length = Field(description="their timeframe, a multiple of that of the file's bars")
    anchor: Literal["epoch", "session"] = Field(
        default="epoch", description="what they are counted from: midnight UTC of 1970, or the open of each session"
    )


class FeaturesConfig(Part):
    """Which features the models see."""

    set: str = Field(default="core", description="a feature set, see `barmill features list`")
    timeframes: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="the base timeframe first, then higher ones; those that the set is meant for if left out"
    )
    anchor: Literal["epoch", "session"] = Field(
        default="epoch",
        description="what the bars of higher timeframes are counted from: midnight UTC of 1970, or the open of each session",
    )
    add: tuple[str, ...] = Field(default=(), description="further features by name, such as rsi_28 or rsi_14@15m")
    remove: tuple[str, ...] = Field(default=(), description="features of the set to leave out")
    by_family: bool = Field(
        default=False,
        description="networks without `inputs` see few columns of the base timeframe (sequence_returns, transformer_returns or "
        "foundation_returns), others the set; left out: every model sees the set",
    )


class ValidationConfig(Part):
    """How the validation block is cut, in time order; shares of its rows."""

    early_stopping: Share = Field(default=0.4, description="stops the fits")
    calibration: Share = Field(default=0.35, description="fits calibrators and quantiles")
    ensemble: Share | None = Field(
        default=None,
        description="fits those of ensembles, whose members are calibrated by then; half of `calibration` if left out and needed",
    )
    conformal: Share | None = Field(
        default=None,
        description="fits conformal bands; inference.uncertainty.holdout_fraction of the block if there are any and it is left out",
    )
    selection: Share = Field(default=0.25, description="chooses among models and sets the thresholds of the trading rule")

    @model_validator(mode="after")
    def _shares_fill_the_block(self) -> "ValidationConfig":
        given = {name: share for name in VALIDATION_SLICES if (share := getattr(self, name)) is not None}
        if abs(sum(given.values()) - 1) > 1e-9:
            raise ValueError(f"the shares of {', '.join(given)} add up to {sum(given.values()):g}; make them add up to 1")
        return self

    def shares(self, *, ensembles: bool, conformal: float | None) -> dict[str, float]:
        """Share of each slice, in time order, adding up to 1; what a run has no use for has no slice.

        conformal : share of the bands' slice where the recipe names none in `validation`; None for a run without bands
        """
        shares = {name: share for name in VALIDATION_SLICES if (share := getattr(self, name)) is not None}
        if ensembles and "ensemble" not in shares:
            shares["calibration"] /= 2
            shares["ensemble"] = shares["calibration"]
        if conformal is not None and "conformal" not in shares:
            shares = {**{name: share * (1 - conformal) for name, share in shares.items()}, "conformal": conformal}
        wanted = {"ensemble": ensembles, "conformal": conformal is not None}
        kept = {name: shares[name] for name in VALIDATION_SLICES if name in shares and wanted.get(name, True)}
        total = sum(kept.values())
        return {name: share / total for name, share in kept.items()}


class ModelEntry(Part):
    """One model of the run. `config` is checked against the model's own parameters."""

    name: str = Field(description="a model of the catalogue, see `barmill models list`")
    alias: str | None = Field(default=None, pattern=ALIAS, description="its name in this run, where one model stands twice")
    view: str | None = Field(default=None, description="feature_matrix, window_tensor or multi_resolution; the model's own if left out")
    outputs: tuple[str, ...] = Field(
        default=(), description="what the model learns: p_up, E_r; all that it can if left out. q05, q50 and q95 are added to every model"
    )
    zero_shot: bool = Field(default=False, description="forecast without a fit (foundation models)")
    inputs: tuple[str, ...] = Field(default=(), description="names of the features that it sees; all if left out")
    config: Mapping[str, Any] = Field(default_factory=dict[str, Any], description="parameters, see `barmill models show NAME`")

    @property
    def label(self) -> str:
        return self.alias or self.name


class ExpertEntry(Part):
    """One model of the run that answers another question than where the label goes: what becomes of a proposed trade, which pattern
    stands there. `config` is checked against the model's own parameters."""

    name: str = Field(description="entry, risk, reward, entry_offset or pattern_cnn")
    alias: str | None = Field(default=None, pattern=ALIAS, description="its name in this run, where one model stands twice")
    inputs: tuple[str, ...] = Field(default=(), description="names of the features that it sees; all if left out; none of an image")
    config: Mapping[str, Any] = Field(default_factory=dict[str, Any], description="parameters, see `barmill models show NAME`")

    @property
    def label(self) -> str:
        return self.alias or self.name


class InferenceConfig(Part):
    """What happens between a model and its forecast."""

    calibrate: Calibrators | None = Field(
        default=("temperature_scaling",),
        description="calibrators, applied in this order; auto keeps what helps on later rows, or nothing; null for none",
    )
    calibrate_by: Literal["class", "regime"] | None = Field(
        default=None,
        description="class: with calibrators alone that have a curve for each of three classes; regime: anew in each regime; "
        "null: the same for all rows",
    )
    calibrate_regime: str | None = Field(
        default=None,
        description="with calibrate_by: regime, the feature whose whole numbers name the regimes; volatility_regime if left out",
    )
    calibrate_regime_rows: int = Field(
        default=LEAST_ROWS, ge=20, description="a regime with fewer rows of the calibration slice takes the calibrator of all rows together"
    )
    uncertainty: UncertaintyConfig | None = Field(default=None, description="conformal bands around the forecasts; none if left out")

    @property
    def regime(self) -> str | None:
        """The feature that tells the regime of a calibration, as the recipe calls it; None where calibration goes by none."""
        return (self.calibrate_regime or USUAL_REGIME) if self.calibrate_by == REGIME else None

    @property
    def calibrating(self) -> dict[str, Any]:
        """All that says how probabilities are calibrated, plain JSON."""
        return self.model_dump(mode="json", exclude={"uncertainty"})

    @model_validator(mode="after")
    def _keys_go_together(self) -> "InferenceConfig":
        if self.calibrate_by is not None and not self.calibrate:
            raise ValueError(f"`calibrate_by` is {self.calibrate_by} and nothing is calibrated; name calibrators, or take it out")
        if self.calibrate_by == CLASS and "temperature_scaling" in (self.calibrate or ()):
            raise ValueError("temperature_scaling is one number for all classes; by class take platt, beta, isotonic or auto")
        if self.calibrate_regime is not None and self.calibrate_by != REGIME:
            raise ValueError("`calibrate_regime` is of `calibrate_by: regime`; add that, or take it out")
        return self


class AllowedFinding(Part):
    """A leakage finding that does not stop the run."""

    code: str = Field(description="of the check, such as L209; see the reference of leakage findings")
    reason: str = Field(min_length=10, description="why it is no leak; printed in the report and kept in the bundle")

    @field_validator("code")
    @classmethod
    def _is_a_check(cls, code: str) -> str:
        known = [check.code for check in LEAKAGE_CHECKS]
        if code not in known:
            raise ValueError(f"there is no leakage check '{code}'. {nearest(code, known)}")
        return code


class LeakageConfig(Part):
    """What becomes of the findings of the leakage checks, which every run makes."""

    allow: tuple[AllowedFinding, ...] = Field(default=(), description="critical findings that do not stop the run, each with its reason")


class ExportConfig(Part):
    """Whether the run's bundles hold their forecasts as ONNX graphs too."""

    onnx: bool = Field(default=False, description="write each bundle's graphs, measure them against the bundle, and publish them in it")
    optimize: bool = Field(default=False, description="let ONNX Runtime take out of the graphs what is constant or does nothing")
    quantize: bool = Field(
        default=False, description="write networks in eight bits, too; one that misses its own gate of parity is left out and told of"
    )

    @model_validator(mode="after")
    def _asks_for_graphs(self) -> "ExportConfig":
        if not self.onnx and (self.optimize or self.quantize):
            raise ValueError("optimize and quantize are of ONNX graphs, which are not asked for; set onnx: true, or take them out")
        return self


class PolicyConfig(Part):
    """A learned policy."""

    enabled: bool = False
    algorithm: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    config: Mapping[str, Any] = Field(default_factory=dict[str, Any])


class AppliedProfiles(Part):
    """The profiles under which a run was made, and what they changed."""

    names: tuple[str, ...] = Field(description="of the profiles, in the order in which they were laid over the recipe")
    changes: tuple[str, ...] = Field(default=(), description="what they changed, a line each")


class Recipe(Part):
    """A whole experiment."""

    name: str = Field(default="run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$", description="names the run folder")
    version: str = Field(default="1.0.0", pattern=r"^\d+\.\d+\.\d+$", description="semantic version of the bundles")
    description: str = Field(default="", description="what this experiment is about")
    symbol: str | None = Field(default=None, description="what is traded; a built-in symbol unless `instrument` is given")
    instrument: Instrument | None = Field(default=None, description="an instrument of your own, written out")
    timeframe: str | None = Field(
        default=None, description="of the file's bars, the base timeframe unless they are resampled; found if left out"
    )
    bars: str | Annotated[tuple[str, ...], Field(min_length=1)] | BarsSource | None = Field(
        default=None, description="a file of bars, several that hold one series in the order of time, or `simulate:`"
    )
    resample: Length | Resampling | None = Field(
        default=None,
        description="work on longer bars than the file has, such as 15m; they become the base timeframe. As a mapping: `to` and `anchor`",
    )
    series: tuple[SeriesSource, ...] = Field(
        default=(), description="second series whose columns features read: another market, open interest, daily figures"
    )
    seed: int = Field(default=42, ge=0, le=2**31 - 1, description="the one source of randomness of the run")
    features: FeaturesConfig = Field(default_factory=FeaturesConfig)
    labels: LabelConfig = Field(default_factory=LabelConfig)
    splits: SplitConfig = Field(default_factory=SplitConfig)
    validation: ValidationConfig = Field(default_factory=ValidationConfig)
    cross_validation: CrossValidationConfig | None = Field(
        default=None,
        description="judge every model on paths through the bars before the test block; left out: on the test block alone",
    )
    leakage: LeakageConfig = Field(default_factory=LeakageConfig)
    base_models: tuple[ModelEntry, ...] = Field(min_length=1, description="the models, all under the same controls")
    experts: tuple[ExpertEntry, ...] = Field(
        default=(), description="models of other questions: what becomes of a proposed trade, and which chart pattern stands there"
    )
    outcomes: OutcomeConfig = Field(
        default_factory=OutcomeConfig, description="the trades that entry, risk, reward and entry_offset learn from"
    )
    patterns: DetectorConfig = Field(default_factory=DetectorConfig, description="the rules that label the images of pattern_cnn")
    tune: TuneConfig | None = Field(
        default=None, description="look for the models' parameters on inner folds of the training block; the given ones if left out"
    )
    ensemble: EnsembleConfig = Field(default_factory=EnsembleConfig)
    ensembles: tuple[EnsembleConfig, ...] = Field(
        default=(), description="further ensembles of the same models, all of them on; they share the folds"
    )
    inference: InferenceConfig = Field(default_factory=InferenceConfig)
    policy: PolicyConfig = Field(default_factory=PolicyConfig)
    rule: TradingRule = Field(default_factory=TradingRule)
    export: ExportConfig = Field(default_factory=ExportConfig, description="the bundles' forecasts as ONNX graphs")
    profiles: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict[str, Mapping[str, Any]],
        description="changes of this recipe by name, which --profile lays over it: keys as in a recipe, `base_models` by the models' "
        "names, null takes out",
    )
    profile: AppliedProfiles | None = Field(default=None, description="written by a run that was made under profiles; not for you to give")
    targets: TargetsConfig | None = Field(
        default=None, description="sizes and latencies to keep to; the report tells which are met, and no run fails by them"
    )
    random_signals: int = Field(default=200, ge=20, le=10_000, description="signals in the random band of the net Sharpe ratio")

    @property
    def resampling(self) -> Resampling | None:
        """`resample` written out."""
        return Resampling(to=self.resample) if isinstance(self.resample, str) else self.resample

    @property
    def hold_bars(self) -> int:
        """Bars that a signal is held: those of the rule, or the label's horizon."""
        return self.rule.hold_bars or self.labels.horizon

    @property
    def combined(self) -> tuple[EnsembleConfig, ...]:
        """The ensembles of the run."""
        return (*((self.ensemble,) if self.ensemble.enabled else ()), *self.ensembles)

    def members(self, ensemble: EnsembleConfig) -> tuple[ModelEntry, ...]:
        """The models that an ensemble combines, in the recipe's order."""
        return tuple(entry for entry in self.base_models if not ensemble.members or entry.label in ensemble.members)

    @property
    def validation_shares(self) -> dict[str, float]:
        """Share of each slice of the validation block that this run needs, in time order."""
        bands = self.inference.uncertainty
        conformal = None if bands is None or not bands.has_slice else bands.holdout_fraction or BANDS_SHARE
        return self.validation.shares(ensembles=bool(self.combined), conformal=conformal)

    @property
    def band_folds(self) -> OofConfig | None:
        """The folds of rows that teach in which every model forecasts for its band: those of the first ensemble, if there is one; None
        where bands have rows of their own, or there are none."""
        bands = self.inference.uncertainty
        if bands is None or bands.has_slice:
            return None
        return self.combined[0].oof if self.combined else OofConfig()

    @model_validator(mode="after")
    def _classes_to_calibrate_by(self) -> "Recipe":
        if self.inference.calibrate_by == CLASS and self.labels.classes != 3:
            raise ValueError(
                "inference.calibrate_by is class, and of two classes one curve says both; take it out, or set labels.classes: 3"
            )
        return self

    @field_validator("base_models", "experts")
    @classmethod
    def _each_name_once(
        cls, entries: "tuple[ModelEntry | ExpertEntry, ...]", known: ValidationInfo
    ) -> "tuple[ModelEntry | ExpertEntry, ...]":
        labels = [entry.label for entry in (*known.data.get("base_models", ()), *entries)]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"'{label}' stands {labels.count(label)} times; give each an `alias` of its own")
        return entries
