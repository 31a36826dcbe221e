"""The losses of a fit, found in its summary: a history of its own, or one for each output that was learned."""

import math
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

    @property
    def best(self) -> int | None:
        """Where the loss is lowest, the first of equals; None without any loss."""
        known = [(loss, place) for place, loss in enumerate(self.loss) if loss is not None]
        return min(known)[1] if known else None


def curves_of(history: object) -> list[Curve]:
    """The losses of a summary's history, a curve each; none where it has none."""
    if not isinstance(history, dict):
        return []
    names = {"train": "training rows", "valid": "early-stopping slice"}
    return [_thinned(names[name], losses, name == "valid") for name in names if isinstance(losses := history.get(name), list) and losses]


def _thinned(name: str, losses: list[Any], judged: bool) -> Curve:
    stride = -(-len(losses) // MOST_POINTS)
    numbers = [float(loss) if isinstance(loss, int | float) and math.isfinite(loss) else None for loss in losses]
    lowest = (
        min((loss, step) for step, loss in enumerate(numbers) if loss is not None)[1] if any(loss is not None for loss in numbers) else 0
    )
    steps = sorted({*range(0, len(losses), stride), lowest, len(losses) - 1})
    return Curve(name, [step + 1 for step in steps], [numbers[step] for step in steps], judged)


@dataclass(frozen=True, slots=True)
class FitPart:
    """What was learned together: the output's name ("" for all at once), its curves, and the single values of the summary."""

    output: str
    curves: list[Curve]
    facts: list[tuple[str, str]]


def fit_parts(fit: dict[str, Any]) -> list[FitPart]:
    """The parts of a fit, the whole first; a fit without any record has none."""
    parts = [FitPart("", curves_of(fit.get("history")), _facts(fit))]
    parts += [
        FitPart(name, curves_of(part.get("history")), _facts(part))
        for name, part in fit.items()
        if name not in ("history", "health") and isinstance(part, dict)
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
