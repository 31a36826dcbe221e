"""Where an audit cuts the bars: after few bars and many, around the ends of longer bars and of sessions, and at random."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from barmill.market import Bars

Int64Array = npt.NDArray[np.int64]

LATE = 1 / 16  # the share of a sample that its late cut takes away; most of a whole-sample statistic stays, and yet it moves
BUCKET_MINUTES = (5, 15, 60, 240, 1440)  # the timeframes whose bars people resample to
_SESSION_BREAK = 5  # bars without trading


@dataclass(frozen=True, slots=True)
class Probes:
    """How to try a sample of m bars.

    lengths : compute it on so many bars alone, each from 1 to m - 1, ascending
    futures : compute it with another future from this bar on, each from 1 to m - 1, ascending
    """

    lengths: tuple[int, ...]
    futures: tuple[int, ...]


def dense_probes(bars: "Bars", seed: int, *, few: bool) -> Probes:
    """Many cuts of a short sample. few : for what costs much to start; a third of the cuts, the telling ones first."""
    m, random = len(bars), np.random.default_rng(seed)
    late = {m - 1, m - max(1, int(m * LATE))}
    growing = set(np.unique(np.round(np.geomspace(1, m / 2, 7 if few else 22)).astype(np.int64)).tolist())
    anywhere = set(random.integers(1, max(2, m), 3 if few else 12).tolist())
    edges = _bucket_edges(bars, random, (60,) if few else BUCKET_MINUTES) | _session_edges(bars, random, 1 if few else 3)
    futures = {*random.integers(max(1, m // 4), max(2, m), 1 if few else 5).tolist(), m - max(1, int(m * LATE))}
    return Probes(_within(late | growing | anywhere | edges, m), _within(futures, m))


def long_probes(bars: "Bars", above: int, seed: int, n_random: int) -> Probes:
    """Few cuts of a long sample: halves of halves down to `above` bars, which together cost one more run, then one late."""
    n, random = len(bars), np.random.default_rng(seed + 1)
    halves: list[int] = []
    while (n >> (len(halves) + 1)) > above:
        halves.append(n >> (len(halves) + 1))
    anywhere = random.integers(above, max(above + 1, n), n_random).tolist()
    late = n - int(n * LATE)
    return Probes(_within({*halves, *anywhere, late}, n), _within({int(random.integers(n // 4, n))}, n))


def window_probes(start: int, m: int, seed: int) -> Probes:
    """Cuts of a window of m bars whose first `start` are there for the look-back alone."""
    random = np.random.default_rng(seed)
    lengths = {start + 1, m - 1, m - max(1, int(m * LATE)), *random.integers(start + 1, max(start + 2, m), 4).tolist()}
    return Probes(_within(lengths, m), _within({int(random.integers(start + 1, max(start + 2, m)))}, m))


def breaks(bars: "Bars") -> Int64Array:
    """The rows that open after a break: more than a few bars are missing before them."""
    return np.flatnonzero(np.diff(bars.open_time) > _SESSION_BREAK * bars.timeframe.ms) + 1


def _bucket_edges(bars: "Bars", random: np.random.Generator, minutes: tuple[int, ...]) -> set[int]:
    """One bar short of a bucket's end, at it, and one bar past it; of a bucket of each length, drawn at random."""
    cuts: set[int] = set()
    for length in minutes:
        step = length * 60_000
        if step <= bars.timeframe.ms:
            continue
        firsts = np.flatnonzero(np.diff(bars.open_time // step)) + 1
        if firsts.size:
            first = int(random.choice(firsts))
            cuts |= {first - 1, first, first + 1}
    return cuts


def _session_edges(bars: "Bars", random: np.random.Generator, n_breaks: int) -> set[int]:
    rows = breaks(bars)
    chosen = random.choice(rows, min(n_breaks, rows.size), replace=False).tolist() if rows.size else []
    return {cut for row in chosen for cut in (row - 1, row, row + 1)}


def _within(cuts: set[int], m: int) -> tuple[int, ...]:
    return tuple(sorted(int(cut) for cut in cuts if 1 <= cut < m))


__all__ = ["BUCKET_MINUTES", "Probes", "breaks", "dense_probes", "long_probes", "window_probes"]
