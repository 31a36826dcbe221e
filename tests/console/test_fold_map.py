"""The map of folds: every bar has one use, what is let go of lies where it must, and the terminal's lines keep within their width."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.console import Judgement
from barmill.console.fold_lines import CHARACTERS, fold_lines
from barmill.console.fold_map import FoldMap, map_of_blocks, map_of_folds
from barmill.console.fold_picture import fold_picture
from barmill.console.judged_paths import CrossValidation
from barmill.console.judgement import Splits
from barmill.splits import CombinatorialPurgedCV, PurgedKFold, WalkForward
from console.validated import EMBARGO, HORIZON, cross_validation


def stretches_of(t0: np.ndarray, bounds: np.ndarray) -> list[tuple[int, int]]:
    return [(int(t0[start]), int(t0[stop - 1])) for start, stop in bounds]


class Labels:
    def __init__(self, t0: np.ndarray, t1: np.ndarray) -> None:
        self.t0, self.t1 = t0, t1


def drawn(splitter: Any, labels: Labels, method: str, groups: list[np.ndarray]) -> FoldMap:
    """The map of what a splitter really gives."""
    folds = list(splitter.folds(labels))
    splits = [
        {
            "number": number,
            "test_groups": list(fold.test_groups),
            "n_train": len(fold.train),
            "train": stretches_of(labels.t0, fold.train.bounds),
            "test": stretches_of(labels.t0, fold.test.bounds),
        }
        for number, fold in enumerate(folds)
    ]
    told = [{"number": k, "first_bar": int(labels.t0[rows[0]]), "last_bar": int(labels.t1[rows].max())} for k, rows in enumerate(groups)]
    head = {"method": method, "embargo_bars": splitter.embargo, "purge_bars": splitter.purge, "groups": told}
    found = map_of_folds(CrossValidation.model_validate({**head, "splits": splits}))
    assert found is not None
    return found


@settings(max_examples=25)
@given(
    seed=st.integers(0, 9),
    n=st.integers(150, 250),
    embargo=st.integers(0, 12),
    purge=st.integers(0, 12),
    splitter=st.sampled_from(["cpcv", "purged_kfold", "walk_forward"]),
)
def test_every_bar_has_one_use_and_what_teaches_is_what_the_splitter_gave(seed, n, embargo, purge, splitter) -> None:
    rng = np.random.default_rng(seed)
    t0 = np.cumsum(rng.integers(1, 4, n))
    labels = Labels(t0, t0 + rng.integers(0, 15, n))
    made = {
        "cpcv": CombinatorialPurgedCV(n_groups=5, n_test_groups=2, embargo=embargo, purge=purge),
        "purged_kfold": PurgedKFold(n_splits=4, embargo=embargo, purge=purge),
        "walk_forward": WalkForward(train_size=80, test_size=20, embargo=embargo, purge=purge),
    }[splitter]
    sizes = {"cpcv": 5, "purged_kfold": 4}
    groups = np.array_split(np.arange(n), sizes[splitter]) if splitter in sizes else [fold.test.positions() for fold in made.folds(labels)]
    found = drawn(made, labels, splitter, groups)
    for row, fold in zip(found.rows, made.folds(labels), strict=True):
        edges = [(part.first, part.last) for part in row.stretches]
        assert edges[0][0] == found.first_bar
        assert edges[-1][1] == found.last_bar
        assert all(b == a + 1 for (_, a), (b, _) in pairwise(edges))
        assert all(first <= last for first, last in edges)
        use = np.empty(found.last_bar + 1 - found.first_bar, dtype=object)
        for part in row.stretches:
            use[part.first - found.first_bar : part.last + 1 - found.first_bar] = part.use
        at = use[t0[(t0 >= found.first_bar) & (t0 <= found.last_bar)] - found.first_bar]
        kept = np.flatnonzero((t0 >= found.first_bar) & (t0 <= found.last_bar))
        assert set(kept[at == "train"].tolist()) == set(fold.train.positions().tolist())
        assert set(kept[at == "test"].tolist()) == set(fold.test.positions().tolist())


def test_purge_lies_on_both_sides_of_what_judges_and_the_embargo_after_it() -> None:
    found = map_of_folds(CrossValidation.model_validate(cross_validation({"lightgbm": 1.0})))
    assert found is not None
    row = next(row for row in found.rows if row.about == "1, 4")
    around = ["train", "purged", "test", "purged", "embargo"]
    assert [part.use for part in row.stretches] == [*around, *around, "train"]
    lengths = [part.last + 1 - part.first for part in row.stretches]
    assert (lengths[1], lengths[3], lengths[4]) == (HORIZON, HORIZON, EMBARGO)
    last = next(row for row in found.rows if row.about == "8, 9")
    assert [part.use for part in last.stretches] == ["train", "purged", "test"]


def test_in_a_walk_forward_what_is_not_used_yet_or_any_more_is_unused() -> None:
    splits = [{"number": 0, "train": [[100, 199]], "test": [[210, 299]]}, {"number": 1, "train": [[200, 299]], "test": [[310, 399]]}]
    found = map_of_folds(CrossValidation.model_validate({"method": "walk_forward", "purge_bars": 10, "splits": splits}))
    assert found is not None
    assert [[part.use for part in row.stretches] for row in found.rows] == [
        ["train", "purged", "test", "unused"],
        ["unused", "train", "purged", "test"],
    ]


def test_the_blocks_of_a_holdout_are_one_row() -> None:
    names = [("train", 0, 99), ("early_stopping", 120, 149), ("calibration", 152, 160), ("selection", 161, 170), ("test", 200, 249)]
    blocks = [{"name": name, "first_bar": first, "last_bar": last, "n": last + 1 - first} for name, first, last in names]
    found = map_of_blocks(Splits.model_validate({"blocks": blocks, "dropped": {"purged": 5}}))
    assert found is not None
    (row,) = found.rows
    uses = ["train", "embargo", "validation", "purged", "validation", "validation", "embargo", "test"]
    assert [part.use for part in row.stretches] == uses
    assert (row.n_train, row.n_test, row.n_purged) == (100, 50, 5)
    assert map_of_blocks(Splits()) is None
    assert map_of_folds(CrossValidation()) is None


@pytest.mark.parametrize("width", [72, 120, 200])
def test_lines_keep_within_the_width_and_lose_no_embargo_from_sight(width: int) -> None:
    found = map_of_folds(CrossValidation.model_validate(cross_validation({"lightgbm": 1.0})))
    assert found is not None
    lines = fold_lines(found, width)
    rows = lines[2:47]
    assert len(rows) == len(found.rows) == 45
    assert max(len(line) for line in lines[1:47]) <= width
    for row, line in zip(found.rows, rows, strict=True):
        shown = set(line[5:-25])
        assert {CHARACTERS[part.use] for part in row.stretches if part.use in ("train", "test", "embargo")} <= shown
    assert rows[0].split()[0] == "0"
    assert lines[1].startswith("split  2023-08-01")


def test_the_picture_has_an_outline_for_each_use_and_a_title_for_each_split(judgement: dict[str, Any]) -> None:
    judgement["cross_validation"] = cross_validation({"lightgbm": 1.0})
    typed = Judgement.model_validate(judgement).cross_validation
    assert typed is not None
    found = map_of_folds(typed)
    assert found is not None
    picture = fold_picture(found)
    assert [use for use, _ in picture.outlines] == ["train", "test", "purged", "embargo"]
    assert picture.outlines[1][1].count("M") == sum(len(split.test) for split in typed.splits)
    assert picture.titles[0].startswith("split 0, judged on 0, 1: ")
    assert picture.dates[0] == (0.0, "2023-08-01")
    assert picture.dates[-1][1] == "2023-11-13"
    assert len(picture.dates) <= 5
