"""Price impact of the microstructure family: how far the price moves for what is traded.

The features are free of the price level: per mean volume or mean turnover of a bar, as a share of the close. `..._price` and
`amihud_money` are as in the literature, in units of the price and of money.
"""

from functools import partial

import numpy as np
import numpy.typing as npt

from barmill.features import history
from barmill.features.kernels import co_moments, window_sums
from barmill.features.kernels.kernel import Float64Array
from barmill.features.params import WindowParams
from barmill.features.spec import FeatureSpec


def amihud(close: npt.ArrayLike, volume: npt.ArrayLike, window: int) -> Float64Array:
    """Amihud's illiquidity: the mean over the last `window` bars of |C/C₋₁ - 1|/(C·V).

    Bars without volume are left out of the mean.

    Parameters
    ----------
    close : float64 array of shape (n_bars,), prices above 0
    volume : float64 array of shape (n_bars,), not negative
    window : int, bars, at least 1

    Returns
    -------
    float64 array of shape (n_bars,), return per unit of money traded, without the customary factor 10⁶; NaN for the first `window`
    bars, and where none of the window's bars had volume.

    Timing: row t uses closes t - window .. t and volumes t - window + 1 .. t, so it is known at the close of bar t.
    Raises: ShapeError if the lengths differ; InputError for a window below 1, or naming the first row with a price that is not above 0
        or a negative volume.
    Source: Amihud (2002), Journal of Financial Markets 5(1), 31-56.
    """
    history.whole("amihud", window=window)
    given = history.columns("amihud", close=close, volume=volume)
    history.above_zero("amihud", given, "close")
    history.not_negative("amihud", given, "volume")
    return window_sums.amihud.run((window, np.nan), **given)[0].copy()


def kyle_lambda(close: npt.ArrayLike, signed_volume: npt.ArrayLike, window: int, intercept: bool = True) -> Float64Array:
    """Kyle's lambda: the least-squares slope of C_t - C_{t-1} on the volume bought less sold in bar t, over the last `window` bars.

    Parameters
    ----------
    close : float64 array of shape (n_bars,), prices
    signed_volume : float64 array of shape (n_bars,), bought less sold
    window : int, bars, at least 1
    intercept : bool, whether the line has a constant or goes through the origin

    Returns
    -------
    float64 array of shape (n_bars,), change of the price per unit of volume; NaN for the first `window` bars, and where the signed volume
    does not vary within the window (with or without a constant).

    Timing: row t uses closes t - window .. t and signed volumes t - window + 1 .. t, so it is known at the close of bar t.
    Raises: ShapeError if the lengths differ; InputError for a window below 1.
    Source: Kyle (1985), Econometrica 53(6), 1315-1335; as a regression López de Prado (2018), 19.4.1.
    """
    history.whole("kyle_lambda", window=window)
    given = history.columns("kyle_lambda", close=close, signed_volume=signed_volume)
    # the kernel takes 2·bought - volume: half the signed volume, bought of none, is that exactly
    bought, none = 0.5 * given["signed_volume"], np.zeros(len(given["close"]))
    return co_moments.kyle_lambda.run(
        (window, float(bool(intercept)), np.nan, co_moments.TAKERS), bought, close=given["close"], volume=none
    )[0].copy()


_window = partial(
    FeatureSpec,
    family="microstructure",
    version=1,
    params=WindowParams,
    usual=WindowParams(window=60),
    inputs=("close", "volume"),
    kernel_params=lambda p: (p.window, 0.0),
    lookback=lambda p: p.window,
)
_amihud = partial(_window, kernel=window_sums.amihud, source="Amihud (2002), Journal of Financial Markets 5(1)")
_kyle = partial(
    _window,
    usual=WindowParams(window=100),
    kernel=co_moments.kyle_lambda,
    source="Kyle (1985), Econometrica 53(6); as a regression López de Prado (2018), 19.4.1",
)
_bulk_kyle = partial(_kyle, kernel_params=lambda p: (p.window, 1.0, 0.0, co_moments.BULK), lookback=lambda p: 2 * p.window - 1)
_taker_kyle = partial(_kyle, inputs=("close", "volume", "taker_buy_base"), kernel_params=lambda p: (p.window, 1.0, 0.0, co_moments.TAKERS))

_LAMBDA = "λ the least-squares slope, with a constant, of C - C₋₁ on bought less sold over n bars"
_BULK = "(2Φ(z) - 1)V, z = (C - C₋₁)/σ, σ² the mean of the last n squared changes of the close; 0 where that does not vary"
_TAKER = "2·taker_buy_base - V; 0 where that does not vary"

FEATURES = (
    _amihud(
        name="amihud",
        output="relative",
        unit="return per mean turnover of a bar",
        formula="mean of |C/C₋₁ - 1|/(C·V) times mean of C·V, over those of n bars with volume; 0 where none had",
    ),
    _amihud(
        name="amihud_money",
        output="money",
        scale="inverse",
        unit="return per unit of money",
        formula="mean of |C/C₋₁ - 1|/(C·V) over those of n bars with volume; 0 where none had",
    ),
    _bulk_kyle(
        name="kyle_lambda",
        output="relative",
        unit="share of the close per mean volume of a bar",
        formula=f"λ·mean V/C, {_LAMBDA}, {_BULK}",
    ),
    _bulk_kyle(
        name="kyle_lambda_price",
        output="price",
        scale="price",
        unit="price per unit of volume",
        formula=f"λ, {_LAMBDA}, {_BULK}",
    ),
    _taker_kyle(
        name="taker_kyle_lambda",
        output="relative",
        unit="share of the close per mean volume of a bar",
        formula=f"λ·mean V/C, {_LAMBDA}, {_TAKER}",
    ),
    _taker_kyle(
        name="taker_kyle_lambda_price",
        output="price",
        scale="price",
        unit="price per unit of volume",
        formula=f"λ, {_LAMBDA}, {_TAKER}",
    ),
    _window(
        name="price_impact",
        kernel=window_sums.price_impact,
        output="price_impact",
        unit="log return per root of the mean volume of a bar",
        formula="mean over n bars of |ln(C/C₋₁)|·sqrt(V/mean V): the least-squares slope, through the origin, of |ln(C/C₋₁)| on "
        "sqrt(V/mean V); 0 where none was traded",
        source="the square-root law: Torre (1997), BARRA Market Impact Model Handbook; Tóth et al. (2011), Physical Review X 1",
    ),
)

__all__ = ["FEATURES", "amihud", "kyle_lambda"]
