"""The losses of a fit, found in its summary: a history of its own, or one for each output that was learned."""

from dataclasses import dataclass
from typing import Any

MOST_POINTS = 500


@dataclass(frozen=True, slots=True)
class Curve:
    """Losses by step. `judged` marks the early-stopping slice, which decides when the fit ends."""

    name: str
    step: list[int]
    loss: list[float | None]
    judged: bool


def _curves(history: object) -> list[Curve]:
    if not isinstance(history, dict):
        return []
    names = {"train": "training rows", "valid": "early-stopping slice"}
    return [_thinned(names[name], losses, name == "valid") for name in names if isinstance(losses := history.get(name), list) and losses]


def _thinned(name: str, losses: list[Any], judged: bool) -> Curve:
    stride = -(-len(losses) // MOST_POINTS)
    steps = sorted({*range(0, len(losses), stride), len(losses) - 1})
    numbers = [losses[step] for step in steps]
    return Curve(name, [step + 1 for step in steps], [float(loss) if isinstance(loss, int | float) else None for loss in numbers], judged)


@dataclass(frozen=True, slots=True)
class FitPart:
    """What was learned together: the output's name ("" for all at once), its curves, and the single values of the summary."""

    output: str
    curves: list[Curve]
    facts: list[tuple[str, str]]


def fit_parts(fit: dict[str, Any]) -> list[FitPart]:
    """The parts of a fit, the whole first; a fit without any record has none."""
    parts = [FitPart("", _curves(fit.get("history")), _facts(fit))]
    parts += [
        FitPart(name, _curves(part.get("history")), _facts(part))
        for name, part in fit.items()
        if name != "history" and isinstance(part, dict)
    ]
    return [part for part in parts if part.curves or part.facts]


def _facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), _said(value)) for name, value in summary.items() if not isinstance(value, dict | list)]


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    return "n/a" if value is None else str(value)
