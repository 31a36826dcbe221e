"""The recipe's targets in rows and words: what was asked, what was measured, and whether it is kept to."""

from dataclasses import dataclass

from barmill.console.figures import NOT_AVAILABLE, SPACE, listed, plural, significant
from barmill.console.judgement import Target, Timings

TITLES = {
    "total": "all weights together",
    "all": "all models, one after the other",
    "calibration": "calibration, the slowest",
    "combining": "an ensemble on its members' forecasts, the slowest",
}


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One target as text; `verdict` is met, not met or not measured, and `tag` the class of its mark."""

    name: str
    kind: str
    limit: str
    measured: str
    median: str
    verdict: str
    tag: str


def target_rows(timings: Timings | None) -> tuple[TargetRow, ...]:
    """A row for each target of the recipe, in its order."""
    if timings is None:
        return ()
    return tuple(
        TargetRow(
            TITLES.get(target.of, target.of),
            {"size": "weights", "latency": "latency, 99 %"}.get(target.kind, target.kind),
            f"{significant(target.limit)}{SPACE}{target.unit}",
            _said(target.measured, target.unit) or NOT_AVAILABLE,
            _said(target.median, target.unit),
            *_verdict(target),
        )
        for target in timings.targets
    )


def target_sentence(timings: Timings | None) -> str:
    """`9 of 10 targets are met; not met: lstm (size).`; nothing where the recipe sets none."""
    if timings is None or not timings.targets:
        return ""
    targets = timings.targets
    n_met = sum(target.met is True for target in targets)
    lead = f"{n_met} of {plural(len(targets), 'target')} {'is' if len(targets) == 1 else 'are'} met"
    parts = [
        f"{words}: {listed([f'{target.of} ({target.kind})' for target in targets if target.met is met])}"
        for met, words in ((False, "not met"), (None, "not measured"))
        if any(target.met is met for target in targets)
    ]
    return "; ".join([lead, *parts])


def _said(value: float | None, unit: str) -> str:
    return "" if value is None else f"{significant(value)}{SPACE}{unit}"


def _verdict(target: Target) -> tuple[str, str]:
    if target.met is None:
        return "not measured", "warning"
    return ("met", "passed") if target.met else ("not met", "error")


__all__ = ["TargetRow", "target_rows", "target_sentence"]
