"""Skill or luck, in words and rows: what was tried, what luck alone would show, and what is left of each model's result."""

from dataclasses import dataclass

from barmill.console.figures import NOT_AVAILABLE, fixed, percent, plural, sentence, significant, span, whole
from barmill.console.judged_luck import LuckOfModel, Overfitting, Pbo, RealityCheck
from barmill.console.judgement import Judgement

TESTS = {
    "superior_predictive_ability": "Hansen's test for superior predictive ability",
    "reality_check": "White's reality check",
}
SURE = 0.95  # the usual bar of a probability that a Sharpe ratio is real


@dataclass(frozen=True, slots=True)
class LuckCell:
    """One figure; `real` says that it stands above its bar."""

    text: str
    note: str = ""
    real: bool = False


@dataclass(frozen=True, slots=True)
class LuckRow:
    """One model against luck; `words` say what it comes to."""

    name: str
    number: int
    selected: bool
    promoted: bool | None
    cells: tuple[LuckCell, ...]
    words: str


HEADINGS = (
    ("Net Sharpe", "interval"),
    ("Error", "standard"),
    ("Luck alone", "best of the trials"),
    ("PSR", "against 0"),
    ("DSR", "against luck"),
    ("Deflated", "Sharpe less luck"),
    ("Haircut", "what is left"),
    ("Track record", "needed"),
)


def luck_rows(judgement: Judgement) -> tuple[LuckRow, ...]:
    """A row for each model that was held against luck, in the order of the recipe."""
    found = judgement.overfitting
    if found is None:
        return ()
    numbers = {model.name: (number, model.selected) for number, model in enumerate(judgement.models)}
    return tuple(
        LuckRow(model.name, *numbers.get(model.name, (0, False)), model.promoted, _cells(model), model.words) for model in found.models
    )


def _cells(model: LuckOfModel) -> tuple[LuckCell, ...]:
    interval = span(*model.interval, decimals=2) if model.interval else NOT_AVAILABLE
    needed = "never enough" if model.min_track_record_bars == float("inf") else whole(model.min_track_record_bars)
    left = "" if model.haircut.haircut is None else f"{percent(model.haircut.haircut, 2)} gone"
    return (
        LuckCell(fixed(model.sharpe, 2), interval),
        LuckCell(fixed(model.standard_error, 2)),
        LuckCell(fixed(model.sr0, 2)),
        LuckCell(fixed(model.psr, 3)),
        LuckCell(fixed(model.dsr, 3), f"bar {SURE}", real=model.dsr is not None and model.dsr > SURE),
        LuckCell(fixed(model.deflated_sharpe, 2)),
        LuckCell(fixed(model.haircut.sharpe, 2), left),
        LuckCell(f"{whole(model.track_record_bars)} bars", needed),
    )


def judged_on(found: Overfitting) -> str:
    """Of which returns the figures are."""
    if found.block == "cross_validation":
        return "Each model is judged by the returns of its median path, out of sample at every bar."
    return "Each model is judged by its returns on the test block, since the run was not cross-validated." if found.block == "test" else ""


def trial_facts(found: Overfitting) -> list[tuple[str, str]]:
    """What was tried on these bars, as (name, text)."""
    trials = found.trials
    return [
        ("Trials in the ledger", whole(trials.ledger)),
        ("Of other ledgers on the same time", whole(trials.overlapping)),
        ("Trials counted", whole(trials.total)),
        ("As if independent", significant(trials.effective)),
        ("Variance of their Sharpe ratios, per bar", significant(trials.var_sr)),
    ]


def pbo_facts(pbo: Pbo) -> list[tuple[str, str]]:
    """The probability of backtest overfitting with what it was computed from, as (name, text)."""
    return [
        ("PBO", percent(pbo.pbo)),
        ("If the choice were drawn by lot", percent(_pbo_by_lot(pbo.n_configurations))),
        ("Configurations", whole(pbo.n_configurations)),
        ("Choices of blocks", f"{whole(pbo.n_combinations)} of {whole(pbo.n_blocks)} blocks"),
        ("Slope, in to out of sample", fixed(pbo.slope, 2)),
        ("Chosen one lost out of sample", percent(pbo.prob_oos_loss)),
    ]


def _pbo_by_lot(n_configurations: int | None) -> float | None:
    """The share of ranks at or below the median: above one half where their number is odd, since the median itself counts."""
    return (n_configurations + 1) // 2 / n_configurations if n_configurations else None


def reality_sentence(check: RealityCheck) -> str:
    """The p-value of the best configuration, in a sentence."""
    method = TESTS.get(check.method, check.method.replace("_", " ") or "The reality check")
    said = f"{method} over {plural(check.n_configurations, 'configuration')}: p-value {fixed(check.p_value, 3)}."
    return f"{said} {sentence(check.words)}".strip()


__all__ = ["HEADINGS", "SURE", "LuckRow", "judged_on", "luck_rows", "pbo_facts", "reality_sentence", "trial_facts"]
