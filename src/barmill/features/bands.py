"""Bands: where the price stands within the day so far, and among the levels of the last whole day.

The day so far is the session of the calendar, the UTC day of a market that never closes. The day before is the last closed bar of
a day, `@1d`: features of levels take them as arguments, as in `band_position(high@1d,low@1d)`, and other timeframes as well.
The distance from one level alone is an expression: `difference(log_close,log_high@1d)`.
"""

from functools import partial

from barmill.features.kernels import bands
from barmill.features.params import NoParams
from barmill.features.spec import SETTLED, FeatureSpec, Scale

FAMILY = "bands"

_DAY_OF_MINUTES = 1_440  # bars; longer bars have fewer in a day, so it is a bound for them all


def _of_prices(scales: tuple[Scale, ...]) -> Scale:
    """Levels that move with the price leave a position or a share as it is."""
    return "free" if set(scales) == {"price"} else "level"


_feature = partial(FeatureSpec, family=FAMILY, version=1, params=NoParams, usual=NoParams(), lookback=lambda _: 0, base_only=True)
_today = partial(_feature, kernel=bands.day_so_far, kernel_params=lambda _: (), fades=lambda _: (SETTLED ** (1.0 / _DAY_OF_MINUTES),))
_levels = partial(_feature, kernel_params=lambda _: (), scale_of=_of_prices, inputs=("close",))

FEATURES = (
    _today(
        name="day_range_position",
        inputs=("high", "low", "close", "session_open"),
        output="position",
        unit="0 to 1",
        formula="(C - L)/(H - L), H and L of the day so far; 0.5 where it had one price",
        source="Williams (1973), How I Made One Million Dollars (%R), over the day",
    ),
    _today(
        name="day_return",
        inputs=("open", "close", "session_open"),
        output="day_return",
        unit="share",
        formula="C/O - 1, O the open of the day's first bar",
        source="Campbell, Lo & MacKinlay (1997), The Econometrics of Financial Markets, 1.4",
    ),
    _today(
        name="day_range",
        inputs=("open", "high", "low", "session_open"),
        output="day_range",
        unit="share of the day's open",
        formula="(H - L)/O of the day so far",
        source="Parkinson (1980), Journal of Business 53",
    ),
    _today(
        name="day_vwap_distance",
        inputs=("high", "low", "close", "volume", "session_open"),
        output="vwap_distance",
        unit="share of the mean price paid",
        formula="C/VWAP - 1, VWAP = Σ(H + L + C)/3·V / ΣV of the day so far; 0 where none was traded",
        source="Berkowitz, Logue & Noser (1988), Journal of Finance 43(1)",
    ),
    _today(
        name="day_vwap_position",
        inputs=("high", "low", "close", "volume", "session_open"),
        output="vwap_position",
        unit="standard deviations",
        formula="(C - VWAP)/σ of the day so far, σ² = Σ((H + L + C)/3 - VWAP)²·V / ΣV; 0 where none was traded or at one price",
        source="Berkowitz, Logue & Noser (1988), Journal of Finance 43(1)",
    ),
    _levels(
        name="band_position",
        kernel=bands.band,
        output="position",
        arity=(2, 2),
        usual_args=("high@1d", "low@1d"),
        unit="0 to 1 within the band",
        formula="(C - lower)/(upper - lower), upper and lower the two features; 0.5 where upper is not above lower",
        source="Donchian (1960), Financial Analysts Journal 16(6)",
    ),
    _levels(
        name="pivot_distance",
        kernel=bands.pivots,
        output="distance",
        arity=(3, 3),
        usual_args=("high@1d", "low@1d", "close@1d"),
        unit="share of the pivot",
        formula="C/P - 1, P = (high + low + close)/3 of the three features; 0 where P is not above 0",
        source="Person (2004), A Complete Guide to Technical Trading Tactics, chapter 6",
    ),
    _levels(
        name="pivot_zone",
        kernel=bands.pivots,
        output="zone",
        arity=(3, 3),
        usual_args=("high@1d", "low@1d", "close@1d"),
        unit="-3 to 3, levels reached",
        formula="levels that C has reached of P, R1 = 2P - low, R2 = P + (high - low), or, negative, below P, of S1 = 2P - high, "
        "S2 = P - (high - low), P itself counted; 0 where high is not above low",
        source="Person (2004), A Complete Guide to Technical Trading Tactics, chapter 6",
    ),
)

__all__ = ["FAMILY", "FEATURES"]
