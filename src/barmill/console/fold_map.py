"""The map of a run's folds: which bars teach, which judge, and which are let go of in each split. The report and the terminal draw it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from barmill.console.figures import listed
from barmill.console.judged_paths import CrossValidation, FoldOfRun, Group
from barmill.console.judgement import Block, Splits

Use = Literal["train", "validation", "test", "purged", "embargo", "unused"]
USES: tuple[Use, ...] = ("train", "validation", "test", "purged", "embargo", "unused")
MEANINGS: dict[Use, str] = {
    "train": "teaches",
    "validation": "stops, calibrates, selects",
    "test": "judges",
    "purged": "let go of: its labels meet the rows that judge",
    "embargo": "let go of: too close to the rows that judge",
    "unused": "not used in this split",
}
_VALIDATION = ("early_stopping", "calibration", "ensemble", "conformal", "selection")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bars `first` .. `last`, both included, of one use."""

    first: int
    last: int
    use: Use


@dataclass(frozen=True, slots=True)
class FoldRow:
    """One split: its stretches cover all bars of the map, in time order, without a gap; `about` are the groups that judge."""

    name: str
    about: str
    stretches: tuple[Stretch, ...]
    n_train: int | None
    n_test: int | None
    n_purged: int | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A bar whose date is told above the map."""

    bar: int
    time: str


@dataclass(frozen=True, slots=True)
class FoldMap:
    """All splits over the bars `first_bar` .. `last_bar`, both included: from the first decision to the last.

    marks : where groups or blocks begin, then the end, in time order
    embargo_bars, purge_bars : as the splits were told; None where the record does not hold them
    """

    title: str
    first_bar: int
    last_bar: int
    marks: tuple[Mark, ...]
    rows: tuple[FoldRow, ...]
    embargo_bars: int | None
    purge_bars: int | None

    @property
    def uses(self) -> tuple[Use, ...]:
        """Those that occur, in the order of a legend."""
        found = {stretch.use for row in self.rows for stretch in row.stretches}
        return tuple(use for use in USES if use in found)

    def to_json(self) -> dict[str, object]:
        """Plain values, bars both included."""
        rows = [
            {
                "name": row.name,
                "about": row.about,
                "n_train": row.n_train,
                "n_test": row.n_test,
                "n_purged": row.n_purged,
                "stretches": [{"use": part.use, "first_bar": part.first, "last_bar": part.last} for part in row.stretches],
            }
            for row in self.rows
        ]
        return {
            "title": self.title,
            "first_bar": self.first_bar,
            "last_bar": self.last_bar,
            "embargo_bars": self.embargo_bars,
            "purge_bars": self.purge_bars,
            "marks": [{"bar": mark.bar, "time": mark.time} for mark in self.marks],
            "splits": rows,
        }


def map_of_folds(found: CrossValidation) -> FoldMap | None:
    """The map of a cross-validation; None without any split."""
    edges = [edge for split in found.splits for part in (*split.train, *split.test) for edge in part]
    if not edges:
        return None
    groups = [group for group in found.groups if group.first_bar is not None and group.last_bar is not None]
    first, last = min(edges), max(edges)
    marks = [Mark(group.first_bar or 0, group.first_time or "") for group in groups]
    marks.append(Mark(last, found.last_time or ""))
    rows = tuple(_row(split, found, groups, first, last) for split in found.splits)
    return FoldMap(method_words(found), first, last, tuple(marks), rows, found.embargo_bars, found.purge_bars)


def method_words(found: CrossValidation) -> str:
    """The method with its numbers: combinatorial purged, 10 groups of which 2 judge, 45 splits, 9 paths."""
    splits, paths = f"{found.n_splits} splits", f"{found.n_paths} path{'' if found.n_paths == 1 else 's'}"
    if found.method == "cpcv":
        return f"combinatorial purged, {found.n_groups} groups of which {found.n_test_groups} judge: {splits}, {paths}"
    name = {"purged_kfold": "purged k-fold", "walk_forward": "walk-forward"}.get(found.method, found.method.replace("_", " "))
    return f"{name}: {splits}, {paths}"


def _row(split: FoldOfRun, found: CrossValidation, groups: list[Group], first: int, last: int) -> FoldRow:
    used = sorted([Stretch(*part, "train") for part in split.train] + [Stretch(*part, "test") for part in split.test], key=_first)
    stretches = [Stretch(first, used[0].first - 1, "unused")] if used[0].first > first else []
    last_taught = max((part.last for part in used if part.use == "train"), default=first)
    for part, following in pairwise([*used, None]):
        assert part is not None
        stretches.append(part)
        gap = (part.last + 1, last if following is None else following.first - 1)
        if gap[1] < gap[0]:
            continue
        if part.use == "test" and last_taught > gap[0]:
            stretches += _after(*gap, _reach(part.last, groups, found.purge_bars or 0))
        elif part.use == "train" and following is not None:
            stretches += _before(*gap, found.embargo_bars if found.method == "walk_forward" else 0)
        else:
            stretches.append(Stretch(*gap, "unused"))
    about = ", ".join(str(number) for number in split.test_groups)
    return FoldRow(str(split.number), about, tuple(stretches), split.n_train, split.n_test, split.n_purged)


def _first(part: Stretch) -> int:
    return part.first


def _reach(last_test: int, groups: list[Group], purge_bars: int) -> int:
    """Where the latest label of the judging rows ends, which end with the decision at bar `last_test`."""
    ends = [group.last_bar or 0 for group in groups if (group.first_bar or 0) <= last_test]
    return max([last_test + purge_bars, *ends])


def _before(first: int, last: int, embargo: int) -> list[Stretch]:
    """A gap that judging rows follow: purged, and in a walk forward, which has its embargo there, that too."""
    border = max(first, last + 1 - embargo)
    parts = [Stretch(first, border - 1, "purged")] if border > first else []
    return [*parts, Stretch(border, last, "embargo")] if border <= last else parts


def _after(first: int, last: int, reach: int) -> list[Stretch]:
    """A gap that follows judging rows: purged as far as their labels reach, then embargo."""
    parts = [Stretch(first, min(reach, last), "purged")] if reach >= first else []
    return [*parts, Stretch(max(reach, first - 1) + 1, last, "embargo")] if reach < last else parts


def map_of_blocks(splits: Splits) -> FoldMap | None:
    """The map of a holdout; None without any block."""
    blocks = [block for block in splits.blocks if block.first_bar is not None and block.last_bar is not None]
    if not blocks:
        return None
    stretches: list[Stretch] = []
    for block, following in pairwise([*blocks, None]):
        assert block is not None
        begin, end = _bars(block)
        stretches.append(Stretch(begin, end, "validation" if block.name in _VALIDATION else "test" if block.name == "test" else "train"))
        if following is not None and _bars(following)[0] > end + 1:
            slices = block.name in _VALIDATION and following.name in _VALIDATION
            stretches.append(Stretch(end + 1, _bars(following)[0] - 1, "purged" if slices else "embargo"))
    sizes = {use: sum(block.n or 0 for block, part in zip(blocks, _parts(stretches), strict=True) if part.use == use) for use in USES}
    row = FoldRow("0", "", tuple(stretches), sizes["train"], sizes["test"], sum(splits.dropped.values()))
    marks = [Mark(_bars(block)[0], block.first_time or "") for block in blocks] + [Mark(_bars(blocks[-1])[1], blocks[-1].last_time or "")]
    names = listed([block.name.replace("_", " ") for block in blocks])
    return FoldMap(f"holdout: {names}", _bars(blocks[0])[0], _bars(blocks[-1])[1], tuple(marks), (row,), None, None)


def _bars(block: Block) -> tuple[int, int]:
    return block.first_bar or 0, block.last_bar or 0


def _parts(stretches: list[Stretch]) -> list[Stretch]:
    """The stretches that are blocks."""
    return [stretch for stretch in stretches if stretch.use in ("train", "validation", "test")]


__all__ = ["MEANINGS", "USES", "FoldMap", "FoldRow", "Mark", "Stretch", "Use", "map_of_blocks", "map_of_folds", "method_words"]
