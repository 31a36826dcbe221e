"""Does a series come back to its mean? The augmented Dickey-Fuller test.

Written here, in a page of QR, since the library that has it (statsmodels) is an extra and a report must not need one; the tests hold it
to that library's figures.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError

Float64Array = npt.NDArray[np.float64]

FEWEST_ROWS = 20
EXACT = 1e-18  # residual variance over the series' variance below which a fit is exact but for rounding

# MacKinnon (2010), "Critical values for cointegration tests", table 2, one variable with a constant: 1 %, 5 %, 10 %;
# columns are the powers 0 .. 3 of 1/n.
_CRITICAL = ((-3.43035, -6.5393, -16.786, -79.433), (-2.86154, -2.8903, -4.234, -40.040), (-2.56677, -1.5384, -2.809, 0.0))


@dataclass(frozen=True, slots=True)
class DickeyFuller:
    """What the test says.

    statistic : the t-value of the level; NaN for a series that does not vary or follows exactly from its own past
    lags : differences in the regression, chosen by AIC
    n : rows of the regression
    critical : at 1 %, 5 % and 10 %: a statistic below rejects a unit root
    """

    statistic: float
    lags: int
    n: int
    critical: tuple[float, float, float]


def augmented_dickey_fuller(x: npt.ArrayLike, max_lags: int | None = None) -> DickeyFuller:
    """Test a series for a unit root, with a constant and without a trend.

    The difference is regressed on a constant, the level before and the differences before that. How many of these is chosen by AIC on
    the rows that all choices share, then the regression is run on all rows that it can use.

    Parameters
    ----------
    x : finite numbers in time order, of shape (n,), at least 20
    max_lags : most differences; ceil(12 (n / 100)^(1/4)) if None (Schwert 1989)

    Raises: ShapeError for fewer rows, or rows that are not finite.
    Source: Said & Dickey (1984), Biometrika 71; MacKinnon (2010).
    """
    series = np.asarray(x, dtype=np.float64)
    if series.ndim != 1 or series.size < FEWEST_ROWS or not np.isfinite(series).all():
        raise ShapeError("augmented_dickey_fuller", f"an array of shape {series.shape}", expected=f"{FEWEST_ROWS} finite rows or more")
    most = math.ceil(12 * (series.size / 100) ** 0.25) if max_lags is None else max_lags
    most = max(0, min(most, series.size // 2 - 2))
    if series.min() == series.max():
        return DickeyFuller(math.nan, 0, series.size - 1, _critical_values(series.size - 1))
    level = (series - series.mean()) / np.abs(series - series.mean()).max()  # t-values do not depend on it, rounding does
    lags = _best_lags(level, most)
    n = series.size - 1 - lags
    return DickeyFuller(_t_of_level(level, lags), lags, n, _critical_values(n))


def _best_lags(x: Float64Array, most: int) -> int:
    """The nested regressions 0 .. most share one QR: dropping the last columns adds their part of y to the residual."""
    y, columns = _regression(x, most)
    of_y = _triangle([np.ones(y.size), columns, y])[:, -1]
    squares = np.cumsum(of_y[::-1] ** 2)[: most + 1][::-1]  # with 0 .. most lags
    parameters = 2 + np.arange(most + 1)
    with np.errstate(divide="ignore"):
        return int(np.argmin(y.size * np.log(squares) + 2 * parameters))


def _t_of_level(x: Float64Array, lags: int) -> float:
    """With the level as the last regressor, the corner of R holds its coefficient and its error."""
    y, columns = _regression(x, lags)
    r = _triangle([np.ones(y.size), columns[:, 1:], columns[:, 0], y])
    squares = r[-1, -1] ** 2
    if squares <= EXACT * y.size * x.var():
        return math.nan
    return float(np.sign(r[-2, -2]) * r[-2, -1] / math.sqrt(squares / (y.size - lags - 2)))


def _regression(x: Float64Array, lags: int) -> tuple[Float64Array, Float64Array]:
    """The difference at t, of shape (n,), and the level at t - 1 with the differences at t - 1 .. t - lags, of shape (n, 1 + lags)."""
    change = np.diff(x)
    n = change.size - lags
    before = [change[lags - lag : lags - lag + n] for lag in range(1, lags + 1)]
    return change[lags:], np.column_stack([x[lags:-1], *before])


def _triangle(columns: list[Float64Array]) -> Float64Array:
    return np.asarray(np.linalg.qr(np.column_stack(columns), mode="r"), dtype=np.float64)


def _critical_values(n: int) -> tuple[float, float, float]:
    one, five, ten = (sum(term / n**power for power, term in enumerate(terms)) for terms in _CRITICAL)
    return one, five, ten


__all__ = ["DickeyFuller", "augmented_dickey_fuller"]
