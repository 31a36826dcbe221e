"""Leaks between training and test: embargo, purging, shuffling, rows that stand twice."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from barmill.evaluation.leakage.dossier import Dossier
from barmill.market import Bars
from planted_leaks.columns_of_bars import HORIZON
from planted_leaks.leak import PlantedLeak
from planted_leaks.markets import Market
from planted_leaks.study import EMBARGO, EVERY, Study, purged_blocks, study, with_column

Blocks = dict[str, np.ndarray]


def cut(blocks_of: Callable[[Study], Blocks], **more: object) -> Callable[[Market], Dossier]:
    """The honest study, cut in another way."""

    def make(market: Market) -> Dossier:
        made = study(market)
        return replace(made, blocks=blocks_of(made)).with_more(feature_maker=None, **more).dossier()

    return make


def free(bars: int) -> Callable[[Study], Blocks]:
    """Train and test with so many bars free between the last label's end and the first decision."""

    def blocks(made: Study) -> Blocks:
        last = int(0.75 * made.t0.size)
        first = int(np.searchsorted(made.t0, made.t1[last] + bars, side="right"))
        while made.t0[first] != made.t1[last] + bars + EVERY and last < made.t0.size - 200:  # a gap in the bars: move on
            last += 1
            first = int(np.searchsorted(made.t0, made.t1[last] + bars, side="right"))
        return {"train": np.arange(last + 1), "test": np.arange(first, made.t0.size)}

    return blocks


def fold(purge_bars: int | None) -> Callable[[Study], Blocks]:
    """The third of five folds as the test; of the others go the labels that meet it, or those within `purge_bars` bars."""

    def blocks(made: Study) -> Blocks:
        test = np.array_split(np.arange(made.t0.size), 5)[2]
        begin, end = made.t0[test[0]], made.t1[test].max()
        if purge_bars is None:
            keep = (made.t1 < begin) | (made.t0 > end + EMBARGO)
        else:
            keep = (made.t0 < begin - purge_bars) | (made.t0 > made.t0[test[-1]] + purge_bars)
        return {"train": np.flatnonzero(keep), "test": test}

    return blocks


def short_folds(purge: bool) -> Callable[[Study], Blocks]:
    """Every tenth block of 40 decisions is the test's."""

    def blocks(made: Study) -> Blocks:
        number = np.arange(made.t0.size)
        is_test = number // 40 % 10 == 5
        test = np.flatnonzero(is_test)
        keep = ~is_test
        if purge:
            for run in np.split(test, np.flatnonzero(np.diff(test) > 1) + 1):
                keep &= (made.t1 < made.t0[run[0]]) | (made.t0 > made.t1[run].max() + EMBARGO)
        return {"train": np.flatnonzero(keep), "test": test}

    return blocks


def shuffled(made: Study) -> Blocks:
    """train_test_split as it comes."""
    drawn = np.random.default_rng(3).permutation(made.t0.size)
    n = int(0.8 * drawn.size)
    return {"train": np.sort(drawn[:n]), "test": np.sort(drawn[n:])}


def in_order(made: Study) -> Blocks:
    return purged_blocks(made.t0, made.t1)


def trained_on_the_later(made: Study) -> Blocks:
    """Blocks taken from the wrong end: what was judged lies before what was learned from."""
    blocks = purged_blocks(made.t0, made.t1, shares={"first": 0.2, "second": 0.8})
    return {"train": blocks["second"], "test": blocks["first"]}


def doubled(where: str) -> Callable[[Market], Dossier]:
    """Rare rows drawn again to balance the classes: before the split, so that a copy lies on each side, or within train alone."""

    def make(market: Market) -> Dossier:
        made = study(market)
        test = made.blocks["test"]
        again = test[::20] if where == "before the split" else made.blocks["train"][::20]
        at = np.concatenate([np.arange(made.t0.size), again])
        order = np.argsort(at, kind="stable")
        rows = at[order]
        is_copy = np.concatenate([np.zeros(made.t0.size, dtype=bool), np.ones(again.size, dtype=bool)])[order]
        block_of = np.full(made.t0.size, -1)
        for number, name in enumerate(made.blocks):
            block_of[made.blocks[name]] = number
        of_row = np.where(is_copy, 0, block_of[rows])
        blocks = {name: np.flatnonzero(of_row == number) for number, name in enumerate(made.blocks)}
        fields = {"X": made.X[rows], "y": made.y[rows], "outcome": made.outcome[rows], "t0": made.t0[rows], "t1": made.t1[rows]}
        return made.with_more(**fields, feature_maker=None, blocks=blocks, known_at=made.bars.close_time[made.t0[rows]]).dossier()

    return make


def two_symbols(by_time: bool) -> Callable[[Market], Dossier]:
    """Rows of two markets, one below the other, cut by the number of the row or at the same instant."""

    def make(market: Market) -> Dossier:
        made = study(market)
        n = made.t0.size
        sister = made.bars.column("sister")
        outcome = sister[made.t1] / sister[made.t0] - 1.0
        fields: dict[str, np.ndarray] = {
            "X": np.vstack([made.X, made.X[:, ::-1]]),
            "outcome": np.concatenate([made.outcome, outcome]),
            "t0": np.tile(made.t0, 2),
            "t1": np.tile(made.t1, 2),
        }
        order = np.argsort(fields["t0"], kind="stable")
        blocks = purged_blocks(made.t0, made.t1, shares={"train": 0.75, "test": 0.25})
        if by_time:
            said = {name: np.concatenate([rows, rows + n]) for name, rows in blocks.items()}
        else:
            said = {"train": np.arange(int(1.5 * n)), "test": np.arange(int(1.5 * n) + HORIZON, 2 * n)}
        place = np.empty(2 * n, dtype=np.int64)
        place[order] = np.arange(2 * n)
        fields = {name: values[order] for name, values in fields.items()}
        more = {"y": (fields["outcome"] > 0).astype(np.int64), "known_at": made.bars.close_time[fields["t0"]]}
        return made.with_more(**fields, **more, blocks={k: np.sort(place[v]) for k, v in said.items()}, feature_maker=None).dossier()

    return make


def stamped(late_ms: int) -> Callable[[Market], Dossier]:
    """Decisions stamped `late_ms` after the close of their bar."""

    def make(market: Market) -> Dossier:
        made = study(market)
        return made.with_more(feature_maker=None, known_at=made.bars.close_time[made.t0] + late_ms).dossier()

    return make


def repeated(share: float) -> Callable[[Market], Dossier]:
    """Bars to which a file was appended twice: the last `share` of the prices are those of earlier bars, under new times."""

    def make(market: Market) -> Dossier:
        bars, n = market.bars, len(market.bars)
        source = np.arange(n)
        again = int(share * n)
        if again:
            source[n - again :] = np.arange(n // 3, n // 3 + again)
        taken = [bars.column(name)[source] for name in ("open", "high", "low", "close", "volume")]
        copied = Bars.from_columns(bars.instrument, bars.timeframe, bars.open_time, *taken)
        return study(Market(market.name, copied, market.sister[source])).dossier()

    return make


# ---- columns that tell the blocks apart


def told_apart(values_of: Callable[[Study], np.ndarray], name: str) -> Callable[[Market], Dossier]:
    def make(market: Market) -> Dossier:
        made = study(market)
        return with_column(made, name, values_of(made)).dossier()

    return make


def row_index(made: Study) -> np.ndarray:
    return np.arange(len(made.bars), dtype=float)


def minute_of_day(made: Study) -> np.ndarray:
    return (made.bars.open_time // 60_000 % 1440).astype(float)


def time_stamp(made: Study) -> np.ndarray:
    return made.bars.open_time / 1e9


def day_of_week(made: Study) -> np.ndarray:
    return (made.bars.open_time // 86_400_000 % 7).astype(float)


def merged_twice(made: Study) -> np.ndarray:
    """A column of another file that ends where training ends: its last value is carried on."""
    values = made.table["return_60"].to_numpy(copy=True)
    cut = int(made.t1[made.blocks["train"][-1]])
    values[cut + 1 :] = values[cut]
    return values


def merged_once(made: Study) -> np.ndarray:
    return made.table["return_60"].to_numpy(copy=True)


LEAKS = (
    PlantedLeak("embargo_off_by_one", "purge and embargo", (), cut(free(EMBARGO - EVERY)), cut(free(EMBARGO))),
    PlantedLeak("labels_touch", "purge and embargo", (), cut(free(-EVERY), embargo_bars=0), cut(free(0), embargo_bars=0)),
    PlantedLeak("unpurged_fold", "purge and embargo", (), cut(fold(0), in_time_order=False), cut(fold(None), in_time_order=False)),
    PlantedLeak("fixed_purge", "purge and embargo", (), cut(fold(HORIZON // 2), in_time_order=False), cut(fold(None), in_time_order=False)),
    PlantedLeak(
        "short_folds", "purge and embargo", (), cut(short_folds(False), in_time_order=False), cut(short_folds(True), in_time_order=False)
    ),
    PlantedLeak("shuffled", "rows", (), cut(shuffled), cut(in_order)),
    PlantedLeak("shuffled_as_folds", "rows", (), cut(shuffled, in_time_order=False), cut(fold(None), in_time_order=False)),
    PlantedLeak("later_taught", "rows", (), cut(trained_on_the_later), cut(in_order)),
    PlantedLeak("duplicates", "rows", (), doubled("before the split"), doubled("within train")),
    PlantedLeak("two_symbols", "rows", (), two_symbols(False), two_symbols(True)),
    PlantedLeak("repeated_bars", "rows", (), repeated(0.15), repeated(0.0)),
    PlantedLeak("stamped_at_open", "clock", (), stamped(-60_000), stamped(0)),
    PlantedLeak("stamped_hour_early", "clock", (), stamped(-3_600_000), stamped(0)),
    PlantedLeak("row_index", "tells blocks apart", ("number",), told_apart(row_index, "number"), told_apart(minute_of_day, "number")),
    PlantedLeak("time_stamp", "tells blocks apart", ("stamp",), told_apart(time_stamp, "stamp"), told_apart(day_of_week, "stamp")),
    PlantedLeak(
        "ends_with_train",
        "tells blocks apart",
        ("merged",),
        told_apart(merged_twice, "merged"),
        told_apart(merged_once, "merged"),
        "warning",
    ),
)
