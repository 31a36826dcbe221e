"""Which rows of a long table are looked at: fixed rules, no chance."""

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]

GOLDEN = (5**0.5 - 1) / 2  # multiples of it, modulo 1, fill [0, 1) evenly and never fall into step with a day or a week


def spread_rows(n: int, most: int) -> Int64Array:
    """At most `most` of the rows 0 .. n - 1, one from each of as many equal parts; all of them if they are no more.

    Where in its part a row lies follows multiples of the golden ratio: rows at one distance would see a daily cycle at a few of its
    hours only.
    """
    if n <= most:
        return np.arange(n, dtype=np.int64)
    part = np.arange(most)
    return np.unique(((part + part * GOLDEN % 1) * (n / most)).astype(np.int64))


def even_rows(n: int, most: int) -> Int64Array:
    """At most `most` of the rows 0 .. n - 1 at one whole distance: what a test of a series in time needs."""
    return np.arange(0, n, max(1, -(-n // most)), dtype=np.int64)


def stretches(n: int, count: int, length: int) -> list[tuple[int, int]]:
    """`count` runs of `length` rows, evenly spread over 0 .. n - 1, as (first, behind the last); else one run of all."""
    if n <= count * length:
        return [(0, n)]
    starts = np.linspace(0, n - length, count).astype(np.int64)
    return [(int(start), int(start) + length) for start in starts]


__all__ = ["even_rows", "spread_rows", "stretches"]
