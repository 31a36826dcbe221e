"""The ensembles of a run in words and rows: better than the best member or not, what each member brings, and what it costs."""

from dataclasses import dataclass

from barmill.console.figures import NOT_AVAILABLE, duration, fixed, listed, percent, plural, span
from barmill.console.judged_ensembles import Comparison, Diversity, EnsembleResult, MemberFigures, Overhead, Pair
from barmill.console.judgement import Judgement, Timings

STANDINGS = {"better": "better", "worse": "worse", "mixed": "mixed", "not better": "not better"}
HEADINGS = (
    ("Share", "of the ensemble"),
    ("Gain", "without it, loss rises by"),
    ("Error correlation", "mean of its pairs"),
    ("Shift", "by refitting"),
    ("Log loss", "alone, out of fold"),
)
MOVED = 2.0  # times as far as fold models lie apart: what `ensembles.shift` calls notable
MOST_SHARES = 15


@dataclass(frozen=True, slots=True)
class MemberCell:
    """One figure; `real`: above 0 beyond chance; `odd`: below 0 beyond chance, or further than is usual."""

    text: str
    note: str = ""
    real: bool = False
    odd: bool = False


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One member; `number` is its place among the models of the run."""

    name: str
    number: int
    cells: tuple[MemberCell, ...]


@dataclass(frozen=True, slots=True)
class ShareOf:
    """The share of one meta-feature; `width` is in percent of the largest."""

    name: str
    number: int
    width: float
    said: str


@dataclass(frozen=True, slots=True)
class EnsemblePart:
    """One ensemble.

    number : its place among the models of the run; kind : in words; standing : one of STANDINGS, or ""
    verdict, ahead : better or not, and on how many paths
    notes : what the table rests on, and what the checks came to
    pairs : (block of rows, a row for each pair: members, error correlation, Q, disagreement)
    paths : (path, log loss, net return) of the ensemble less its best member
    weights_place : id of the chart of weights through time, "" where they do not move; weights_said : their ranges in words
    """

    name: str
    number: int
    kind: str
    standing: str
    verdict: str
    ahead: str
    rows: tuple[MemberRow, ...]
    notes: tuple[str, ...]
    shares: tuple[ShareOf, ...]
    pairs: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    paths: tuple[tuple[str, str, str], ...]
    weights_place: str
    weights_said: str


def ensemble_parts(judgement: Judgement, timings: Timings | None) -> tuple[EnsemblePart, ...]:
    """A part for each ensemble, in the order of the recipe."""
    numbers = {model.name: number for number, model in enumerate(judgement.models)}
    return tuple(_part(one, numbers, timings) for one in judgement.ensembles)


def weights_place(number: int) -> str:
    """Where the chart of weights of the ensemble at `number` among the models stands."""
    return f"weights-{number}"


def _part(ensemble: EnsembleResult, numbers: dict[str, int], timings: Timings | None) -> EnsemblePart:
    number, found = numbers.get(ensemble.name, 0), ensemble.comparison
    overhead = timings.ensembles.get(ensemble.name) if timings else None
    moves = ensemble.weights.through_time is not None
    return EnsemblePart(
        name=ensemble.name,
        number=number,
        kind=f"{ensemble.kind.replace('_', ' ')} of {listed(list(ensemble.members))}",
        standing=STANDINGS.get(found.standing, "") if found else "",
        verdict=found.words if found else "It was not compared with its members.",
        ahead=_ahead(found) if found else "",
        rows=tuple(_row(label, numbers.get(label, 0), ensemble) for label in ensemble.members),
        notes=tuple(note for note in (_left_out(ensemble), _shifted(ensemble), _folds(ensemble), _cost(overhead)) if note),
        shares=_shares(ensemble, numbers) if ensemble.weights.kind == "importance" else (),
        pairs=tuple((f"{title}, {plural(block.rows, 'row')}", tuple(map(_pair_row, block.pairs))) for title, block in _blocks(ensemble)),
        paths=tuple((str(path.path), _difference(path.log_loss), points(path.net_return)) for path in found.paths) if found else (),
        weights_place=weights_place(number) if moves else "",
        weights_said=_weights_said(ensemble) if moves else "",
    )


def _ahead(found: Comparison) -> str:
    """On how many paths the ensemble is ahead of its best member."""
    if len(found.paths) < 2:
        return ""
    by_loss = sum(path.log_loss is not None and path.log_loss < 0 for path in found.paths)
    by_return = sum(path.net_return is not None and path.net_return > 0 for path in found.paths)
    return f"It is ahead of {found.best_member} on {by_loss} of {len(found.paths)} paths by log loss, on {by_return} by net return."


def _row(label: str, number: int, ensemble: EnsembleResult) -> MemberRow:
    figures = ensemble.table.get(label, MemberFigures())
    helps, hurts = figures.low is not None and figures.low > 0, figures.high is not None and figures.high < 0
    cells = (
        MemberCell(percent(figures.share)),
        MemberCell(_difference(figures.gain), _interval(figures), real=helps, odd=hurts),
        MemberCell(fixed(figures.error_correlation, 3)),
        MemberCell(f"{fixed(figures.shift, 1)}×" if figures.shift is not None else NOT_AVAILABLE, odd=(figures.shift or 0.0) > MOVED),
        MemberCell(fixed(ensemble.out_of_fold.alone.get(label), 4)),
    )
    return MemberRow(label, number, cells)


def _interval(figures: MemberFigures) -> str:
    return "" if figures.low is None or figures.high is None else span(figures.low, figures.high, 4)


def _difference(value: float | None) -> str:
    """With its sign: +0.0012."""
    text = fixed(value, 4)
    return f"+{text}" if value is not None and value > 0 else text


def points(share: float | None) -> str:
    """A difference of returns in percentage points, with its sign."""
    if share is None:
        return NOT_AVAILABLE
    text = fixed(100 * share, 2)
    return f"{'+' if share > 0 else ''}{text} points"


def _left_out(ensemble: EnsembleResult) -> str:
    found = ensemble.out_of_fold.diversity
    if found.not_left_out:
        return f"No member could be left out: {found.not_left_out}"
    if found.loss is None:
        return ""
    return (
        f"Gain: the ensemble was fitted again without each member, {plural(found.n_fits, 'fit')} in {plural(found.n_folds, 'fold')}, and "
        f"judged on {plural(ensemble.out_of_fold.rows, 'row')} out of fold that no such fit saw. With all members its log loss there is "
        f"{fixed(found.loss, 4)}. Below each gain stands its 95 % interval."
    )


def _shifted(ensemble: EnsembleResult) -> str:
    if not ensemble.shift.words:
        return ""
    seen = f"on {plural(ensemble.shift.rows, 'row')} that neither saw"
    return f"Shift: members refitted on all of train against those of the folds, {seen}. {ensemble.shift.words}"


def _folds(ensemble: EnsembleResult) -> str:
    words = ensemble.out_of_fold.fold_information.words
    return f"Do forecasts out of fold give away their fold? {words}" if words else ""


def _cost(overhead: Overhead | None) -> str:
    if overhead is None or overhead.own_s is None:
        return ""
    beside = f", {percent(overhead.share)} of the {duration(overhead.members_s)} that those of its members took" if overhead.share else ""
    evidence = f"; what stands here took {duration(overhead.evidence_s)} more" if overhead.evidence_s is not None else ""
    return f"Cost: its own fit and calibration took {duration(overhead.own_s)}{beside}{evidence}."


def _shares(ensemble: EnsembleResult, numbers: dict[str, int]) -> tuple[ShareOf, ...]:
    known = [(name, share) for name, share in ensemble.weights.shares.items() if share is not None]
    shown = sorted(known, key=lambda one: (-one[1], one[0]))[:MOST_SHARES]
    most = max((share for _, share in shown), default=0.0) or 1.0
    own = numbers.get(ensemble.name, 0)  # of what no single member says: a gate beside them, a regime
    places = {name: numbers.get(name.partition(".")[0], own) for name, _ in shown}
    return tuple(ShareOf(name, places[name], round(100 * share / most, 1), percent(share)) for name, share in shown)


def _blocks(ensemble: EnsembleResult) -> list[tuple[str, Diversity]]:
    out_of_fold = ensemble.out_of_fold.diversity.model_copy(update={"rows": ensemble.out_of_fold.rows})
    found = (
        ("out of fold", out_of_fold),
        ("splits of the cross-validation", ensemble.diversity.cross_validation),
        ("test block", ensemble.diversity.test),
    )
    return [(title, block) for title, block in found if block is not None and block.pairs]


def _pair_row(pair: Pair) -> tuple[str, ...]:
    figures = fixed(pair.error_correlation, 3), fixed(pair.q_statistic, 3), percent(pair.disagreement)
    return f"{pair.first}, {pair.second}", *figures


def _weights_said(ensemble: EnsembleResult) -> str:
    assert ensemble.weights.through_time is not None
    ranges = [
        f"{label} from {percent(min(known))} to {percent(max(known))}"
        for label, weights in ensemble.weights.through_time.members.items()
        if (known := [weight for weight in weights if weight is not None])
    ]
    whose = "its gate's weights, whose blend is one input, " if ensemble.weights.kind == "importance" else "the weights "
    return f"Over {plural(ensemble.weights.n_bars, 'bar')} of the test block {whose}go: {listed(ranges)}."


__all__ = ["HEADINGS", "EnsemblePart", "MemberRow", "ensemble_parts", "points", "weights_place"]
