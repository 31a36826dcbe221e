"""Transforms: any feature in stationary, bounded or smoothed form."""

import math
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt

from barmill.errors import InputError
from barmill.features import history
from barmill.features.kernels import transforms
from barmill.features.kernels.kernel import Float64Array
from barmill.features.params import FractionalParams, LagParams, NoParams, WindowParams, WinsoriseParams
from barmill.features.spec import FeatureSpec, Scale

FAMILY = "transform"
MOST_WEIGHTS = 1_000_000


def ffd_weights(d: float, threshold: float) -> Float64Array:
    """Weights of the fractional difference of order d: w₀ = 1, wₖ = -wₖ₋₁·(d - k + 1)/k, up to the first below `threshold`.

    Parameters
    ----------
    d : float, the order; 0 leaves a series as it is, 1 is the change from one value to the next
    threshold : float, above 0 and not above 1; the first weight whose size is below it is left out, and all after it

    Returns
    -------
    float64 array of shape (n_weights,), that of the newest value first.

    Raises: InputError for a threshold out of range, or for an order at which more than a million weights are that large.
    Source: Hosking (1981), Biometrika 68; López de Prado (2018), Advances in Financial Machine Learning, 5.4.2.
    """
    if not math.isfinite(d):
        raise InputError("ffd_weights: d", f"is {d!r}", expected="a finite number")
    if not 0.0 < threshold <= 1.0:
        raise InputError("ffd_weights: threshold", f"is {threshold!r}", expected="a number above 0 and not above 1")
    weights, weight = [1.0], 1.0
    while True:
        k = len(weights)
        weight = -weight * (d - k + 1.0) / k
        if abs(weight) < threshold:
            return np.array(weights)
        if k == MOST_WEIGHTS:
            mend = "Raise d or the threshold."
            raise InputError("ffd_weights", f"more than {MOST_WEIGHTS:,} weights at d = {d!r} and threshold {threshold!r}", mend=mend)
        weights.append(weight)


def frac_diff_ffd(x: npt.ArrayLike, d: float, threshold: float) -> Float64Array:
    """Fractional difference of order d over a window of fixed width: yₜ = Σ wₖ·xₜ₋ₖ with the weights of `ffd_weights`.

    With d between 0 and 1 a series such as the logarithm of a price can become stationary and still remember its level, which
    its returns (d = 1) do not.

    Parameters
    ----------
    x : float64 array of shape (n_bars,), as given; take the logarithm of a price before
    d, threshold : as in `ffd_weights`

    Returns
    -------
    float64 array of shape (n_bars,), in the units of x; NaN for the first n_weights - 1 bars, and where the window holds a NaN.

    Timing: row t is known at the close of bar t; the width does not grow with the history, so its meaning does not change.
    Raises: ShapeError unless x has one axis; InputError as `ffd_weights` does.
    Source: López de Prado (2018), Advances in Financial Machine Learning, 5.4.2.
    """
    given = history.columns("frac_diff_ffd", x=x)["x"]
    n_weights = len(ffd_weights(d, threshold))
    if n_weights > len(given):
        return np.full(len(given), np.nan)
    return transforms.fractional_difference.run((d, n_weights), given)[0].copy()


@lru_cache(maxsize=1024)
def _n_weights(p: FractionalParams) -> int:
    return len(ffd_weights(p.d, p.threshold))


def _of(given: tuple[Scale, ...], **changed: Scale) -> Scale:
    """The argument's own scale, or what stands for it in `changed`."""
    return changed.get(given[0], given[0])


_same = partial(_of)
_difference = partial(_of, log="free", shift="free")  # the same number is added at both ends
_relative = partial(_of, price="free", inverse="free", log="free", shift="free")
_weighted = partial(_of, log="shift")  # ln k times the sum of the weights
_folded = partial(_of, log="level", shift="level")

_transform = partial(FeatureSpec, family=FAMILY, version=1, inputs=(), arity=(1, 1))

FEATURES = (
    _transform(
        name="zscore",
        params=WindowParams,
        usual=WindowParams(window=60),
        usual_args=("rsi_14",),
        kernel=transforms.zscore,
        output="zscore",
        kernel_params=lambda p: (p.window, 0.0),
        lookback=lambda p: p.window - 1,
        unit="standard deviations",
        formula="(x - mean of x over n bars)/(population standard deviation of x over n bars); 0 where nothing varies",
        source="Bollinger (2001), Bollinger on Bollinger Bands",
        scale_of=_relative,
    ),
    _transform(
        name="percentile",
        params=WindowParams,
        usual=WindowParams(window=100),
        usual_args=("realised_volatility_20",),
        kernel=transforms.percentile,
        output="percentile",
        kernel_params=lambda p: (p.window,),
        lookback=lambda p: p.window - 1,
        unit="0 to 1",
        formula="(number of the last n values of x below x + half of those equal to it)/n, x itself among them; 0.5 where nothing varies",
        source="Kendall (1945), Biometrika 33(3)",
        scale_of=_relative,
    ),
    _transform(
        name="winsorise",
        params=WinsoriseParams,
        usual=WinsoriseParams(window=100, share=0.05),
        usual_args=("log_return_1",),
        kernel=transforms.clipped,
        output="clipped",
        kernel_params=lambda p: (p.window, p.share),
        lookback=lambda p: p.window - 1,
        unit="as x",
        formula=(
            "x clipped to the quantiles share and 1 - share of its last n values, x itself among them; quantiles are linear between "
            "order statistics, and share is at least 1/(n - 1), so that no value sets its own limit"
        ),
        source="Dixon (1960), Annals of Mathematical Statistics 31(2)",
        scale_of=_same,
    ),
    _transform(
        name="ewma",
        params=WindowParams,
        usual=WindowParams(window=20),
        usual_args=("log_return_1",),
        kernel=transforms.smoothed,
        output="ewma",
        kernel_params=lambda p: (p.window,),
        lookback=lambda p: p.window - 1,
        fades=lambda p: (1.0 - 2.0 / (p.window + 1.0),),
        unit="as x",
        formula="exponential mean of x with factor 2/(n + 1), seeded with the mean of the first n values",
        source="Appel (2005), Technical Analysis",
        scale_of=_same,
    ),
    _transform(
        name="frac_diff",
        params=FractionalParams,
        usual=FractionalParams(d=0.4, threshold=0.001),
        usual_args=("log_close",),
        kernel=transforms.fractional_difference,
        output="fractional_difference",
        kernel_params=lambda p: (p.d, _n_weights(p)),
        lookback=lambda p: _n_weights(p) - 1,
        unit="as x",
        formula="Σ wₖ·x₋ₖ with w₀ = 1, wₖ = -wₖ₋₁·(d - k + 1)/k, stopping before the first |wₖ| below the threshold",
        source="López de Prado (2018), Advances in Financial Machine Learning, 5.4.2",
        scale_of=_weighted,
    ),
    _transform(
        name="lag",
        params=LagParams,
        usual=LagParams(lag=1),
        usual_args=("rsi_14",),
        kernel=transforms.lag,
        output="lag",
        kernel_params=lambda p: (p.lag,),
        lookback=lambda p: p.lag,
        unit="as x",
        formula="x₋ₙ, the value n bars ago",
        source="Box & Jenkins (1970), Time Series Analysis, 1.2",
        scale_of=_same,
    ),
    _transform(
        name="change",
        params=LagParams,
        usual=LagParams(lag=5),
        usual_args=("rsi_14",),
        kernel=transforms.lag,
        output="change",
        kernel_params=lambda p: (p.lag,),
        lookback=lambda p: p.lag,
        unit="as x",
        formula="x - x₋ₙ",
        source="Box & Jenkins (1970), Time Series Analysis, 1.2",
        scale_of=_difference,
    ),
    _transform(
        name="sum",
        params=WindowParams,
        usual=WindowParams(window=20),
        usual_args=("log_return_1",),
        kernel=transforms.moving_sum,
        output="sum",
        kernel_params=lambda p: (p.window,),
        lookback=lambda p: p.window - 1,
        unit="as x",
        formula="sum of x over n bars",
        source="Box & Jenkins (1970), Time Series Analysis, 1.2",
        scale_of=_weighted,
    ),
    _transform(
        name="abs",
        params=NoParams,
        usual=NoParams(),
        usual_args=("log_return_1",),
        kernel=transforms.absolute,
        output="abs",
        kernel_params=lambda _: (),
        lookback=lambda _: 0,
        unit="as x",
        formula="|x|",
        source="Ding, Granger & Engle (1993), Journal of Empirical Finance 1(1)",
        scale_of=_folded,
    ),
)

__all__ = ["FAMILY", "FEATURES", "ffd_weights", "frac_diff_ffd"]
