"""Coverage through time as a picture that needs no script: a line, the band of chance, and the windows outside it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from barmill.console.figures import NOT_AVAILABLE, SPACE, percent, plural
from barmill.console.judged_bands import RollingCoverage
from barmill.console.strips import Scale

WIDTH, HEIGHT = 1000, 180  # units of the view box, stretched to the place that there is
LEAST_APART = 12.0  # percent of the height that two texts keep apart
DATES = 4
SHORT_MS = 6 * 86_400_000  # of time, within which days alone would repeat


@dataclass(frozen=True, slots=True)
class CoveragePicture:
    """What a template draws; places are units of the view box, those of texts percent from the left or from the top.

    line : outline of coverage; chance : (top, height) of its band, None where too few rows tell it; level : of the line that it should keep
    outside : left ends of the windows that chance does not explain
    heights, dates : (percent, text)
    said : all of it in words
    """

    line: str
    chance: tuple[float, float] | None
    level: float
    outside: tuple[float, ...]
    heights: tuple[tuple[float, str], ...]
    dates: tuple[tuple[float, str], ...]
    said: str


def coverage_picture(rolling: RollingCoverage, level: float | None) -> CoveragePicture | None:
    """The picture of windows through time; None with fewer than two of them."""
    at = rolling.last_row if rolling.time_ms is None else rolling.time_ms
    known = [(place, share) for place, share in zip(at, rolling.coverage, strict=False) if share is not None]
    low, high = rolling.chance
    scale = Scale.over([level, low, high, *(share for _, share in known)])
    if len(known) < 2 or level is None or scale is None:
        return None
    first, last = known[0][0], known[-1][0]

    def left(place: int) -> float:
        return round(WIDTH * (place - first) / (last - first), 1)

    def top(share: float) -> float:
        return round(HEIGHT * (1 - scale.place(share) / 100), 1)

    bounds = None if low is None or high is None else (low, high)
    outside = () if bounds is None else tuple(left(place) for place, share in known if not bounds[0] <= share <= bounds[1])
    return CoveragePicture(
        line="M" + "L".join(f"{left(place):g} {top(share):g}" for place, share in known),
        chance=None if bounds is None else (top(bounds[1]), round(top(bounds[0]) - top(bounds[1]), 1)),
        level=top(level),
        outside=outside,
        heights=_heights(scale, [share for _, share in known], level),
        dates=() if rolling.time_ms is None else tuple(_date(first, last, number) for number in range(DATES)),
        said=_words([share for _, share in known], bounds, len(outside), rolling.window),
    )


def level_text(level: float | None) -> str:
    """What a band says that it holds: 90 %."""
    return NOT_AVAILABLE if level is None else f"{100 * level:g}{SPACE}%"


def _heights(scale: Scale, shares: list[float], level: float) -> tuple[tuple[float, str], ...]:
    """The level, and the largest and the smallest share where they stand clear of it."""
    found = [(100 - scale.place(level), level_text(level))]
    for share in (max(shares), min(shares)):
        place = 100 - scale.place(share)
        if all(abs(place - other) >= LEAST_APART for other, _ in found):
            found.append((place, percent(share)))
    return tuple((round(place, 2), text) for place, text in found)


def _date(first: int, last: int, number: int) -> tuple[float, str]:
    share = number / (DATES - 1)
    moment = datetime.fromtimestamp((first + share * (last - first)) / 1000, UTC)
    return round(100 * share, 2), f"{moment:%m-%d %H:%M}" if last - first < SHORT_MS else f"{moment:%Y-%m-%d}"


def _words(shares: list[float], bounds: tuple[float, float] | None, n_outside: int, window: int | None) -> str:
    ran = f"Windows of {plural(window, 'row')}: from {percent(min(shares))} to {percent(max(shares))}"
    if bounds is None:
        return f"{ran}; too few rows to say what chance would do."
    chance = f"all of a band that holds lie between {percent(bounds[0])} and {percent(bounds[1])}, 95 times of 100"
    return f"{ran}; {chance}; {n_outside or 'none'} of {len(shares)} outside."


__all__ = ["HEIGHT", "WIDTH", "CoveragePicture", "coverage_picture", "level_text"]
