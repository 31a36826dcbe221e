"""The map of folds as lines of characters, as wide as a terminal."""

from barmill.console.fold_map import MEANINGS, FoldMap, FoldRow, Stretch, Use

CHARACTERS: dict[Use, str] = {"train": "=", "validation": "-", "test": "#", "purged": "x", "embargo": "~", "unused": "."}
LEAST_WIDTH = 20
_DATE = len("2023-08-01")
_GAP = "  "


def fold_lines(found: FoldMap, width: int) -> list[str]:
    """A title, the dates, a line for each split, and the legend; lines are at most `width` characters, or as narrow as they can be.

    A character stands for the use that most of its bars have. What is narrower than a character is drawn one wide, so that no purge
    and no embargo is lost from sight.
    """
    names = _column_of("split", [row.name for row in found.rows])
    counts = _counts(found)
    columns = max(LEAST_WIDTH, width - len(names[0]) - len(counts[0]) - 2 * len(_GAP))
    maps = [_dates(found, columns), *(_characters(row, found, columns) for row in found.rows)]
    lines = [f"{name}{_GAP}{drawn:<{columns}}{_GAP}{count}".rstrip() for name, drawn, count in zip(names, maps, counts, strict=True)]
    bars = (found.last_bar + 1 - found.first_bar) / columns
    scale = f"bars {found.first_bar:,} to {found.last_bar:,}; a character is about {bars:,.0f} of them, or what is narrower"
    return [found.title, *lines, scale, *(f"  {CHARACTERS[use]}  {use}: {MEANINGS[use]}{_length(use, found)}" for use in found.uses)]


def _column_of(heading: str, texts: list[str]) -> list[str]:
    """The heading and the texts below it, flush right and equally wide."""
    wide = max(map(len, [heading, *texts]))
    return [f"{text:>{wide}}" for text in [heading, *texts]]


def _counts(found: FoldMap) -> list[str]:
    """The headings and the counts of each split: the groups that judge, where there are any, and the rows of each use."""
    told = [_column_of("groups", [row.about for row in found.rows])] if any(row.about for row in found.rows) else []
    for heading, key in (("train", "n_train"), ("test", "n_test"), ("dropped", "n_purged")):
        counts = [getattr(row, key) for row in found.rows]
        told.append(_column_of(heading, ["n/a" if count is None else f"{count:,}" for count in counts]))
    return [_GAP.join(line) for line in zip(*told, strict=True)]


def _length(use: Use, found: FoldMap) -> str:
    if use == "embargo" and found.embargo_bars is not None:
        return f" ({found.embargo_bars:,} bars)"
    return f" (a label counts as at least {found.purge_bars:,} bars)" if use == "purged" and found.purge_bars is not None else ""


def _column(bar: int, found: FoldMap, columns: int) -> int:
    return (bar - found.first_bar) * columns // (found.last_bar + 1 - found.first_bar)


def _characters(row: FoldRow, found: FoldMap, columns: int) -> str:
    """Long stretches first, then those narrower than a character, the embargo last: what would be lost is drawn over what would not."""
    drawn = [CHARACTERS["unused"]] * columns
    per_column = (found.last_bar + 1 - found.first_bar) / columns

    def order(part: Stretch) -> tuple[bool, int, bool]:
        length = part.last + 1 - part.first
        return (length < per_column, 0 if length < per_column else -length, part.use == "embargo")

    for part in sorted(row.stretches, key=order):
        narrow = part.last + 1 - part.first < per_column
        ends = ((part.first + part.last) // 2,) * 2 if narrow else (part.first, part.last)
        first, last = (_column(bar, found, columns) for bar in ends)
        drawn[first : last + 1] = CHARACTERS[part.use] * (last + 1 - first)
    return "".join(drawn)


def _dates(found: FoldMap, columns: int) -> str:
    """As many dates as fit, each beginning where its bar does; the end has the last word."""
    line = [" "] * columns
    *starts, end = found.marks
    places = [(max(0, columns - _DATE), end.time[:_DATE])]
    for mark in starts:
        at = _column(mark.bar, found, columns)
        if at + _DATE < places[0][0] and (len(places) == 1 or at > places[-1][0] + _DATE):
            places.append((at, mark.time[:_DATE]))
    for at, date in places:
        line[at : at + len(date)] = date
    return "".join(line).rstrip()


__all__ = ["CHARACTERS", "fold_lines"]
