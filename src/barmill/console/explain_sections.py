"""What the models look at: features by their share, positions by theirs, and what networks read out of themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from barmill.console.figures import SPACE, fixed, percent, plural, significant, whole
from barmill.console.judged_explanations import Explanation, ExplanationStability, OutputExplained
from barmill.console.judgement import Judgement, ModelResult

MOST_FEATURES, MOST_VARIABLES = 12, 8  # of a model: a run may have twenty models
MOST_CELLS = 60  # of a heat strip: on a phone a cell is 5 pixels wide
CLEAR = 0.3  # correlation from which a direction is one
METHODS = {
    "tree_shap": "SHAP values, exact for trees",
    "integrated_gradients": "integrated gradients",
    "coefficients": "coefficient times the feature's deviation",
    "occlusion": "change of the score when the feature is held at its median",
}
ARROWS = {"up": "↑", "down": "↓", "either": "↕"}
SPOKEN = {"up": "more of it speaks for an up", "down": "more of it speaks against an up", "either": "speaks for either"}
SPOKEN_OF_VALUES = {"up": "more of it raises what is said", "down": "more of it lowers what is said", "either": "it moves it either way"}


@dataclass(frozen=True, slots=True)
class ShareBar:
    """One feature. Places are in percent of the width; `gain` and the whisker are None where there are none."""

    feature: str
    width: float
    said: str
    arrow: str
    spoken: str
    gain: float | None = None
    whisker: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One or more positions; `heat` is in percent of the hottest."""

    heat: float
    said: str


@dataclass(frozen=True, slots=True)
class HeatStrip:
    """Positions from the oldest to the newest; `title` says whose."""

    title: str
    first: str
    last: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True)
class LooksAt:
    """What one output of one model looks at."""

    model: str
    number: int
    output: str
    bars: tuple[ShareBar, ...]
    left_out: int
    facts: tuple[str, ...]
    strips: tuple[HeatStrip, ...]
    variables: tuple[ShareBar, ...]
    components: str  # place of the chart of components, "" without one


@dataclass(frozen=True, slots=True)
class Agreement:
    """How much the splits of a cross-validation agree about a model: on shares, and on gains of trees."""

    shares: ExplanationStability | None = None
    gains: ExplanationStability | None = None


def explained_models(judgement: Judgement) -> list[LooksAt]:
    """A figure for each output that is explained, in the order of the models; empty for runs that explained nothing."""
    return [
        looks_at(model.name, number, model.explanation, output, _agreement(judgement, model) if output == "p_up" else None)
        for number, model in enumerate(judgement.models)
        if model.explanation is not None
        for output in model.explanation.outputs
    ]


def components_place(explanation: Explanation | None, number: int) -> str:
    """Where the chart of a model's components stands; "" if it has none."""
    read_out = None if explanation is None else explanation.read_out
    return f"components-{number}" if read_out and read_out.components else ""


def stability_of(judgement: Judgement, name: str, kind: str = "share") -> ExplanationStability | None:
    """How much the splits agree about the p_up of the model `name`; None without a cross-validation, or of an expert."""
    paths = judgement.cross_validation and judgement.cross_validation.of(name)
    return paths.looks_at.get(kind) if paths else None


def _agreement(judgement: Judgement, model: ModelResult) -> Agreement:
    return Agreement(stability_of(judgement, model.name), stability_of(judgement, model.name, "gain"))


def looks_at(name: str, number: int, explanation: Explanation, output: str, agreement: Agreement | None = None) -> LooksAt:
    """What one output of the model `name` looks at; `agreement` where splits of a cross-validation were compared."""
    found, read_out = explanation.outputs[output], explanation.read_out
    first = output == next(iter(explanation.outputs))
    agreed = agreement or Agreement()
    strips = _position_strips(found)
    if first and read_out.attention:
        same = len(read_out.attention) == len(found.by_position)
        strips.append(_strip("Attention of the last position", read_out.attention, "bars" if same else "positions"))
    return LooksAt(
        model=name,
        number=number,
        output="" if output == "p_up" else output,
        bars=_bars(found, agreed.shares, SPOKEN if output in ("p_up", "E_r") else SPOKEN_OF_VALUES),
        left_out=max(0, len(found.features) - MOST_FEATURES),
        facts=tuple(_facts(found, explanation.rows, agreed.shares, agreed.gains)),
        strips=tuple(strips),
        variables=_variables(explanation) if first else (),
        components=components_place(explanation, number) if first else "",
    )


def _bars(found: OutputExplained, stability: ExplanationStability | None, spoken: Mapping[str, str]) -> tuple[ShareBar, ...]:
    shown = [(entry, entry.share or 0.0) for entry in found.features[:MOST_FEATURES]]
    spreads = {spread.feature: (spread.mean, spread.std) for spread in stability.features} if stability else {}
    ends = [share for _, share in shown] + [entry.gain or 0.0 for entry, _ in shown]
    ends += [(mean or 0.0) + (std or 0.0) for mean, std in (spreads.get(entry.feature, (None, None)) for entry, _ in shown)]
    largest = max(ends, default=0.0) or 1.0

    def place(value: float) -> float:
        return round(100 * max(0.0, value) / largest, 2)

    bars: list[ShareBar] = []
    for entry, share in shown:
        mean, std = spreads.get(entry.feature, (None, None))
        whisker = None if mean is None or std is None else (place(mean - std), round(place(mean + std) - place(mean - std), 2))
        way = _way(entry.direction)
        gain = None if entry.gain is None else place(entry.gain)
        bars.append(ShareBar(entry.feature, place(share), percent(share), ARROWS[way], spoken[way], gain, whisker))
    return tuple(bars)


def _way(direction: float | None) -> str:
    if direction is None or abs(direction) < CLEAR:
        return "either"
    return "up" if direction > 0 else "down"


def _facts(
    found: OutputExplained, rows: int | None, stability: ExplanationStability | None, gains: ExplanationStability | None
) -> list[str]:
    """Sentences below the bars: how it was found, how far it is exact, how concentrated and how stable it is."""
    method = METHODS.get(found.method, found.method or "not said how")
    facts = [f"By {method}, on {plural(rows, 'row')}"]
    error, size = found.completeness.mean_error, found.completeness.size
    if error is not None and size:
        facts[0] += f"; they miss what they explain by {significant(100 * error / size, 2)}{SPACE}% in the mean"
    if found.baseline and found.method == "integrated_gradients":
        facts.append(f"Baseline: {found.baseline}")
    if found.gini is not None:
        facts.append(f"Gini of importances {fixed(found.gini, 2)} over {plural(len(found.features), 'feature')}")
    half = _half_of(found)
    if half:
        facts.append(half)
    if stability is not None and stability.rank_correlation is not None:
        facts.append(
            f"Over {plural(stability.splits, 'split')} the ranks correlate by {fixed(stability.rank_correlation, 2)} "
            f"(at least {fixed(stability.least, 2)}), and {percent(stability.top_kept, 2)} of the top {whole(stability.top)} stay "
            f"({percent(stability.by_chance, 2)} would by chance)"
        )
    if gains is not None and gains.rank_correlation is not None:
        facts.append(
            f"The ranks of gains correlate by {fixed(gains.rank_correlation, 2)}, and {percent(gains.top_kept, 2)} of their top stay"
        )
    return facts


def _half_of(found: OutputExplained) -> str:
    """How far back half of what moves the output lies; "" where positions are not all of one timeframe."""
    shares = [share or 0.0 for share in found.by_position]
    if len(set(found.scales)) > 1 or sum(shares) <= 0:
        return ""
    reached, bars = 0.0, 0
    while reached < sum(shares) / 2:
        bars += 1
        reached += shares[-bars]
    return "Half of it or more comes from the decision bar" if bars == 1 else f"Half of it comes from the last {bars} of {len(shares)} bars"


def _position_strips(found: OutputExplained) -> list[HeatStrip]:
    """A strip for each timeframe, on one scale of colours."""
    if not found.by_position:
        return []
    hottest = max((share or 0.0 for share in found.by_position), default=0.0)
    if len(found.scales) != len(found.by_position):
        return [_strip("By bar", found.by_position, "bars", hottest)]
    runs = [[place for place, _ in group] for _, group in groupby(enumerate(found.scales), key=lambda pair: pair[1])]
    return [_strip(f"By bar of {found.scales[run[0]]}", [found.by_position[i] for i in run], "bars", hottest) for run in runs]


def _strip(title: str, shares: Sequence[float | None], unit: str, hottest: float | None = None) -> HeatStrip:
    """Shares of positions, of long windows in groups of equal length that end at the newest; a group is as hot as its hottest."""
    known = [share or 0.0 for share in shares]
    top = (max(known) if hottest is None else hottest) or 1.0
    n, stride = len(known), -(-len(known) // MOST_CELLS)
    ends = sorted(range(n, 0, -stride))
    cells: list[HeatCell] = []
    for end in ends:
        start = max(0, end - stride)
        group = known[start:end]
        newest, oldest = n - end, n - 1 - start
        where = _back(oldest, unit) if newest == oldest else f"{newest} to {oldest} {unit} back"
        cells.append(HeatCell(round(100 * max(group) / top, 1), f"{where}: {percent(sum(group), 2)}"))
    return HeatStrip(title, _back(n - 1, unit) if n > 1 else "", "decision bar" if unit == "bars" else "newest", tuple(cells))


def _back(count: int, unit: str) -> str:
    if count == 0:
        return "decision bar" if unit == "bars" else "newest"
    return f"{count} {unit if count > 1 else unit.removesuffix('s')} back"


def _variables(explanation: Explanation) -> tuple[ShareBar, ...]:
    """What a network's own variable selection weighs, most first."""
    shown = [(entry.feature, entry.weight or 0.0) for entry in explanation.read_out.variables[:MOST_VARIABLES]]
    largest = max((weight for _, weight in shown), default=0.0) or 1.0
    return tuple(ShareBar(feature, round(100 * weight / largest, 2), significant(weight), "", "") for feature, weight in shown)


__all__ = ["HeatCell", "HeatStrip", "LooksAt", "ShareBar", "components_place", "explained_models", "looks_at", "stability_of"]
