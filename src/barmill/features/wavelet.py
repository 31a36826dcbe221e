"""Wavelets: one series cut into scales, from past values alone."""

from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import InputError
from barmill.features import history
from barmill.features.kernels import wavelets
from barmill.features.kernels.kernel import Float64Array
from barmill.features.params import WaveletParams
from barmill.features.spec import FeatureSpec, Scale

FAMILY = "wavelet"
HIGHEST_LEVEL = 30


class ModwtHaar(NamedTuple):
    """Details W and smooths V, float64 of shape (levels, n_bars) each: row j - 1 is level j."""

    W: Float64Array
    V: Float64Array


def modwt_haar(x: npt.ArrayLike, levels: int) -> ModwtHaar:
    """Maximal overlap wavelet transform with the Haar filter, from past values alone.

    V₀ = x; Wⱼ[t] = (Vⱼ₋₁[t] - Vⱼ₋₁[t - 2^(j-1)])/2, Vⱼ[t] = (Vⱼ₋₁[t] + Vⱼ₋₁[t - 2^(j-1)])/2. The values themselves come back as
    x = W₁ + ... + W_J + V_J. Nothing is padded, reflected or wrapped around: no value is made up at an edge.

    Parameters
    ----------
    x : float64 array of shape (n_bars,)
    levels : int, 1 to 30

    Returns
    -------
    W, V : float64 arrays of shape (levels, n_bars), in the units of x; row j - 1 is NaN until 2^j values are there, and where
    its 2^j values hold a NaN.

    Timing: column t is known at the close of bar t; V of level j lags by (2^j - 1)/2 bars.
    Raises: ShapeError unless x has one axis; InputError for levels out of range.
    Source: Percival & Walden (2000), Wavelet Methods for Time Series Analysis, ch. 5.
    """
    history.whole("modwt_haar", levels=levels)
    if levels > HIGHEST_LEVEL:
        raise InputError("modwt_haar: levels", f"is {levels!r}", expected=f"a whole number, 1 to {HIGHEST_LEVEL}")
    given = history.columns("modwt_haar", x=x)["x"]
    details, smooths = np.full((2, levels, len(given)), np.nan)
    for level in range(1, min(levels, len(given).bit_length() - 1) + 1):  # above, 2^level values are more than there are
        details[level - 1], smooths[level - 1] = wavelets.haar.run((level,), given)
    return ModwtHaar(details, smooths)


def _scale_of_detail(given: tuple[Scale, ...]) -> Scale:
    """A number that is added to all values cancels."""
    return "free" if given[0] in ("log", "shift") else given[0]


def _scale_of_smooth(given: tuple[Scale, ...]) -> Scale:
    return given[0]


_wavelet = partial(
    FeatureSpec,
    family=FAMILY,
    version=1,
    params=WaveletParams,
    usual=WaveletParams(level=3),
    inputs=(),
    arity=(1, 1),
    usual_args=("log_close",),
    kernel=wavelets.haar,
    kernel_params=lambda p: (p.level,),
    lookback=lambda p: 2**p.level - 1,
    unit="as x",
    source="Percival & Walden (2000), Wavelet Methods for Time Series Analysis, ch. 5",
)

FEATURES = (
    _wavelet(
        name="wavelet_detail",
        output="detail",
        formula="(V - V₋ₕ)/2, V the smooth of x one level below (x itself below level 1) and h = 2^(level - 1)",
        scale_of=_scale_of_detail,
    ),
    _wavelet(
        name="wavelet_smooth",
        output="smooth",
        formula="(V + V₋ₕ)/2, V the smooth of x one level below (x itself below level 1) and h = 2^(level - 1): the mean of 2^level values",
        scale_of=_scale_of_smooth,
    ),
)

__all__ = ["FAMILY", "FEATURES", "ModwtHaar", "modwt_haar"]
