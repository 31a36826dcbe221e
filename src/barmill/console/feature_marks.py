"""Small pictures of a feature: outlines for SVG, and the map of correlations as a picture whose colours suit light and dark."""

import base64
import struct
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from barmill.evaluation import Histogram

Float64Array = npt.NDArray[np.float64]

# Units of the view boxes, which are stretched to the place they get.
HISTOGRAM_BOX = (160, 50)
MEMORY_BOX = (100, 40)
STRONGEST = 100  # a correlation of 1, as a whole number
_ALIKE, _OPPOSITE = (46, 143, 163), (208, 116, 68)  # between the light and the dark shade of --up and --down


def histogram_outlines(histogram: "Histogram") -> tuple[str, str]:
    """The shares of train as a closed area and those of test as a line, both to one scale."""
    width, height = HISTOGRAM_BOX
    tallest = max(float(histogram.train.max()), float(histogram.test.max())) or 1.0
    step = width / histogram.train.size
    drawn: list[str] = []
    for shares in (histogram.train, histogram.test):
        levels = [round(height * (1 - float(share) / tallest), 1) for share in shares]
        drawn.append(f"M0 {levels[0]:g}" + "".join(_step(step, before, after) for before, after in pairwise([*levels, levels[-1]])))
    return f"{drawn[0]}V{height}H0z", drawn[1]


def _step(width: float, level: float, following: float) -> str:
    return f"h{width:g}" if level == following else f"h{width:g}V{following:g}"


def memory_bars(autocorrelation: Float64Array) -> str:
    """A bar for each lag, up from the middle where the correlation is positive."""
    width, height = MEMORY_BOX
    middle = height / 2
    step = width / max(1, autocorrelation.size)
    return "".join(
        f"M{k * step + 0.2 * step:g} {middle:g}V{round(middle * (1 - float(rho)), 1):g}h{0.6 * step:g}V{middle:g}z"
        for k, rho in enumerate(autocorrelation)
        if np.isfinite(rho)
    )


def missing_runs(shares: Float64Array) -> list[tuple[int, int, float]]:
    """Stretches of equal shares above zero, as (first bin, number of bins, share)."""
    ends = [0, *(np.flatnonzero(np.diff(shares)) + 1).tolist(), shares.size]
    return [(first, end - first, float(shares[first])) for first, end in pairwise(ends) if end > first and shares[first] > 0]


def whole_correlations(rho: Float64Array) -> npt.NDArray[np.int8]:
    """Hundredths; what is not known is 0."""
    return np.rint(STRONGEST * np.nan_to_num(rho)).astype(np.int8)


def correlation_picture(rho: npt.NDArray[np.int8]) -> str:
    """A pixel for each pair as a PNG in a data URI; the weaker a correlation, the more of the page's own colour shows through.

    rho : int8 of shape (n, n), hundredths
    """
    levels = np.arange(-STRONGEST, STRONGEST + 1)
    palette = b"".join(bytes(_ALIKE if level >= 0 else _OPPOSITE) for level in levels)
    alpha = bytes(round(255 * (abs(int(level)) / STRONGEST) ** 1.5) for level in levels)
    pixels = (rho.astype(np.int16) + STRONGEST).astype(np.uint8)
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)  # each begins with its filter: none
    size = struct.pack(">IIBBBBB", rho.shape[1], rho.shape[0], 8, 3, 0, 0, 0)  # 8 bits a pixel, colours by palette
    chunks = ((b"IHDR", size), (b"PLTE", palette), (b"tRNS", alpha), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    picture = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


__all__ = [
    "HISTOGRAM_BOX",
    "MEMORY_BOX",
    "correlation_picture",
    "histogram_outlines",
    "memory_bars",
    "missing_runs",
    "whole_correlations",
]
