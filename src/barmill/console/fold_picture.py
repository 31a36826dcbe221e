"""The map of folds as a picture for the report: outlines for SVG, one for each use, and where its dates stand."""

from dataclasses import dataclass
from datetime import datetime

from barmill.console.figures import instant, whole
from barmill.console.fold_map import MEANINGS, FoldMap, FoldRow, Use

WIDTH = 1000  # units of the view box, stretched to the width that there is
ROW = 10  # units of a split
BAND = 8  # of which are drawn
LEAST = 1.2  # units: what is narrower still shows


@dataclass(frozen=True, slots=True)
class FoldPicture:
    """A map that a template draws.

    outlines : use -> the outline of all its stretches
    titles : for each split, from the top, what it is
    dates : (percent from the left, text)
    legend : (use, what it means)
    """

    title: str
    height: int
    outlines: tuple[tuple[str, str], ...]
    titles: tuple[str, ...]
    dates: tuple[tuple[float, str], ...]
    legend: tuple[tuple[str, str], ...]


def fold_picture(found: FoldMap) -> FoldPicture:
    """The picture of a map."""
    outlines = tuple((use, "".join(_outline(row, number, use, found) for number, row in enumerate(found.rows))) for use in found.uses)
    return FoldPicture(
        title=found.title,
        height=ROW * len(found.rows),
        outlines=outlines,
        titles=tuple(_title(row) for row in found.rows),
        dates=_dates(found),
        legend=tuple((use, MEANINGS[use]) for use in found.uses),
    )


def _outline(row: FoldRow, number: int, use: Use, found: FoldMap) -> str:
    n_bars = found.last_bar + 1 - found.first_bar
    drawn: list[str] = []
    for part in row.stretches:
        if part.use != use:
            continue
        left = WIDTH * (part.first - found.first_bar) / n_bars
        width = max(LEAST, WIDTH * (part.last + 1 - part.first) / n_bars)
        drawn.append(f"M{round(left, 1):g} {ROW * number + 1}h{round(width, 1):g}v{BAND}h-{round(width, 1):g}z")
    return "".join(drawn)


def _title(row: FoldRow) -> str:
    sizes = ((row.n_train, "teach"), (row.n_test, "judge"), (row.n_purged, "let go of"))
    told = ", ".join(f"{whole(count)} {what}" for count, what in sizes if count is not None)
    return f"split {row.name}{f', judged on {row.about}' if row.about else ''}: {told}"


def _dates(found: FoldMap) -> tuple[tuple[float, str], ...]:
    """At most five, evenly chosen among the marks, the first and the last among them."""
    known = [(mark, moment) for mark in found.marks if (moment := instant(mark.time))]
    if not known:
        return ()
    count = min(5, len(known))
    chosen = sorted({round(k * (len(known) - 1) / max(1, count - 1)) for k in range(count)})
    n_bars = found.last_bar + 1 - found.first_bar
    return tuple((round(100 * (known[k][0].bar - found.first_bar) / n_bars, 2), _day(known[k][1])) for k in chosen)


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


__all__ = ["ROW", "WIDTH", "FoldPicture", "fold_picture"]
