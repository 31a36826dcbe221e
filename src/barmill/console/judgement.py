"""What the pipeline found out, as typed values: the contents of metrics/judgement.json, timings.json and environment.json.

Anything that a degenerate run cannot know is None; an infinite ratio (a profit factor without a loss) stays infinite.
"""

from typing import Any

from pydantic import Field

from barmill.console.judged_bands import Band
from barmill.console.judged_ensembles import EnsembleResult, Overhead
from barmill.console.judged_experts import ExpertResult
from barmill.console.judged_explanations import Explanation
from barmill.console.judged_leaderboard import Leaderboard, Profile
from barmill.console.judged_luck import Overfitting
from barmill.console.judged_paths import CrossValidation
from barmill.console.judged_process import Degradation, Leakage, OtherLedger, Tuning
from barmill.console.parts import Interval, Number, Part

FORMAT = 1


class Finding(Part):
    """One thing that the check of the bars found."""

    code: str = ""
    name: str = ""
    severity: str = "info"
    count: int | None = None
    first_time: str | None = None
    message: str = ""


class Data(Part):
    """The bars."""

    rows: int | None = None
    first: str | None = None
    last: str | None = None
    fingerprint: str | None = None
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


class Features(Part):
    """What the models saw."""

    n: int | None = None
    names: tuple[str, ...] = ()
    warmup_bars: int | None = None
    not_ready: int | None = None
    schema_hash: str | None = None


class Labels(Part):
    """What the models were asked; `balance` is block -> class -> rows."""

    method: str = ""
    shuffle: int | None = None
    n: int | None = None
    excluded: dict[str, int] = Field(default_factory=dict[str, int])
    balance: dict[str, dict[str, int]] = Field(default_factory=dict[str, dict[str, int]])
    mean_net_return_bps: Number = None
    median_move_bps: Number = None
    mean_cost_bps: Number = None
    mean_uniqueness: Number = None
    mean_label_bars: Number = None


class Block(Part):
    """A stretch of bars with one purpose."""

    name: str
    first_bar: int | None = None
    last_bar: int | None = None
    first_time: str | None = None
    last_time: str | None = None
    n: int | None = None


class Splits(Part):
    """The blocks in time order, and what was left out between them."""

    n_bars: int | None = None
    blocks: tuple[Block, ...] = ()
    dropped: dict[str, int] = Field(default_factory=dict[str, int])


class Costs(Part):
    """What a decision costs; fee and slippage are of one side, in words."""

    fee: str | None = None
    slippage: str | None = None
    round_trip_bps: Number = None


class Classification(Part):
    """Scores of p_up on the test block."""

    auc: Number = None
    auc_interval: Interval | None = None
    pr_auc: Number = None
    log_loss: Number = None
    log_loss_base: Number = None
    brier: Number = None
    mcc: Number = None
    f1: Number = None
    base_rate: Number = None
    confusion: tuple[tuple[int, ...], ...] = ()
    class_names: tuple[str, ...] = ()
    n: int | None = None


class Reliability(Part):
    """Share of ups against forecast p_up, with a band from resampled blocks, a value per bin of as many rows each as ties allow."""

    mean_p: tuple[Number, ...] = ()
    share: tuple[Number, ...] = ()
    low: tuple[Number, ...] = ()
    high: tuple[Number, ...] = ()
    count: tuple[Number, ...] = ()


class BrierParts(Part):
    """Brier score = reliability - resolution + uncertainty, but for what differs within bins."""

    reliability: Number = None
    resolution: Number = None
    uncertainty: Number = None


class CalibrationGain(Part):
    """Whether calibration helped on rows that it did not see, by paired tests."""

    verdict: str = ""


class TriedCalibration(Part):
    """One chain of calibrators that a choice among them tried."""

    methods: tuple[str, ...] = ()


class CalibrationChoice(Part):
    """What came of leaving the choice of calibrators open."""

    tried: tuple[TriedCalibration, ...] = ()


class Calibration(Part):
    """How far probabilities can be taken at their word, on the test block; `ece_before` is that of uncalibrated ones."""

    methods: tuple[str, ...] = ()
    ece_before: Number = None
    ece: Number = None
    mce: Number = None
    ece_equal_mass: Number = None
    rmsce_debiased: Number = None
    brier_parts: BrierParts = BrierParts()
    gain: CalibrationGain | None = None
    chosen_by: CalibrationChoice | None = None
    reliability: Reliability = Reliability()


class ReturnForecast(Part):
    """Scores of E_r (of q50 where a model has no E_r) and of the quantiles."""

    ic: Number = None
    rank_ic: Number = None
    pinball: dict[str, Number] = Field(default_factory=dict[str, Number])
    coverage_90: Number = None


class RandomBand(Part):
    """Net Sharpe ratios of random signals with the model's exposure, holding times and turnover."""

    p05: Number = None
    p50: Number = None
    p95: Number = None
    share_below: Number = None
    n: int | None = None


class Trading(Part):
    """The trading rule on the test block, net of costs; `intervals` are of the figures that have one, by name."""

    sharpe: Number = None
    sortino: Number = None
    calmar: Number = None
    max_drawdown: Number = None
    win_rate: Number = None
    profit_factor: Number = None
    recovery_factor: Number = None
    turnover: Number = None
    exposure: Number = None
    cost_paid: Number = None
    n_trades: int | None = None
    total_return: Number = None
    gross_total_return: Number = None
    random: RandomBand = RandomBand()
    long_above: Number = None
    short_below: Number = None
    above_chance: bool | None = None
    intervals: dict[str, Interval] = Field(default_factory=dict[str, Interval])


class Importance(Part):
    """How much the log loss rises when a feature's values are exchanged among rows that did not train the model."""

    feature: str
    mean: Number = None
    std: Number = None


class ModelResult(Part):
    """One model, judged as the bundle that a server would load; `model` is its name in the catalogue, `members` what an ensemble
    combines."""

    name: str
    model: str = ""
    family: str = ""
    view: str = ""
    members: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    selected: bool = False
    bundle: str | None = None
    digest: str | None = None
    classification: Classification = Classification()
    calibration: Calibration = Calibration()
    band: Band | None = None
    forecast: ReturnForecast = ReturnForecast()
    trading: Trading = Trading()
    importance: tuple[Importance, ...] = ()
    explanation: Explanation | None = None
    fit: dict[str, Any] = Field(default_factory=dict[str, Any])


class Note(Part):
    """What is to be known of a model's parameters."""

    model: str
    text: str = ""


class Oracle(Part):
    """What could be known on a simulated market."""

    auc: Number = None
    share_found: dict[str, Number] = Field(default_factory=dict[str, Number])


class TrialCount(Part):
    """What the ledger of these bars holds, and which other ledgers share their time."""

    trials: int | None = None
    fits: int | None = None
    test_openings: int | None = None
    overlapping: tuple[OtherLedger, ...] = ()
    path: str | None = None


class Provenance(Part):
    """Which rows something was fitted on."""

    what: str
    fitted_on: str | None = None
    first_time: str | None = None
    last_time: str | None = None
    rows: int | None = None


class Fingerprints(Part):
    """Digests: equal runs have equal ones."""

    data: str | None = None
    recipe: str | None = None
    code: str | None = None
    seed: int | None = None
    stages: dict[str, str] = Field(default_factory=dict[str, str])
    bundles: dict[str, str] = Field(default_factory=dict[str, str])


class Judgement(Part):
    """All that a run found out; what was not asked for is None or empty."""

    format: int
    name: str
    description: str = ""
    symbol: str = ""
    timeframe: str = ""
    seed: int | None = None
    barmill: str = ""
    horizon_bars: int | None = None
    classes: int = 2
    data: Data = Data()
    features: Features = Features()
    labels: Labels = Labels()
    splits: Splits = Splits()
    costs: Costs = Costs()
    models: tuple[ModelResult, ...] = ()
    notes: tuple[Note, ...] = ()
    baselines: dict[str, Trading] = Field(default_factory=dict[str, Trading])
    oracle: Oracle | None = None
    ledger: TrialCount = TrialCount()
    provenance: tuple[Provenance, ...] = ()
    fingerprints: Fingerprints = Fingerprints()
    cross_validation: CrossValidation | None = None
    overfitting: Overfitting | None = None
    leakage: Leakage | None = None
    tuning: tuple[Tuning, ...] = ()
    leaderboard: Leaderboard | None = None
    profile: Profile | None = None
    experts: tuple[ExpertResult, ...] = ()
    ensembles: tuple[EnsembleResult, ...] = ()
    degradations: tuple[Degradation, ...] = ()

    @property
    def selected(self) -> ModelResult | None:
        """The model that the selection slice chose, before the test block was opened."""
        return next((model for model in self.models if model.selected), None)


class Latency(Part):
    """Time of one forecast by a bundle, microseconds: median and 99th percentile."""

    p50_us: Number = None
    p99_us: Number = None


class Target(Part):
    """What the recipe wants of a size or a latency, and what was measured; `met` is None where nothing was."""

    kind: str
    of: str
    limit: float
    unit: str
    measured: Number = None
    median: Number = None
    met: bool | None = None


class Timings(Part):
    """How long it took, on what, and the recipe's targets: some are of clocks."""

    stages: dict[str, float] = Field(default_factory=dict[str, float])
    wall_s: Number = None
    peak_memory_mb: Number = None
    estimated_memory_mb: Number = None
    latency: dict[str, Latency] = Field(default_factory=dict[str, Latency])
    ensembles: dict[str, Overhead] = Field(default_factory=dict[str, Overhead])
    targets: tuple[Target, ...] = ()


class Environment(Part):
    """What it ran on."""

    barmill: str | None = None
    python: str | None = None
    platform: str | None = None
    system: str | None = None
    machine: str | None = None
    cores: int | None = None
    libraries: dict[str, str] = Field(default_factory=dict[str, str])
