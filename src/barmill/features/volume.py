"""Volume: how much was traded, on which side of the last close, and at what mean price.

Where the source has no volume these say nothing and stand at their neutral value.
"""

import numpy as np
import numpy.typing as npt

from barmill.errors import InputError
from barmill.features import history
from barmill.features.kernels import windows
from barmill.features.kernels.kernel import Float64Array
from barmill.features.params import WindowParams
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


FEATURES = (
    FeatureSpec(
        name="volume_ratio",
        family=FAMILY,
        version=1,
        params=WindowParams,
        usual=WindowParams(window=20),
        inputs=("volume",),
        kernel=windows.volume_ratio,
        output="volume_ratio",
        kernel_params=lambda p: (p.window, 1.0),
        lookback=lambda p: p.window - 1,
        unit="1 is usual",
        formula="volume/mean volume of n bars; 1 where none was traded",
        source="Karpoff (1987), Journal of Financial and Quantitative Analysis 22(1)",
    ),
    FeatureSpec(
        name="obv_zscore",
        family=FAMILY,
        version=1,
        params=WindowParams,
        usual=WindowParams(window=60),
        inputs=("close", "volume"),
        kernel=windows.obv_zscore,
        output="obv_zscore",
        kernel_params=lambda p: (p.window, 0.0),
        lookback=lambda p: p.window - 1,
        unit="population standard deviations",
        formula="(OBV - its mean)/its standard deviation over n bars; 0 where it stood still",
        source="Granville (1963), New Key to Stock Market Profits",
    ),
    FeatureSpec(
        name="vwap_distance",
        family=FAMILY,
        version=1,
        params=WindowParams,
        usual=WindowParams(window=60),
        inputs=("high", "low", "close", "volume"),
        kernel=windows.vwap_distance,
        output="vwap_distance",
        kernel_params=lambda p: (p.window, 0.0),
        lookback=lambda p: p.window - 1,
        unit="share of the mean price paid",
        formula="C/VWAP - 1, VWAP = Σ(H + L + C)/3·V / ΣV over n bars; 0 where none was traded",
        source="Berkowitz, Logue & Noser (1988), Journal of Finance 43(1)",
    ),
)

__all__ = ["FAMILY", "FEATURES", "obv"]
