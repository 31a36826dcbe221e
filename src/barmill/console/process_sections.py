"""How the run came about, in words and rows: its leakage checks, its tuning, and the other ledgers on its time."""

from dataclasses import dataclass

from barmill.console.figures import fixed, percent, plural, significant, span, whole
from barmill.console.judged_process import Certificate, Degradation, Leakage, LeakageFinding, Tuning
from barmill.console.judgement import Judgement

STATUSES = ("failed", "passed", "not applicable")


@dataclass(frozen=True, slots=True)
class Permitted:
    """A code that the recipe lets pass: the reason given, and what was found of it."""

    code: str
    reason: str
    findings: tuple[LeakageFinding, ...]


def leakage_sentence(found: Leakage) -> str:
    """How many checks said what."""
    counts = {status: sum(check.status == status for check in found.checks) for status in STATUSES}
    told = f"{plural(len(found.checks), 'check')} before anything was trained: {counts['passed']} passed, {counts['failed']} failed"
    skipped = counts["not applicable"]
    return f"{told}, {skipped} not applicable, for lack of what they look at: that is no pass." if skipped else f"{told}."


def degradation_sentence(lost: Degradation) -> str:
    """Which ensembles go without which member, and why."""
    lead = f"{', '.join(lost.ensembles)}: without {lost.member}, which"
    if lost.what == "incompatible":
        return f"{lead} {lost.reason}."
    log = f" What it said is in {lost.log}." if lost.log else ""
    return f"{lead} failed at “{lost.stage}”: {lost.reason}.{log} The same command tries it again."


def permitted(found: Leakage) -> tuple[Permitted, ...]:
    """What the recipe lets pass, with its findings."""
    return tuple(
        Permitted(entry.code, entry.reason, tuple(finding for finding in found.findings if finding.code == entry.code))
        for entry in found.allowed
    )


@dataclass(frozen=True, slots=True)
class TunedModel:
    """The search of one model: its number among the models, what was tried, and the best parameters as (name, text)."""

    name: str
    number: int
    said: str
    best: tuple[tuple[str, str], ...]


def tuned_models(judgement: Judgement) -> tuple[TunedModel, ...]:
    """A search for each model that was tuned, in the order in which they are told."""
    numbers = {model.name: number for number, model in enumerate(judgement.models)}
    return tuple(
        TunedModel(found.model, numbers.get(found.model, k), _searched(found), _best(found)) for k, found in enumerate(judgement.tuning)
    )


def _best(tuning: Tuning) -> tuple[tuple[str, str], ...]:
    return tuple((name, _said(value)) for name, value in tuning.best.items())


def certificate_facts(found: Certificate) -> list[tuple[str, str]]:
    """What was measured where there is nothing to find, as (name, text)."""
    null, promoted = found.null, found.null.promotion.net
    return [
        ("Markets without an edge", whole(null.n_markets)),
        ("AUC there", f"{fixed(null.auc.value, 4)} ({span(null.auc.low, null.auc.high, 4)})"),
        ("Promoted there", f"{percent(promoted.value)} of {whole(promoted.n)}"),
    ]


def _searched(tuning: Tuning) -> str:
    stopped = [
        told
        for count, told in ((tuning.n_pruned, f"{tuning.n_pruned} stopped early"), (tuning.n_failed, f"{tuning.n_failed} failed"))
        if count
    ]
    metric = tuning.metric.replace("_", " ") or "value"
    return f"{', '.join([plural(tuning.n_trials, 'trial'), *stopped])}; best {metric} {fixed(tuning.best_value, 5)}"


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return significant(value, 4) if isinstance(value, float) else str(value)


__all__ = ["certificate_facts", "leakage_sentence", "permitted", "tuned_models"]
