"""Bias: which way a market leans, on a timeframe and over several: `alignment(ema_bias_12_26@15m,ema_bias_12_26@1h)`."""

from functools import partial

from barmill.features.kernels import bias
from barmill.features.params import FastSlowParams, NoParams, WindowParams
from barmill.features.spec import FeatureSpec, Scale

FAMILY = "bias"


def _of_signs(scales: tuple[Scale, ...]) -> Scale:
    """A factor above 0 leaves a sign as it is; a logarithm may change it."""
    return "free" if set(scales) <= {"free", "price", "inverse"} else "level"


_feature = partial(FeatureSpec, family=FAMILY, version=1)

FEATURES = (
    _feature(
        name="ema_bias",
        params=FastSlowParams,
        usual=FastSlowParams(fast=12, slow=26),
        inputs=("close",),
        kernel=bias.ema_bias,
        output="ema_bias",
        kernel_params=lambda p: p.values(),
        lookback=lambda p: p.slow - 1,
        fades=lambda p: (1 - 2 / (p.fast + 1), 1 - 2 / (p.slow + 1)),
        unit="-1, 0 or 1",
        formula="1 where C and EMA(fast) are above EMA(slow), -1 where both are below, else 0",
        source="Murphy (1999), Technical Analysis of the Financial Markets, chapter 9",
    ),
    _feature(
        name="swing_bias",
        params=WindowParams,
        usual=WindowParams(window=20),
        inputs=("high", "low"),
        kernel=bias.swing_bias,
        output="swing_bias",
        kernel_params=lambda p: (p.window,),
        lookback=lambda p: 2 * p.window - 1,
        unit="-1, 0 or 1",
        formula="1 where highest high and lowest low of n bars are above those of the n bars before, -1 where both are below, else 0",
        source="Murphy (1999), Technical Analysis of the Financial Markets, chapter 4 (Dow's peaks and troughs)",
    ),
    _feature(
        name="alignment",
        params=NoParams,
        usual=NoParams(),
        inputs=(),
        kernel=bias.alignment,
        output="alignment",
        kernel_params=lambda _: (),
        lookback=lambda _: 0,
        arity=(2, 9),
        usual_args=("ema_bias_12_26", "swing_bias_20"),
        scale_of=_of_signs,
        unit="-1 to 1",
        formula="mean sign of the features",
        source="Elder (1993), Trading for a Living, chapter 43 (triple screen)",
    ),
)

__all__ = ["FAMILY", "FEATURES"]
