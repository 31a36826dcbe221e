"""The map of folds as lines of characters, as wide as a terminal."""

from barmill.console.fold_map import MEANINGS, FoldMap, FoldRow, Use

CHARACTERS: dict[Use, str] = {"train": "=", "validation": "-", "test": "#", "purged": "x", "embargo": "~", "unused": "."}
LEAST_WIDTH = 20
_DATE = len("2023-08-01")
_GAP = "  "


def fold_lines(found: FoldMap, width: int) -> list[str]:
    """A title, the dates, a line for each split, and the legend; lines are at most `width` characters, or as narrow as they can be.

    A character stands for the use that most of its bars have. What is narrower than a character is drawn one wide, so that no purge
    and no embargo is lost from sight.
    """
    names = [row.name for row in found.rows]
    counts = [_counts(row) for row in found.rows]
    left = max(len(name) for name in [*names, "split"])
    right = max(len(count) for count in counts)
    columns = max(LEAST_WIDTH, width - left - right - 2 * len(_GAP))
    lines = [found.title, f"{'':<{left}}{_GAP}{_dates(found, columns)}".rstrip()]
    lines += [
        f"{name:>{left}}{_GAP}{_characters(row, found, columns)}{_GAP}{count}".rstrip()
        for name, row, count in zip(names, found.rows, counts, strict=True)
    ]
    bars = (found.last_bar + 1 - found.first_bar) / columns
    lines.append(f"bars {found.first_bar:,} to {found.last_bar:,}; a character is about {bars:,.0f} of them, or what is narrower")
    return [*lines, *(f"  {CHARACTERS[use]}  {use}: {MEANINGS[use]}{_length(use, found)}" for use in found.uses)]


def _counts(row: FoldRow) -> str:
    told = [
        f"{count:,} {what}"
        for count, what in ((row.n_train, "train"), (row.n_test, "test"), (row.n_purged, "dropped"))
        if count is not None
    ]
    return ", ".join([*([row.about] if row.about else []), *told])


def _length(use: Use, found: FoldMap) -> str:
    if use == "embargo" and found.embargo_bars is not None:
        return f" ({found.embargo_bars:,} bars)"
    return f" (a label counts as at least {found.purge_bars:,} bars)" if use == "purged" and found.purge_bars is not None else ""


def _column(bar: int, found: FoldMap, columns: int) -> int:
    return (bar - found.first_bar) * columns // (found.last_bar + 1 - found.first_bar)


def _characters(row: FoldRow, found: FoldMap, columns: int) -> str:
    """Wide stretches first, then those narrower than a character, so that these stay."""
    drawn = [CHARACTERS["unused"]] * columns
    per_column = (found.last_bar + 1 - found.first_bar) / columns
    wide_first = sorted(row.stretches, key=lambda part: part.last + 1 - part.first < per_column)
    for part in wide_first:
        first = _column(part.first, found, columns)
        last = max(first, _column(part.last, found, columns))
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
