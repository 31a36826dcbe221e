"""Health figures of all models side by side, with the ranges that are usual; a figure outside is a question, no verdict."""

from dataclasses import dataclass
from typing import Any

from barmill.console.explain_sections import stability_of
from barmill.console.figures import fixed, percent, significant, whole
from barmill.console.judgement import Judgement

SHARES = ("features_used_share", "gradient_clipped_share", "dead_units", "valid_loss_fall")
COUNTS = ("trees", "leaf_depth_max", "nonzero_weights", "redundant_features")
NAMES = {
    "gini": "Gini of importances",
    "stability": "Stability of explanations",
    "trees": "Trees after early stopping",
    "leaves_per_tree": "Leaves of a tree, mean",
    "leaf_depth_mean": "Depth of leaves, mean",
    "leaf_depth_max": "Depth of leaves, largest",
    "features_used_share": "Features used",
    "nonzero_weights": "Weights that are not zero",
    "largest_weight": "Largest weight",
    "redundant_features": "Features that are sums of others",
    "condition": "Condition of the features",
    "gradient_norm_first": "Gradient norm, first step",
    "gradient_norm_median": "Gradient norm, median",
    "gradient_norm_max": "Gradient norm, largest",
    "gradient_clipped_share": "Steps whose gradient was clipped",
    "valid_loss_fall": "Fall of the early-stopping loss",
    "dead_units": "Units that are never on",
    "attention_entropy": "Entropy of attention, nats",
}
USUAL: dict[str, tuple[float | None, float | None]] = {  # rules of thumb of the training runbook; the condition's is Belsley's
    "gini": (None, 0.8),
    "stability": (0.9, None),
    "leaf_depth_mean": (5.0, 7.0),
    "gradient_norm_median": (0.1, 10.0),
    "attention_entropy": (0.5, 2.0),
    "condition": (None, 30.0),
}


@dataclass(frozen=True, slots=True)
class HealthCell:
    """One figure; `outside` of what is usual."""

    text: str
    outside: bool = False


@dataclass(frozen=True, slots=True)
class HealthTable:
    """Columns are fits (the place of their model, and a name), rows are (figure, what is usual, a cell for each column)."""

    columns: tuple[tuple[int, str], ...]
    rows: tuple[tuple[str, str, tuple[HealthCell, ...]], ...]


def health_table(judgement: Judgement) -> HealthTable | None:
    """The health of every fit that tells any, of the models and then of the experts; None for runs that tell none."""
    columns: list[tuple[int, str]] = []
    figures: list[dict[str, float]] = []
    for number, model in enumerate((*judgement.models, *judgement.experts)):
        parts = {"": model.fit, **{name: part for name, part in model.fit.items() if isinstance(part, dict)}}
        for name, part in parts.items():
            health = _numbers(part.get("health"))
            if health:
                output = name or "p_up"
                explained = model.explanation.outputs.get(output) if model.explanation else None
                agreed = stability_of(judgement, model.name) if output == "p_up" else None
                first = {"gini": explained and explained.gini, "stability": agreed and agreed.rank_correlation}
                columns.append((number, f"{model.name}, {name}" if name else model.name))
                figures.append({**{key: value for key, value in first.items() if value is not None}, **health})
    known = [name for name in NAMES if any(name in one for one in figures)]
    further = sorted({name for one in figures for name in one} - set(NAMES))
    rows = tuple((_title(name), _usual(name), tuple(_cell(name, one.get(name)) for one in figures)) for name in [*known, *further])
    return HealthTable(tuple(columns), rows) if columns else None


def _numbers(health: Any) -> dict[str, float]:
    if not isinstance(health, dict):
        return {}
    return {str(name): float(value) for name, value in health.items() if isinstance(value, int | float)}


def _title(name: str) -> str:
    words = NAMES.get(name, name.replace("_", " "))
    return words[:1].upper() + words[1:]


def _usual(name: str) -> str:
    low, high = USUAL.get(name, (None, None))
    if low is not None and high is not None:
        return f"{significant(low, 2)} to {significant(high, 2)}"
    if low is not None:
        return f"above {significant(low, 2)}"
    return "" if high is None else f"below {significant(high, 2)}"


def _cell(name: str, value: float | None) -> HealthCell:
    if value is None:
        return HealthCell("")
    low, high = USUAL.get(name, (None, None))
    outside = (low is not None and value < low) or (high is not None and value > high)
    text = (
        percent(value) if name in SHARES else whole(value) if name in COUNTS else fixed(value, 2) if name == "gini" else significant(value)
    )
    return HealthCell(text, outside)


__all__ = ["HealthCell", "HealthTable", "health_table"]
