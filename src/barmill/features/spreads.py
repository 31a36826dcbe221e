"""Spreads of the microstructure family: what trading costs, estimated from bars.

Each estimator sees another trace of the spread: closes that bounce between bid and offer (Roll), ranges that hold it once however
long they are (Corwin and Schultz), closes that lie off the middle of their bars (Abdi and Ranaldo), closes that stand still because
it is not worth while to trade (Fong, Holden and Trzcinka).
"""

from functools import partial

import numpy.typing as npt

from barmill.features import history
from barmill.features.kernels import co_moments, window_sums
from barmill.features.kernels.kernel import Float64Array
from barmill.features.params import RollParams, WindowParams
from barmill.features.spec import FeatureSpec


def roll_spread(close: npt.ArrayLike, window: int) -> Float64Array:
    """Roll's spread: 2·sqrt(-cov) of each change of the close with the one before it; 0 where they do not bounce.

    d_t = C_t - C_{t-1}. The window holds `window` changes, hence window - 1 pairs (d_t, d_{t-1}); the covariance is divided by one
    less than their number, each member about its own mean. `effective_spread` is tighter, where there are highs and lows.

    Parameters
    ----------
    close : float64 array of shape (n_bars,), prices
    window : int, changes, at least 1; fewer than 3 have no covariance and give NaN

    Returns
    -------
    float64 array of shape (n_bars,), in units of the price; NaN for the first `window` bars.

    Timing: row t uses the closes t - window .. t, so it is known at the close of bar t.
    Raises: ShapeError unless close has one axis; InputError for a window below 1.
    Source: Roll (1984), Journal of Finance 39(4), 1127-1139.
    """
    history.whole("roll_spread", window=window)
    return co_moments.roll_spread.run((window,), **history.columns("roll_spread", close=close))[0].copy()


def corwin_schultz_spread(high: npt.ArrayLike, low: npt.ArrayLike, window: int) -> Float64Array:
    """Corwin and Schultz's spread: the range of two bars together grows with time, the spread within it does not.

    β is the mean over the last `window` pairs of neighbours of ln(H/L)² of both, γ = ln(max(H, H₋₁)/min(L, L₋₁))² of the last pair,
    α = (√(2β) - √β)/(3 - 2√2) - √(γ/(3 - 2√2)), 0 where negative; the spread is 2(e^α - 1)/(1 + e^α).

    Parameters
    ----------
    high, low : float64 arrays of shape (n_bars,), prices, low > 0
    window : int, pairs, at least 1

    Returns
    -------
    float64 array of shape (n_bars,), share of the price (0.001 is 10 basis points); NaN for the first `window` bars.

    Timing: row t uses bars t - window .. t, so it is known at the close of bar t.
    Raises: ShapeError if the lengths differ; InputError for a window below 1, or naming the first row where low > high or low <= 0.
    Source: Corwin & Schultz (2012), Journal of Finance 67(2), 719-760, without their mend for overnight gaps.
    """
    function = "corwin_schultz_spread"
    history.whole(function, window=window)
    given = history.columns(function, high=high, low=low)
    history.above_zero(function, given, "low")
    history.not_above(function, given, "low", "high")
    return window_sums.corwin_schultz_spread.run((window,), **given)[0].copy()


_feature = partial(FeatureSpec, family="microstructure", version=1)
_window = partial(
    _feature,
    params=WindowParams,
    usual=WindowParams(window=60),
    kernel_params=lambda p: (p.window,),
    lookback=lambda p: p.window,
    unit="share of the price",
)
_roll = partial(
    _window,
    params=RollParams,
    usual=RollParams(window=100),
    inputs=("close",),
    kernel=co_moments.roll_spread,
    source="Roll (1984), Journal of Finance 39(4)",
)
_zero_returns = partial(_window, inputs=("close",), kernel=co_moments.zero_returns)

FEATURES = (
    _roll(
        name="roll_spread",
        output="share",
        formula="2·sqrt(max(0, -cov))/C, cov the sample covariance of n changes of the close with those before them, n - 1 pairs",
    ),
    _roll(
        name="roll_spread_price",
        output="price",
        scale="price",
        unit="price",
        formula="2·sqrt(max(0, -cov)), cov the sample covariance of n changes of the close with those before them, n - 1 pairs",
    ),
    _window(
        name="corwin_schultz_spread",
        inputs=("high", "low"),
        kernel=window_sums.corwin_schultz_spread,
        output="corwin_schultz_spread",
        formula="2(e^α - 1)/(1 + e^α), α = max(0, (√(2β) - √β)/(3 - 2√2) - √(γ/(3 - 2√2))), β the mean over n pairs of neighbours of "
        "ln(H/L)² + ln(H₋₁/L₋₁)², γ = ln(max(H, H₋₁)/min(L, L₋₁))²",
        source="Corwin & Schultz (2012), Journal of Finance 67(2)",
    ),
    _window(
        name="effective_spread",
        inputs=("high", "low", "close"),
        kernel=window_sums.effective_spread,
        output="effective_spread",
        formula="2·sqrt(max(0, mean over n pairs of neighbours of (c₋₁ - m₋₁)(c₋₁ - m))), c = ln C, m = (ln H + ln L)/2",
        source="Abdi & Ranaldo (2017), Review of Financial Studies 30(12)",
    ),
    _window(
        name="realised_spread",
        inputs=("close",),
        kernel=window_sums.realised_spread,
        output="realised_spread",
        lookback=lambda p: p.window + 1,
        unit="share of the price; negative where the price goes on",
        formula="mean over n bars of 2b₋₁·ln(C₋₁/C), b the sign of the last change of the close (tick rule), 0 before the first: what a "
        "trade at the last close had given back a bar later",
        source="Huang & Stoll (1996), Journal of Financial Economics 41(3), signed by the tick rule of Lee & Ready (1991)",
    ),
    _zero_returns(
        name="zero_return_share",
        output="share",
        unit="0 to 1",
        formula="share of the last n changes of the close that are 0",
        source="Lesmond, Ogden & Trzcinka (1999), Review of Financial Studies 12(5)",
    ),
    _zero_returns(
        name="zero_return_spread",
        output="spread",
        formula="2σ·Φ⁻¹((1 + z)/2), z the share of the last n changes of the close that are 0, σ the sample standard deviation of the "
        "n log returns; 0 where none varies",
        source="Fong, Holden & Trzcinka (2017), Review of Finance 21(4), for the quoted and the effective spread",
    ),
)

__all__ = ["FEATURES", "corwin_schultz_spread", "roll_spread"]
