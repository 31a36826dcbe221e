"""What a table of features looks like: readiness, distribution, stationarity, memory, likeness, and drift from train to test.

A table of a million rows and two hundred columns is read once in full, for what is missing and the range; all else comes from rows
chosen by fixed rules (`row_samples`), so that memory stays bounded and the same table gives the same profile. Flags in words
are made of it in `feature_flags`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.evaluation.drift import kolmogorov_smirnov, psi
from barmill.evaluation.feature_correlation import Correlations, correlations
from barmill.evaluation.row_samples import even_rows, spread_rows, stretches
from barmill.evaluation.stationarity import FEWEST_ROWS, DickeyFuller, augmented_dickey_fuller
from barmill.progress import Progress, SilentProgress

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

LAGS = (1, 2, 5, 10, 30, 60, 120, 240, 480, 1440)  # bars
LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
HISTOGRAM_BINS = 40
HISTOGRAM_ENDS = (0.005, 0.995)  # quantiles: one bar of a crash must not squeeze all others into one bin
TIME_BINS = 120
SAMPLE_ROWS, BLOCK_ROWS, RANKED_ROWS, TESTED_ROWS = 50_000, 25_000, 20_000, 8_192
STRETCHES, STRETCH_ROWS = 32, 4_096
FEWEST_BLOCK_ROWS = 100
_CHUNK_ROWS = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Shares of the rows of train and of test in bins of equal width; what lies beyond the ends is in neither.

    edges : float64 of shape (n_bins + 1,); train, test : float64 of shape (n_bins,)
    """

    edges: Float64Array
    train: Float64Array
    test: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class FeatureProfile:
    """One feature; NaN where there is nothing to say.

    first_row : the first row with a value; None if there is none
    missing : share of all rows without a finite value
    minimum, maximum : over all rows
    quantiles : float64, at LEVELS; mean, std, skew, kurtosis : population moments (a normal distribution has kurtosis 3)
    commonest : share of the rows that have the most frequent value
    repeated : share of the rows that have the value of the row before
    constant_in_train : whether it has one value on the rows of train
    histogram : None for a feature that does not vary
    dickey_fuller : None for too few rows
    autocorrelation : float64, at the lags of the set
    psi, ks : of test against train
    psi_within : of the later half of train against the earlier one, as a measure of what is usual
    """

    name: str
    first_row: int | None
    missing: float
    minimum: float
    maximum: float
    quantiles: Float64Array
    mean: float
    std: float
    skew: float
    kurtosis: float
    commonest: float
    repeated: float
    constant_in_train: bool
    histogram: Histogram | None
    dickey_fuller: DickeyFuller | None
    autocorrelation: Float64Array
    psi: float
    psi_within: float
    ks: float

    @property
    def constant(self) -> bool:
        """Whether it has values, and they are one."""
        return self.minimum == self.maximum


@dataclass(frozen=True, slots=True, eq=False)
class TableProfile:
    """All features of a table.

    n_rows, n_train, n_test : rows in all, and of the two blocks
    lags : bars
    missing : float64 of shape (n_features, n_time_bins), share of the rows of each stretch of time without a finite value
    time_bins : int64 of shape (n_time_bins + 1,), first row of each stretch, and n_rows
    """

    n_rows: int
    n_train: int
    n_test: int
    lags: tuple[int, ...]
    features: tuple[FeatureProfile, ...]
    correlations: Correlations
    missing: Float64Array
    time_bins: Int64Array


def profile_features(
    values: npt.NDArray[np.floating], names: Sequence[str], train: npt.ArrayLike, test: npt.ArrayLike, progress: Progress | None = None
) -> TableProfile:
    """Profile a table of features.

    Parameters
    ----------
    values : float64 or float32 of shape (n_rows, n_features), rows in time order; may be memory-mapped
    names : of the columns
    train, test : rows of the two blocks, ascending

    Rows that are used: all, for what is missing, the range and the first value; 50,000 for quantiles, moments and the commonest value;
    20,000 of them for rank correlations; 25,000 of each block for histograms, PSI and KS; each taken by `spread_rows`. 8,192 at one
    distance for the Dickey-Fuller test: its power comes from how long the series is, not from how densely it is seen. 32 stretches
    of 4,096 rows for autocorrelations and repeated values. A table that is no longer than such a number is used whole.

    Raises: ShapeError if names or blocks do not fit the table.
    Cost: one pass over the table, and about 20 ms a feature; about 400 MB of memory for 200 features, however many rows.
    """
    train_rows, test_rows = _block(train, "train", len(values)), _block(test, "test", len(values))
    if values.ndim != 2 or values.shape[1] != len(names) or not values.size:
        raise ShapeError("values", f"shape {values.shape} for {len(names)} names", expected="a row or more, and a column for each name")
    watched = progress or SilentProgress()
    time_bins = np.unique(np.linspace(0, len(values), TIME_BINS + 1).astype(np.int64))
    scanned = _scan(values, time_bins)
    sample = _columns(values, spread_rows(len(values), SAMPLE_ROWS))
    before = _columns(values, train_rows[spread_rows(train_rows.size, BLOCK_ROWS)])
    after = _columns(values, test_rows[spread_rows(test_rows.size, BLOCK_ROWS)])
    tested = _columns(values, even_rows(len(values), TESTED_ROWS))
    lags = tuple(lag for lag in LAGS if lag <= len(values) // 4)
    repeated, memory = _memory(values, lags, *_centre_and_size(sample))
    features: list[FeatureProfile] = []
    for i, name in enumerate(names):
        own = sample[i][np.isfinite(sample[i])]
        blocks = before[i][np.isfinite(before[i])], after[i][np.isfinite(after[i])]
        features.append(_profile(name, scanned.of(i), own, blocks, tested[i], float(repeated[i]), memory[i]))
        watched.update(i + 1, len(names), name)
    likeness = correlations(sample[:, spread_rows(sample.shape[1], RANKED_ROWS)])
    return TableProfile(len(values), train_rows.size, test_rows.size, lags, tuple(features), likeness, scanned.missing_by_time, time_bins)


def _block(rows: npt.ArrayLike, name: str, n: int) -> Int64Array:
    block = np.asarray(rows, dtype=np.int64)
    if block.ndim != 1 or (block.size and (block[0] < 0 or block[-1] >= n or (np.diff(block) <= 0).any())):
        raise ShapeError(name, "rows that are not ascending, or not of the table", expected=f"ascending rows from 0 to {n - 1}")
    return block


def _columns(values: npt.NDArray[np.floating], rows: Int64Array) -> Float64Array:
    """The chosen rows, of shape (n_features, n_rows)."""
    return np.ascontiguousarray(values[rows].T, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Scanned:
    """What the pass over all rows found, an entry for each feature."""

    first_row: Int64Array
    missing: Float64Array
    minimum: Float64Array
    maximum: Float64Array
    missing_by_time: Float64Array

    def of(self, feature: int) -> tuple[int | None, float, float, float]:
        first = int(self.first_row[feature])
        found = first if first >= 0 else None
        return found, float(self.missing[feature]), float(self.minimum[feature]), float(self.maximum[feature])


def _scan(values: npt.NDArray[np.floating], time_bins: Int64Array) -> _Scanned:
    n_rows, n_features = values.shape
    first = np.full(n_features, -1, dtype=np.int64)
    low, high = np.full(n_features, np.nan), np.full(n_features, np.nan)
    missing = np.zeros((n_features, time_bins.size - 1))
    for number, (start, end) in enumerate(pairwise(time_bins)):
        for begin in range(int(start), int(end), _CHUNK_ROWS):
            chunk = np.array(values[begin : min(begin + _CHUNK_ROWS, int(end))], dtype=np.float64)
            finite = np.isfinite(chunk)
            chunk[~finite] = np.nan
            missing[:, number] += len(chunk) - finite.sum(axis=0)
            fresh = (first < 0) & finite.any(axis=0)
            first[fresh] = begin + finite.argmax(axis=0)[fresh]
            low, high = np.fmin(low, np.fmin.reduce(chunk, axis=0)), np.fmax(high, np.fmax.reduce(chunk, axis=0))
    return _Scanned(first, missing.sum(axis=1) / n_rows, low, high, missing / np.diff(time_bins))


def _centre_and_size(sample: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Of each row, the mean of its finite values and the largest distance from it; 0 and 1 where there are none."""
    finite = np.isfinite(sample)
    centre = np.where(finite, sample, 0.0).sum(axis=1) / np.maximum(finite.sum(axis=1), 1)
    size = np.abs(np.where(finite, sample - centre[:, None], 0.0)).max(axis=1, initial=0.0)
    return centre, np.where(size > 0, size, 1.0)


def _memory(
    values: npt.NDArray[np.floating], lags: tuple[int, ...], centre: Float64Array, size: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """The share of repeated values, and the correlation of the pairs that lie each lag apart, about the mean of the sample."""
    n_features = values.shape[1]
    pairs, equal = np.zeros(n_features), np.zeros(n_features)
    products = np.zeros((3, n_features, len(lags)))
    for start, end in stretches(len(values), STRETCHES, STRETCH_ROWS):
        stretch = np.ascontiguousarray(values[start:end].T, dtype=np.float64)
        finite = np.isfinite(stretch)
        pairs += (finite[:, 1:] & finite[:, :-1]).sum(axis=1)
        equal += (stretch[:, 1:] == stretch[:, :-1]).sum(axis=1, where=finite[:, 1:])
        scaled = np.where(finite, (stretch - centre[:, None]) / size[:, None], 0.0)  # so that no square overflows or vanishes
        for k, lag in enumerate(lags):
            if lag < end - start:
                products[:, :, k] += _products(scaled[:, :-lag], scaled[:, lag:], finite[:, :-lag] & finite[:, lag:])
    with np.errstate(divide="ignore", invalid="ignore"):  # no pairs, no variation: NaN
        return equal / pairs, products[0] / np.sqrt(products[1] * products[2])


def _products(before: Float64Array, after: Float64Array, both: npt.NDArray[np.bool_]) -> Float64Array:
    """Sums over the pairs of which both are there: products, squares of the earlier, squares of the later."""
    earlier, later = before * both, after * both
    return np.stack([np.einsum("ft,ft->f", a, b) for a, b in ((earlier, later), (earlier, earlier), (later, later))])


def _profile(
    name: str,
    scanned: tuple[int | None, float, float, float],
    own: Float64Array,
    blocks: tuple[Float64Array, Float64Array],
    tested: Float64Array,
    repeated: float,
    memory: Float64Array,
) -> FeatureProfile:
    first_row, missing, minimum, maximum = scanned
    train, test = blocks
    mean, std, skew, kurtosis = _moments(own)
    varies = minimum < maximum
    series = tested[np.isfinite(tested)]
    enough = min(train.size, test.size) >= FEWEST_BLOCK_ROWS
    half = train.size // 2
    return FeatureProfile(
        name=name,
        first_row=first_row,
        missing=missing,
        minimum=minimum,
        maximum=maximum,
        quantiles=np.quantile(own, LEVELS) if own.size else np.full(len(LEVELS), np.nan),
        mean=mean,
        std=std,
        skew=skew,
        kurtosis=kurtosis,
        commonest=float(np.unique(own, return_counts=True)[1].max() / own.size) if own.size else math.nan,
        repeated=repeated,
        constant_in_train=bool(train.size and train.min() == train.max()),
        histogram=_histogram(own, train, test) if varies else None,
        dickey_fuller=augmented_dickey_fuller(series) if series.size >= FEWEST_ROWS else None,
        autocorrelation=memory if varies else np.full(memory.size, np.nan),
        psi=psi(train, test) if enough else math.nan,
        psi_within=psi(train[:half], train[half:]) if enough else math.nan,
        ks=kolmogorov_smirnov(train, test) if enough else math.nan,
    )


def _moments(rows: Float64Array) -> tuple[float, float, float, float]:
    """Mean, standard deviation, skewness and kurtosis of the population; the last two are NaN without variation."""
    if not rows.size:
        return math.nan, math.nan, math.nan, math.nan
    mean = float(rows.mean())
    if rows.min() == rows.max():
        return mean, 0.0, math.nan, math.nan
    centred = rows - mean
    size = float(np.abs(centred).max())
    unit = centred / size  # so that no power overflows or vanishes
    spread = float(np.sqrt((unit**2).mean()))
    scaled = unit / spread
    return mean, spread * size, float((scaled**3).mean()), float((scaled**4).mean())


def _histogram(own: Float64Array, train: Float64Array, test: Float64Array) -> Histogram | None:
    """Between the outer quantiles; over the whole range where these are one."""
    if not own.size:
        return None
    low, high = np.quantile(own, HISTOGRAM_ENDS)
    if low == high:
        low, high = own.min(), own.max()
    if low == high:
        return None
    edges = np.linspace(low, high, HISTOGRAM_BINS + 1)
    shares = [np.histogram(rows, edges)[0] / max(rows.size, 1) for rows in (train, test)]
    return Histogram(edges, shares[0], shares[1])


__all__ = ["LAGS", "LEVELS", "FeatureProfile", "Histogram", "TableProfile", "profile_features"]
