"""The cross-validation in words and rows: what was cut, how far the paths of each model spread, and whether they are whole."""

from collections.abc import Callable
from dataclasses import dataclass

from barmill.console.figures import NOT_AVAILABLE, fixed, percent, plural, span, whole
from barmill.console.judged_paths import CrossValidation, OutOfFold, PathsOfModel, Spread, Stability
from barmill.console.judgement import Judgement
from barmill.console.strips import Scale

Say = Callable[[float | None], str]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that is told of every path; `reference` is what no skill has, None where there is no such thing."""

    key: str
    title: str
    reference: float | None
    say: Say


def _two(value: float | None) -> str:
    return fixed(value, 2)


def _three(value: float | None) -> str:
    return fixed(value, 3)


def _four(value: float | None) -> str:
    return fixed(value, 4)


HEADLINES = (
    Figure("sharpe", "Net Sharpe", 0.0, _two),
    Figure("total_return", "Net return", 0.0, percent),
    Figure("max_drawdown", "Drawdown", None, percent),
    Figure("auc", "AUC", 0.5, _three),
)
FIGURES = (
    *HEADLINES,
    Figure("sortino", "Sortino", 0.0, _two),
    Figure("calmar", "Calmar", 0.0, _two),
    Figure("gross_total_return", "Return before costs", 0.0, percent),
    Figure("n_trades", "Trades", None, whole),
    Figure("log_loss", "Log loss", None, _four),
)
SPREADS = (("mean", "mean"), ("std", "deviation"), ("min", "least"), ("p05", "5 %"), ("p50", "median"), ("p95", "95 %"), ("max", "most"))


@dataclass(frozen=True, slots=True)
class PathStrip:
    """One figure of all paths of a model: places in percent from the left, dots for paths, a band from 5 to 95 %."""

    dots: tuple[float, ...]
    band_left: float
    band_width: float
    median: float
    reference: float | None
    said: str


@dataclass(frozen=True, slots=True)
class PathCell:
    """The median of a figure, its middle 90 %, and the strip; `real` where nine paths in ten are better than no skill."""

    text: str
    note: str
    real: bool
    strip: PathStrip | None


@dataclass(frozen=True, slots=True)
class PathRow:
    """One model: a cell for each of HEADLINES, then all spreads as texts, (figure, a text for each of SPREADS)."""

    name: str
    number: int
    selected: bool
    cells: tuple[PathCell, ...]
    all: tuple[tuple[str, tuple[str, ...]], ...]
    whole: str
    is_whole: bool
    stability: Stability | None


def path_rows(judgement: Judgement) -> tuple[PathRow, ...]:
    """A row for each model with paths, in the order of the recipe."""
    found = judgement.cross_validation
    if found is None:
        return ()
    scales = {figure.key: _scale(found, figure) for figure in HEADLINES}
    rows: list[PathRow] = []
    for number, model in enumerate(judgement.models):
        paths = found.of(model.name)
        if paths is not None:
            cells = tuple(_cell(paths, figure, scales[figure.key]) for figure in HEADLINES)
            told, complete = _whole(paths.oof)
            rows.append(PathRow(model.name, number, model.selected, cells, _all(paths), told, complete, paths.is_oos))
    return tuple(rows)


def _values(model: PathsOfModel, key: str) -> list[float]:
    values = [getattr(path, key, None) for path in model.paths]
    return [value for value in values if value is not None and abs(value) < float("inf")]


def _scale(found: CrossValidation, figure: Figure) -> Scale | None:
    reference = [] if figure.reference is None else [figure.reference]
    return Scale.over([*reference, *(value for model in found.models for value in _values(model, figure.key))])


def _cell(model: PathsOfModel, figure: Figure, scale: Scale | None) -> PathCell:
    spread = model.distribution.get(figure.key) or Spread()
    values = _values(model, figure.key)
    if not values:
        return PathCell(NOT_AVAILABLE, "", real=False, strip=None)
    if len(values) == 1:
        text, note = figure.say(values[0]), "one path"
    else:
        text, note = figure.say(spread.p50), _between(figure, spread)
    real = figure.reference is not None and len(values) > 1 and spread.p05 is not None and spread.p05 > figure.reference
    return PathCell(text, note, real, _strip(values, spread, figure, scale))


def _between(figure: Figure, spread: Spread) -> str:
    if spread.p05 is None or spread.p95 is None:
        return NOT_AVAILABLE
    return f"{figure.say(spread.p05)} to {figure.say(spread.p95)}"


def _strip(values: list[float], spread: Spread, figure: Figure, scale: Scale | None) -> PathStrip | None:
    if scale is None:
        return None
    low, high = (min(values) if spread.p05 is None else spread.p05), (max(values) if spread.p95 is None else spread.p95)
    left = scale.place(low)
    middle = values[0] if len(values) == 1 or spread.p50 is None else spread.p50
    said = f"{figure.title} of {plural(len(values), 'path')}: {', '.join(figure.say(value) for value in sorted(values))}"
    reference = None if figure.reference is None else scale.place(figure.reference)
    dots = tuple(scale.place(value) for value in values)
    return PathStrip(dots, left, round(scale.place(high) - left, 2), scale.place(middle), reference, said)


def _all(model: PathsOfModel) -> tuple[tuple[str, tuple[str, ...]], ...]:
    told = [(figure, spread) for figure in FIGURES if (spread := model.distribution.get(figure.key)) is not None]
    return tuple((figure.title, tuple(figure.say(getattr(spread, key)) for key, _ in SPREADS)) for figure, spread in told)


def _whole(oof: OutOfFold | None) -> tuple[str, bool]:
    """Whether each label was forecast exactly once on each path, in words."""
    if oof is None or oof.complete is None:
        return "not checked", False
    if not oof.complete:
        return "not complete: some labels lack a forecast, or have two", False
    reach = f"; {plural(oof.out_of_reach, 'label')} out of its window's reach" if oof.out_of_reach else ""
    unlabelled = sum(oof.not_labelled.values())
    without = f"; {plural(unlabelled, 'decision')} without a label" if unlabelled else ""
    return f"each of {plural(oof.n_samples, 'label')} once on {plural(oof.n_paths, 'path')}{reach}{without}", True


def cut_sentences(found: CrossValidation) -> list[str]:
    """What was cut how, and what the embargo and the purge were."""
    labels, times = plural(found.n_labels, "label"), f"{found.first_time or NOT_AVAILABLE} to {found.last_time or NOT_AVAILABLE}"
    method = {
        "cpcv": f"cut into {whole(found.n_groups)} groups in time order; every choice of {whole(found.n_test_groups)} of them judges once "
        f"while the others teach. That makes {plural(found.n_splits, 'split')}, whose forecasts make up {plural(found.n_paths, 'path')} "
        "through all of the labels",
        "purged_kfold": f"cut into {plural(found.n_splits, 'fold')} in time order; each judges once while the others teach: one path",
        "walk_forward": f"judged in {plural(found.n_splits, 'step')}, each by models that learned from what came before: one path",
    }.get(found.method, f"judged in {plural(found.n_splits, 'split')}")
    purge = "" if found.purge_bars is None else f" A label counts as at least {plural(found.purge_bars, 'bar')} long."
    return [
        f"{labels} from {times}, none of them of the test block, were {method}.",
        f"In each split whatever learns is fitted anew, on the rows that teach. Rows whose label meets the judging rows are let go of, "
        f"and those that begin within {plural(found.embargo_bars, 'bar')} after them.{purge}",
    ]


def stability_note(stability: Stability | None) -> str:
    """The figures behind the words on stability."""
    if stability is None:
        return ""
    figures = f"mean {span(stability.mean_is, stability.mean_oos, 2).replace(' to ', ' in sample, ')} out of sample"
    return f"{figures}, ratio {fixed(stability.ratio, 2)}, variation out of sample {fixed(stability.oos_cv, 2)}"


__all__ = ["HEADLINES", "SPREADS", "PathRow", "PathStrip", "cut_sentences", "path_rows", "stability_note"]
