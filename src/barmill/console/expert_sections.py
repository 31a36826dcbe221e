"""The experts of a run in words and rows: what each was asked, and whether it knows more than a naive baseline."""

from collections.abc import Callable
from dataclasses import dataclass

from barmill.console.explain_sections import LooksAt, looks_at
from barmill.console.figures import NOT_AVAILABLE, SPACE, fixed, percent, plural, sentence, significant, span, whole
from barmill.console.judged_experts import ExpertResult, Gain, PatternScores
from barmill.console.judgement import Judgement
from barmill.console.learning_curves import curves_of
from barmill.console.model_sections import ConfusionTable, confusion_table

NAIVE = {
    "entry": "always says the share of good entries among the training rows",
    "pattern_cnn": "always says the share of each pattern among the training rows, their median quality and the median pole of their flags",
}
NAIVE_QUANTILE = "always says the training rows' own quantile of each level"


def _in_R(value: float | None) -> str:
    return NOT_AVAILABLE if value is None else f"{fixed(value, 3)}{SPACE}R"


def _in_atr(value: float | None) -> str:
    return NOT_AVAILABLE if value is None else f"{fixed(value, 2)}{SPACE}ATR"


# what a figure is called, and how it is written; those with an interval end in _R, the interval's name in _interval
_FIGURES: dict[str, tuple[str, Callable[[float | None], str]]] = {
    "auc": ("AUC", lambda value: fixed(value, 3)),
    "pr_auc": ("PR-AUC", lambda value: fixed(value, 3)),
    "log_loss": ("Log loss", lambda value: fixed(value, 4)),
    "brier": ("Brier score", lambda value: fixed(value, 4)),
    "base_rate": ("Good entries", percent),
    "ece": ("ECE", lambda value: fixed(value, 3)),
    "precision_at_1": ("Good among the best of each day", percent),
    "precision_at_3": ("Among the best 3", percent),
    "precision_at_5": ("Among the best 5", percent),
    "mean_R": ("Mean of every trade", _in_R),
    "mean_R_above_0.5": ("Mean where p is 0.5 or more", _in_R),
    "mean_R_above_0.6": ("Mean where p is 0.6 or more", _in_R),
    "mean_R_above_0.7": ("Mean where p is 0.7 or more", _in_R),
    "share_above_0.5": ("Rows with p of 0.5 or more", percent),
    "share_above_0.6": ("Rows with p of 0.6 or more", percent),
    "share_above_0.7": ("Rows with p of 0.7 or more", percent),
    "stop_hit_rate": ("Stops that were hit", percent),
    "mean_stop_atr": ("Mean stop", _in_atr),
    "mean_target_R": ("Mean target", _in_R),
    "smape_of_median": ("SMAPE of the median", lambda value: fixed(value, 3)),
    "entry_style_share": ("Right style of order", percent),
    "usual_style_share": ("By the usual style", percent),
    "mean_offset_atr": ("Mean offset", _in_atr),
    "macro_f1": ("Macro F1", lambda value: fixed(value, 3)),
    "accuracy": ("Likeliest pattern right", percent),
    "usual_accuracy": ("By the commonest pattern", percent),
    "quality_ece": ("Calibration error of quality", lambda value: fixed(value, 3)),
    "flags": ("Flags", whole),
}
_UPLIFTS = {
    "reward": {"uplift_R": "Over a fixed target of 2 R", "best_uplift_R": "The same, fifth with the highest targets"},
    "entry_offset": {"uplift_R": "Over entering at the open"},
}


@dataclass(frozen=True, slots=True)
class GainRow:
    """One loss beside the baseline's; `shown` says that the interval is all on one side of 0."""

    loss: str
    model: str
    baseline: str
    better_by: str
    interval: str
    coverage: str
    naive_coverage: str
    shown: bool


@dataclass(frozen=True, slots=True)
class ExpertPart:
    """What the page tells of one expert."""

    name: str
    number: int
    title: str
    asked: str
    verdict: str
    better: bool
    naive: str
    rows: str
    gains: tuple[GainRow, ...]
    covers: bool
    facts: tuple[tuple[str, str], ...]
    patterns: tuple[tuple[str, str, str, str, str, str], ...]
    confusion: ConfusionTable | None
    looks_at: tuple[LooksAt, ...]
    learned: bool  # step by step, so that there is a curve of its losses


def expert_parts(judgement: Judgement) -> tuple[ExpertPart, ...]:
    """A part for each expert, in the order of the recipe; colours go on after the models'."""
    return tuple(_part(expert, len(judgement.models) + place) for place, expert in enumerate(judgement.experts))


def expert_verdict(expert: ExpertResult) -> tuple[str, bool]:
    """Whether the expert is better than the naive baseline, in a sentence, and as a fact: by its probabilities or the quantile in use."""
    online = expert.scores.online
    gain = next((one for one in expert.scores.gains if one.level == online), None)
    if gain is None or gain.better_by is None:
        return "Not judged.", False
    low, high = gain.interval
    by = f"{_loss_name(gain)} {significant(gain.model)} against {significant(gain.baseline)}"
    known = f"{_difference(gain)} ({span(low, high, 4)}, 95{SPACE}% interval)"
    if low is None or high is None:
        return f"Too few rows to say whether it is better than the naive baseline: {by}.", False
    if low > 0:
        return f"Better than the naive baseline: {by}, better by {known}.", True
    if high < 0:
        return f"Worse than the naive baseline: {by}, a difference of {known}.", False
    return f"Not shown to be better than the naive baseline: {by}, a difference of {known}.", False


def _part(expert: ExpertResult, number: int) -> ExpertPart:
    verdict, better = expert_verdict(expert)
    scores = expert.scores
    counts = expert.answers.n
    return ExpertPart(
        name=expert.name,
        number=number,
        title=expert.name if expert.name == expert.model else f"{expert.name} ({expert.model})",
        asked=expert.asked,
        verdict=verdict,
        better=better,
        naive=NAIVE.get(expert.model, NAIVE_QUANTILE),
        rows=f"{plural(counts.get('train'), 'answer')} taught it and {whole(counts.get('test'))} judge it, "
        f"from {expert.answers.first_time or NOT_AVAILABLE} to {expert.answers.last_time or NOT_AVAILABLE}",
        gains=tuple(_row(gain) for gain in scores.gains),
        covers=any(gain.coverage is not None for gain in scores.gains),
        facts=tuple(_facts(expert)),
        patterns=tuple(_pattern(one) for one in scores.per_class),
        confusion=confusion_table(expert.name, number, scores.confusion, expert.class_names),
        looks_at=_explained(expert, number),
        learned=bool(curves_of(expert.fit.get("history"))),
    )


def _loss_name(gain: Gain) -> str:
    return gain.loss if gain.level is None else f"{gain.loss} loss at {gain.level:g}"


def _difference(gain: Gain) -> str:
    return fixed(gain.better_by, 4)


def _row(gain: Gain) -> GainRow:
    low, high = gain.interval
    return GainRow(
        loss=sentence(_loss_name(gain)).removesuffix("."),
        model=fixed(gain.model, 4),
        baseline=fixed(gain.baseline, 4),
        better_by=_difference(gain),
        interval=span(low, high, 4),
        coverage=percent(gain.coverage),
        naive_coverage=percent(gain.baseline_coverage),
        shown=low is not None and high is not None and (low > 0 or high < 0),
    )


def _facts(expert: ExpertResult) -> list[tuple[str, str]]:
    """Figures by their names, in the order of the judgement; the calibration error with that before calibration."""
    found = expert.scores.figures
    uplifts = _UPLIFTS.get(expert.model, {})
    facts: list[tuple[str, str]] = []
    for name, value in found.items():
        if isinstance(value, tuple):
            continue
        if name in uplifts:
            interval = found.get(name.removesuffix("_R") + "_interval")
            around = f" ({span(*interval, decimals=3)})" if isinstance(interval, tuple) else ""
            facts.append((uplifts[name], f"{_in_R(value)}{around}"))
        elif name == "ece" and expert.calibration is not None:
            facts.append(("ECE, before calibration and after", f"{fixed(expert.calibration.ece_before, 3)}, {fixed(value, 3)}"))
        else:
            title, written = _FIGURES.get(name, (name.replace("_", " "), significant))
            facts.append((title, written(value)))
    return facts


def _pattern(one: PatternScores) -> tuple[str, str, str, str, str, str]:
    return one.name.replace("_", " "), whole(one.n), whole(one.said), percent(one.precision), percent(one.recall), fixed(one.f1, 3)


def _explained(expert: ExpertResult, number: int) -> tuple[LooksAt, ...]:
    if expert.explanation is None:
        return ()
    return tuple(looks_at(expert.name, number, expert.explanation, output) for output in expert.explanation.outputs)


__all__ = ["ExpertPart", "GainRow", "expert_parts", "expert_verdict"]
