"""What each model looks at and where it errs: importances, confusion, and the share of a planted edge that it found."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from barmill.console.figures import fixed, percent, whole
from barmill.console.judgement import Importance, Judgement

MOST_FEATURES = 15


@dataclass(frozen=True, slots=True)
class ImportanceBar:
    """One feature. Places are in percent of the width; `noise` says that its mean is within two deviations of nothing."""

    feature: str
    left: float
    width: float
    whisker_left: float
    whisker_width: float
    said: str
    noise: bool


@dataclass(frozen=True, slots=True)
class ImportanceChart:
    """The features of one model that matter most, and where 0 lies."""

    model: str
    number: int
    zero: float
    bars: tuple[ImportanceBar, ...]
    left_out: int


def importance_charts(judgement: Judgement) -> list[ImportanceChart]:
    """A chart per model that has importances, most important first."""
    return [_chart(model.name, number, model.importance) for number, model in enumerate(judgement.models) if model.importance]


def _chart(model: str, number: int, importance: tuple[Importance, ...]) -> ImportanceChart:
    known = sorted((entry for entry in importance if entry.mean is not None), key=lambda entry: (-(entry.mean or 0.0), entry.feature))
    shown = [(entry.feature, entry.mean or 0.0, entry.std or 0.0) for entry in known[:MOST_FEATURES]]
    low = min([0.0, *(mean - std for _, mean, std in shown)])
    high = max([0.0, *(mean + std for _, mean, std in shown)])
    width = high - low or 1.0
    largest = max((abs(mean) for _, mean, _ in shown), default=0.0)
    decimals = min(9, max(0, 2 - math.floor(math.log10(largest)))) if largest else 2

    def place(value: float) -> float:
        return round(100 * (value - low) / width, 2)

    bars = tuple(
        ImportanceBar(
            feature=feature,
            left=place(min(mean, 0.0)),
            width=round(place(max(mean, 0.0)) - place(min(mean, 0.0)), 2),
            whisker_left=place(mean - std),
            whisker_width=round(place(mean + std) - place(mean - std), 2),
            said=f"{fixed(mean, decimals)} ± {fixed(std, decimals)}",
            noise=mean <= 2 * std,
        )
        for feature, mean, std in shown
    )
    return ImportanceChart(model, number, place(0.0), bars, len(importance) - len(shown))


@dataclass(frozen=True, slots=True)
class ConfusionTable:
    """Rows are what happened, columns what was forecast; a cell is (count, share of its row as text, share in percent)."""

    model: str
    number: int
    classes: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[tuple[str, str, float], ...]], ...]
    said: str


def confusion_tables(judgement: Judgement) -> list[ConfusionTable]:
    """A table per model that has one."""
    tables = (
        confusion_table(model.name, number, model.classification.confusion, model.classification.class_names)
        for number, model in enumerate(judgement.models)
    )
    return [table for table in tables if table is not None]


def confusion_table(model: str, number: int, counts: Sequence[Sequence[int]], known: Sequence[str]) -> ConfusionTable | None:
    """The table of `counts`, [what happened][what was forecast]; None where they are no square. `known` names the classes."""
    if not counts or any(len(row) != len(counts) for row in counts):
        return None
    names = tuple(known) if len(known) == len(counts) else tuple(f"class {k}" for k in range(len(counts)))
    rows = tuple((name, whole(sum(row)), tuple(_share(count, sum(row)) for count in row)) for name, row in zip(names, counts, strict=True))
    total = sum(sum(row) for row in counts)
    right = sum(row[k] for k, row in enumerate(counts))
    commonest = max(sum(row) for row in counts)
    said = f"{percent(right / total)} right; the commonest class is {percent(commonest / total)} of the rows." if total else "No rows."
    return ConfusionTable(model, number, names, rows, said)


def _share(count: int, total: int) -> tuple[str, str, float]:
    return (whole(count), percent(count / total), round(100 * count / total, 1)) if total else (whole(count), "n/a", 0.0)


@dataclass(frozen=True, slots=True)
class OracleRow:
    """How much of the planted edge a model found; width in percent."""

    model: str
    number: int
    auc: str
    found: str
    width: float


def oracle_rows(judgement: Judgement) -> list[OracleRow]:
    """A row per model; empty where there is no oracle."""
    if judgement.oracle is None:
        return []
    rows: list[OracleRow] = []
    for number, model in enumerate(judgement.models):
        found = judgement.oracle.share_found.get(model.name)
        width = 0.0 if found is None else round(100 * min(1.0, max(0.0, found)), 1)
        rows.append(OracleRow(model.name, number, fixed(model.classification.auc, 3), percent(found, 2), width))
    return rows
