"""Moving averages of the close, as prices and as the close's distance from them; a part of the momentum family."""

from functools import partial

import numpy.typing as npt

from barmill.features import history
from barmill.features.kernels import averages, exponential
from barmill.features.kernels.kernel import Float64Array
from barmill.features.params import WindowParams
from barmill.features.spec import FeatureSpec


def ema(x: npt.ArrayLike, n: int) -> Float64Array:
    """Exponential mean with factor 2/(n + 1), seeded with the simple mean of the first n values.

    Parameters
    ----------
    x : float64 array of shape (n_bars,)
    n : int, bars, at least 1

    Returns
    -------
    float64 array of shape (n_bars,), in the units of x; NaN for the first n - 1 bars.

    Timing: row t is known at the close of bar t.
    Raises: ShapeError unless x has one axis; InputError for a span below 1.
    """
    history.whole("ema", n=n)
    return exponential.ema.run((n,), close=history.columns("ema", x=x)["x"])[0].copy()


_average = partial(
    FeatureSpec,
    family="momentum",
    version=1,
    params=WindowParams,
    inputs=("close",),
    kernel_params=lambda p: (p.window,),
    lookback=lambda p: p.window - 1,
)
_simple = partial(_average, usual=WindowParams(window=20), kernel=averages.sma, source="Murphy (1999), Technical Analysis, chapter 9")
_exponential = partial(
    _average,
    usual=WindowParams(window=26),
    kernel=exponential.ema,
    fades=lambda p: (1 - 2 / (p.window + 1),),
    source="Brown (1963), Smoothing, Forecasting and Prediction",
)

FEATURES = (
    _simple(
        name="sma",
        output="sma",
        unit="price",
        formula="mean of n closes",
        scale="price",
    ),
    _simple(
        name="sma_distance",
        output="distance",
        unit="share of the mean",
        formula="C/(mean of n closes) - 1; 0 where the close stood still",
    ),
    _exponential(
        name="ema",
        output="ema",
        unit="price",
        formula="E + 2/(n + 1)·(C - E), seeded with the mean of the first n closes",
        scale="price",
    ),
    _exponential(
        name="ema_distance",
        output="distance",
        unit="share of the mean",
        formula="C/EMA(n) - 1, seeded with the mean of the first n closes; 0 where the close stood still",
    ),
)

__all__ = ["FEATURES", "ema"]
