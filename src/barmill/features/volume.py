"""Volume: how much was traded, on which side of the last close, and at what mean price.

Where the source has no volume these say nothing and stand at their neutral value.
"""

from functools import partial

import numpy as np
import numpy.typing as npt

from barmill.errors import InputError
from barmill.features import history
from barmill.features.kernels import oscillators, volumes, windows
from barmill.features.kernels.kernel import Float64Array
from barmill.features.params import LagParams, NoParams, WindowParams
from barmill.features.spec import FeatureSpec

FAMILY = "volume"


def obv(close: npt.ArrayLike, volume: npt.ArrayLike) -> Float64Array:
    """On-balance volume: starts at the first bar's volume; plus volume on a higher close, minus on a lower one.

    Parameters
    ----------
    close : float64 array of shape (n_bars,), prices
    volume : float64 array of shape (n_bars,), not negative

    Returns
    -------
    float64 array of shape (n_bars,), in the units of volume. It depends on where the history began; the feature
    `obv_zscore` does not.

    Timing: row t is known at the close of bar t.
    Raises: ShapeError if the lengths differ; InputError naming the first row with a negative volume.
    Source: Granville (1963), New Key to Stock Market Profits.
    """
    given = history.columns("obv", close=close, volume=volume)
    wrong = np.flatnonzero(given["volume"] < 0.0)
    if wrong.size:
        raise InputError(f"obv: row {int(wrong[0])}", f"volume is {given['volume'][wrong[0]]}", expected="0 or more")
    return windows.obv.run((), **given)[0].copy()


_feature = partial(FeatureSpec, family=FAMILY, version=1)
_window = partial(_feature, params=WindowParams, usual=WindowParams(window=20), inputs=("volume",), lookback=lambda p: p.window - 1)
_mean = partial(_window, kernel=windows.volume_ratio, kernel_params=lambda p: (p.window, 1.0))
_deviation = partial(_window, kernel=volumes.volume_deviation, kernel_params=lambda p: (p.window, 0.0))
_vwap = partial(
    _window,
    usual=WindowParams(window=60),
    inputs=("high", "low", "close", "volume"),
    kernel=windows.vwap_distance,
    kernel_params=lambda p: (p.window, 0.0),
    source="Berkowitz, Logue & Noser (1988), Journal of Finance 43(1)",
)

FEATURES = (
    _mean(
        name="volume_ratio",
        output="volume_ratio",
        unit="1 is usual",
        formula="volume/mean volume of n bars; 1 where none was traded",
        source="Karpoff (1987), Journal of Financial and Quantitative Analysis 22(1)",
    ),
    _window(
        name="log_volume_ratio",
        kernel=volumes.log_volume_ratio,
        output="log_volume_ratio",
        kernel_params=lambda p: (p.window, 0.0),
        unit="0 is usual",
        formula="ln((1 + volume/mean volume of n bars)/2), which a bar without volume leaves finite; 0 where none was traded",
        source="Karpoff (1987), Journal of Financial and Quantitative Analysis 22(1)",
    ),
    _deviation(
        name="volume_zscore",
        output="zscore",
        unit="population standard deviations",
        formula="(volume - its mean)/its standard deviation over n bars; 0 where they are equal",
        source="Karpoff (1987), Journal of Financial and Quantitative Analysis 22(1)",
    ),
    _window(
        name="traded_value",
        usual=WindowParams(window=60),
        inputs=("close", "volume"),
        kernel=volumes.traded_value,
        output="traded_value",
        kernel_params=lambda p: (p.window, 0.0),
        scale="log",
        unit="log of money",
        formula="ln of the median of C·V over n bars, as one block trade makes no market liquid; 0 where most bars had no volume",
        source="Amihud (2002), Journal of Financial Markets 5(1), whose measure divides by C·V",
    ),
    _feature(
        name="volume_change",
        params=LagParams,
        usual=LagParams(lag=1),
        inputs=("volume",),
        kernel=volumes.volume_change,
        output="volume_change",
        kernel_params=lambda p: (p.lag, 0.0),
        lookback=lambda p: p.lag,
        unit="-1 to 1",
        formula="(V - V₋ₙ)/(V + V₋ₙ), which is finite where one of them is 0; 0 where both are",
        source="Karpoff (1987), Journal of Financial and Quantitative Analysis 22(1)",
    ),
    _mean(
        name="volume_sma",
        output="mean",
        unit="volume",
        formula="mean volume of n bars",
        source="Murphy (1999), Technical Analysis, chapter 7",
    ),
    _deviation(
        name="volume_std",
        output="std",
        unit="volume",
        formula="sample standard deviation of the volumes of n bars; 0 where they are equal",
        source="Murphy (1999), Technical Analysis, chapter 7",
    ),
    _feature(
        name="obv",
        params=NoParams,
        usual=NoParams(),
        inputs=("close", "volume"),
        kernel=windows.obv,
        output="obv",
        kernel_params=lambda _: (),
        lookback=lambda _: 0,
        unit="volume",
        formula="running sum of V on a higher close, -V on a lower one, from the first bar's V; where the history began is never "
        "forgotten, so a model takes obv_zscore",
        source="Granville (1963), New Key to Stock Market Profits",
    ),
    _window(
        name="obv_zscore",
        usual=WindowParams(window=60),
        inputs=("close", "volume"),
        kernel=windows.obv_zscore,
        output="obv_zscore",
        kernel_params=lambda p: (p.window, 0.0),
        unit="population standard deviations",
        formula="(OBV - its mean)/its standard deviation over n bars; 0 where it stood still",
        source="Granville (1963), New Key to Stock Market Profits",
    ),
    _vwap(
        name="vwap_distance",
        output="vwap_distance",
        unit="share of the mean price paid",
        formula="C/VWAP - 1, VWAP = Σ(H + L + C)/3·V / ΣV over n bars; 0 where none was traded",
    ),
    _vwap(
        name="vwap",
        output="vwap",
        unit="price",
        formula="Σ(H + L + C)/3·V / ΣV over n bars; C where none was traded",
        scale="price",
    ),
    _window(
        name="mfi",
        usual=WindowParams(window=14),
        inputs=("high", "low", "close", "volume"),
        kernel=oscillators.mfi,
        output="mfi",
        kernel_params=lambda p: (p.window, 50.0),
        lookback=lambda p: p.window,
        unit="0 to 100",
        formula="100·U/(U + D), U and D the sums of P·V over n bars on which P = (H + L + C)/3 rose and fell; 50 where both are 0",
        source="Quong & Soudack (1989), Technical Analysis of Stocks & Commodities 7",
    ),
)

__all__ = ["FAMILY", "FEATURES", "obv"]
