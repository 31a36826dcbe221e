"""The leaderboard in rows and words, for the report and for the terminal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from barmill.console.figures import NOT_AVAILABLE, duration, fixed, listed, percent, plural, significant, span, whole
from barmill.console.judged_leaderboard import Leaderboard, Standing
from barmill.console.judgement import Judgement, Timings
from barmill.console.luck_sections import SURE

BLOCKS = {"cross_validation": "on the paths of the cross-validation", "test": "on the test block"}
KIB = 1024


@dataclass(frozen=True, slots=True)
class LeaderCell:
    """One figure: as written, a note beside it, and the number by which a column is sorted (empty if there is none).

    real : it stands above its bar; odd : it lies where chance alone would not have put it
    """

    text: str
    key: str = ""
    note: str = ""
    real: bool = False
    odd: bool = False


@dataclass(frozen=True, slots=True)
class LeaderRow:
    """One model. `rank` reads `2 =` where others share it; `first` says that it is the first row of its rank."""

    name: str
    detail: str
    number: int
    selected: bool
    rank: str
    first: bool
    beaten_by: str
    cells: tuple[LeaderCell, ...]


HEADINGS = (
    ("Log loss", ""),
    ("AUC", ""),
    ("ECE", ""),
    ("IC", ""),
    ("Coverage", "of 90 %"),
    ("Net Sharpe", "interval"),
    ("Net rank", "by return"),
    ("DSR", "against luck"),
    ("Turnover", "a year"),
    ("Drawdown", "largest"),
    ("Training", ""),
    ("Latency", "one forecast"),
    ("Size", "of the bundle"),
)


def with_clocks(board: Leaderboard, timings: Timings | None) -> Leaderboard:
    """The leaderboard with the seconds of each fit and the microseconds of a forecast, where the run kept them."""
    if timings is None:
        return board
    models = tuple(
        model.model_copy(
            update={
                "train_s": timings.stages.get(f"fit {model.name}", model.train_s),
                "latency_us": timings.latency[model.name].p50_us if model.name in timings.latency else model.latency_us,
            }
        )
        for model in board.models
    )
    return board.model_copy(update={"models": models})


def leader_rows(judgement: Judgement, timings: Timings | None) -> tuple[LeaderRow, ...]:
    """A row for each model, by rank; the colours are those of the run's other sections."""
    if judgement.leaderboard is None:
        return ()
    board = with_clocks(judgement.leaderboard, timings)
    numbers = {model.name: number for number, model in enumerate(judgement.models)}
    return tuple(
        LeaderRow(
            model.name,
            _detail(model),
            numbers.get(model.name, 0),
            model.selected,
            _rank(model.rank, [one.rank for one in board.models]),
            place == 0 or board.models[place - 1].rank != model.rank,
            f"beaten by {listed(list(model.beaten_by))}" if model.beaten_by else "",
            _cells(model, board),
        )
        for place, model in enumerate(board.models)
    )


def _detail(model: Standing) -> str:
    known = model.model if model.model != model.name.rpartition(":")[2] else ""
    if model.members:
        return f"{known + ', ' if known else ''}{model.family} of {listed(list(model.members))}"
    inputs = "" if model.inputs is None else plural(model.inputs, "input")
    return ", ".join(word for word in (known, model.family, inputs) if word)


def _rank(rank: int | None, ranks: list[int | None]) -> str:
    if rank is None:
        return NOT_AVAILABLE
    return f"{rank} =" if ranks.count(rank) > 1 else str(rank)


def _cells(model: Standing, board: Leaderboard) -> tuple[LeaderCell, ...]:
    interval = span(*model.interval, decimals=2) if model.interval else ""
    net_rank = _rank(model.net_rank, [one.net_rank for one in board.models])
    return (
        LeaderCell(fixed(model.log_loss, 4), _key(model.log_loss)),
        LeaderCell(fixed(model.auc, 3), _key(model.auc)),
        LeaderCell(fixed(model.ece, 4), _key(model.ece)),
        LeaderCell(fixed(model.ic, 3), _key(model.ic)),
        LeaderCell(percent(model.coverage_90), _key(model.coverage_90), odd=_is_off(model.coverage_90, board)),
        LeaderCell(fixed(model.sharpe, 2), _key(model.sharpe), interval),
        LeaderCell(net_rank, _key(model.net_rank)),
        LeaderCell(fixed(model.dsr, 3), _key(model.dsr), real=model.dsr is not None and model.dsr > SURE),
        LeaderCell(f"{significant(model.turnover)}×" if model.turnover is not None else NOT_AVAILABLE, _key(model.turnover)),
        LeaderCell(percent(model.max_drawdown), _key(model.max_drawdown)),
        LeaderCell(duration(model.train_s), _key(model.train_s)),
        LeaderCell(latency(model.latency_us), _key(model.latency_us)),
        LeaderCell(size(model.size_bytes), _key(model.size_bytes)),
    )


def _key(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _is_off(coverage: float | None, board: Leaderboard) -> bool:
    """Whether a coverage lies where that of an honest band would not have come to lie by chance."""
    low, high = board.coverage_band or (None, None)
    return coverage is not None and low is not None and high is not None and not low <= coverage <= high


def latency(microseconds: float | None) -> str:
    """143 µs, 2.31 ms."""
    if microseconds is None:
        return NOT_AVAILABLE
    return (
        f"{significant(microseconds)}\N{NO-BREAK SPACE}µs"
        if microseconds < 1000
        else f"{significant(microseconds / 1000)}\N{NO-BREAK SPACE}ms"
    )


def size(n_bytes: int | None) -> str:
    """812 KiB, 3.1 MiB."""
    if n_bytes is None:
        return NOT_AVAILABLE
    kib = n_bytes / KIB
    return f"{significant(kib)}\N{NO-BREAK SPACE}KiB" if kib < KIB else f"{significant(kib / KIB)}\N{NO-BREAK SPACE}MiB"


def board_notes(board: Leaderboard) -> list[str]:
    """What ranks mean here, and what must be known before they are read."""
    notes: list[str] = []
    if board.differs:
        differs = f"The runs differ in {listed(list(board.differs))}"
        if board.paired:
            notes.append(f"{differs}: a difference between their models may be one of these.")
        else:
            notes.append(f"{differs}, so their models were not tested against each other and have no ranks.")
    elif not board.paired:
        notes.append("The runs share too few rows for their models to be tested against each other.")
    if board.paired and board.pairs:
        where = BLOCKS.get(board.block, "")
        notes.append(
            f"Ranks are by log loss at {whole(board.n_labels)} labels {where}: Diebold and Mariano's test of every pair, corrected by Holm "
            f"for {plural(len(board.pairs), 'pair')} at {percent(board.alpha, 1)}. Models that share a rank beat none of each other; a "
            "rank further down is beaten from the rank above. The net rank says the same of net returns, by a paired bootstrap over "
            f"{whole(board.n_bars)} bars."
        )
    if board.coverage_band:
        low, high = board.coverage_band
        notes.append(f"An honest 90 % band would cover {percent(low)} to {percent(high)} by chance; labels that overlap count as one.")
    if board.pbo is not None:
        notes.append(f"PBO of choosing among these models: {percent(board.pbo)}.")
    return notes


_COLUMNS: tuple[tuple[str, Callable[[Standing], str]], ...] = (
    ("log loss", lambda m: fixed(m.log_loss, 4)),
    ("AUC", lambda m: fixed(m.auc, 3)),
    ("ECE", lambda m: fixed(m.ece, 3)),
    ("IC", lambda m: fixed(m.ic, 3)),
    ("cover 90%", lambda m: percent(m.coverage_90)),
    ("Sharpe net", lambda m: fixed(m.sharpe, 2)),
    ("interval", lambda m: span(*m.interval, decimals=1) if m.interval else NOT_AVAILABLE),
    ("net rank", lambda m: NOT_AVAILABLE if m.net_rank is None else str(m.net_rank)),
    ("DSR", lambda m: fixed(m.dsr, 3)),
    ("turn- over", lambda m: significant(m.turnover)),
    ("draw- down", lambda m: percent(m.max_drawdown)),
    ("train", lambda m: duration(m.train_s)),
    ("latency", lambda m: latency(m.latency_us)),
    ("size", lambda m: size(m.size_bytes)),
)


def leaderboard_rows(board: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a leaderboard in plain JSON, as text."""
    read = Leaderboard.model_validate(board)
    ranks = [model.rank for model in read.models]
    rows = [
        [_rank(model.rank, ranks), f"{model.name}{' *' if model.selected else ''}", *(say(model) for _, say in _COLUMNS)]
        for model in read.models
    ]
    return ["rank", "model", *(heading for heading, _ in _COLUMNS)], rows


def leaderboard_notes(board: Mapping[str, Any]) -> list[str]:
    """`board_notes` of a leaderboard in plain JSON, and what its ensembles combine; of one run also whether they are better for it."""
    read = Leaderboard.model_validate(board)
    combined = [f"{model.name} combines {listed(list(model.members))}." for model in read.models if model.members]
    return [*board_notes(read), *(combined if not read.ensembles else []), *read.ensembles.values()]


__all__ = ["HEADINGS", "LeaderRow", "board_notes", "leader_rows", "leaderboard_notes", "leaderboard_rows"]
