"""How columns go with a series, against what chance does: correlations at every circular shift give their own noise.

Both series keep their memory when one is shifted round, so the spread of the shifted correlations is that of chance, however
persistent a column is and however much labels overlap; no formula for overlap is needed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from barmill.evaluation.leakage.dossier import Float64Array

NEAR = 0.1  # share of the rows within which a shift is too short to be chance
BEYOND = 1.3
FEWEST = 200
PARTS = 4
_AT_ONCE = 16  # columns: their shifted correlations stay in the cache


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """Correlations of columns with one series.

    rho : float64 (n_columns,), 0 where a column does not vary
    noise : float64 (n_columns,), spread of what chance gives
    most : float64 (n_columns,), the largest correlation, either sign, that any far shift gives: where a column is all but constant save
        for a few stretches, chance has no bell shape, and this tells
    spans : how many stretches of the series say something of their own: futures of 60 bars in 6,000 bars are 100, however often they
        were asked for
    """

    rho: Float64Array
    noise: Float64Array
    most: Float64Array
    spans: float

    def beyond_chance(self, most_p: float) -> npt.NDArray[np.bool_]:
        """Which correlations are less likely than `most_p`, and well beyond what any far shift gives."""
        return (self.p_values() <= most_p) & (np.abs(self.rho) >= BEYOND * self.most)

    def at_least(self, noises: float) -> Float64Array:
        """The size of each correlation less so many of its noises."""
        return np.abs(self.rho) - noises * np.maximum(self.noise, 1.0 / np.sqrt(self.spans))

    def one(self, k: int) -> "Links":
        """Those of column `k` alone."""
        return Links(self.rho[k : k + 1], self.noise[k : k + 1], self.most[k : k + 1], self.spans)

    def p_values(self) -> Float64Array:
        """Two-sided; Student's distribution with as many degrees of freedom as the noise leaves rows."""
        rows = np.maximum(np.minimum(1.0 / self.noise**2, self.spans) - 2.0, 3.0)
        z = np.arctanh(np.clip(np.abs(self.rho), 0.0, 1.0 - 1e-12)) / self.noise
        return 2.0 * np.asarray(stdtr(rows, -z))


@dataclass(frozen=True, slots=True, eq=False)
class Turning:
    """Columns made ready to be held against any number of series.

    n : rows
    spectra : complex64 (n_columns, n // 2 + 1), of the standardised columns, conjugated
    """

    n: int
    spectra: npt.NDArray[np.complex64]

    @classmethod
    def of(cls, columns: Float64Array) -> "Turning":
        """From float64 (n, n_columns), rows in order of time."""
        return cls(len(columns), _spectrum(_standard(columns).T).conj())

    def against(self, series: Float64Array, spans: float | None = None) -> Links:
        """The links of each column with `series`, float64 (n,); `spans` as in `Links`, n if None."""
        n, width = self.n, len(self.spectra)
        spectrum = _spectrum(_standard(series[:, None]).T)
        near = max(1, int(NEAR * n))
        rho, noise, most = np.zeros(width), np.ones(width), np.zeros(width)
        for start in range(0, width, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            shifted = _shifted(self.spectra[part] * spectrum, n) / np.float32(n)
            rho[part] = shifted[:, 0]
            far = shifted[:, near:-near]
            noise[part] = np.sqrt(np.einsum("ij,ij->i", far, far) / far.shape[1])
            most[part] = np.maximum(far.max(axis=1), -far.min(axis=1))
        return Links(rho, np.maximum(noise, 1.0 / np.sqrt(n)), most, n if spans is None else spans)


def links(columns: Float64Array, series: Float64Array, spans: float | None = None) -> Links:
    """Correlation of each of the columns, float64 (n, n_columns), with one series, and the noise of it."""
    return Turning.of(columns).against(series, spans)


def _spectrum(rows: Float64Array) -> npt.NDArray[np.complex64]:
    """Of each row, in single precision, which is exact enough for a correlation and half the work."""
    from scipy import fft

    return np.asarray(fft.rfft(np.ascontiguousarray(rows, dtype=np.float32), axis=1))


def _shifted(spectrum: npt.NDArray[np.complex64], n: int) -> npt.NDArray[np.float32]:
    from scipy import fft

    return np.asarray(fft.irfft(spectrum, n, axis=1))


def plain_link(column: Float64Array, series: Float64Array, spans: float) -> Links:
    """The correlation of rows that are not neighbours, with the noise of as many independent ones, or of `spans` if these are fewer."""
    rho = np.array([_correlation(column, series)])
    return Links(rho, np.full(1, 1.0 / np.sqrt(min(column.size, spans))), np.zeros(1), spans)


def steady(column: Float64Array, series: Float64Array) -> float:
    """The median correlation over `PARTS` parts in time: what chance did in one stretch is not there in the others."""
    parts = zip(np.array_split(column, PARTS), np.array_split(series, PARTS), strict=True)
    return float(np.median([_correlation(one, other) for one, other in parts]))


def _correlation(one: Float64Array, other: Float64Array) -> float:
    return float((_standard(one[:, None])[:, 0] * _standard(other[:, None])[:, 0]).mean())


def _standard(values: Float64Array) -> Float64Array:
    """Mean 0 and deviation 1; zeros where nothing varies."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    return centred / np.where(spread > 1e-12 * np.maximum(np.abs(values).max(axis=0), 1e-300), spread, np.inf)


__all__ = ["FEWEST", "Links", "Turning", "links", "plain_link", "steady"]
