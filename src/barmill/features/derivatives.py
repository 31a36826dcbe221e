"""Derivatives: funding and basis of a perpetual or a future. Changes and z-scores are transforms: `zscore_90(funding_rate)`."""

from functools import partial

from barmill.features.kernels import derivatives, price
from barmill.features.params import HoursParams, NoParams
from barmill.features.spec import FeatureSpec

FAMILY = "derivatives"

_feature = partial(
    FeatureSpec, family=FAMILY, version=1, params=NoParams, usual=NoParams(), kernel_params=lambda _: (), lookback=lambda _: 0
)

FEATURES = (
    _feature(
        name="funding_rate",
        inputs=("funding_rate",),
        kernel=price.as_given,
        output="value",
        unit="share of the notional per settlement",
        formula="the rate in force at the bar's close",
        source="He, Manela, Ross & von Wachter (2022), Fundamentals of Perpetual Futures",
    ),
    _feature(
        name="time_to_funding",
        params=HoursParams,
        usual=HoursParams(hours=8),
        inputs=("close_time",),
        kernel=derivatives.time_to_settlement,
        output="share",
        kernel_params=lambda p: (p.hours,),
        base_only=True,
        unit="share of the interval",
        formula="share of the n hours between settlements, counted from 00:00 UTC, that is left at the bar's close; 1 at a settlement",
        source="He, Manela, Ross & von Wachter (2022), Fundamentals of Perpetual Futures",
    ),
    _feature(
        name="basis_bps",
        inputs=("close", "spot_close"),
        kernel=derivatives.beside,
        output="bps",
        unit="basis points of the spot price",
        formula="10⁴·(C/spot_close - 1); 0 where the spot price is not above 0",
        source="Fama & French (1987), Journal of Business 60(1)",
    ),
)

__all__ = ["FAMILY", "FEATURES"]
