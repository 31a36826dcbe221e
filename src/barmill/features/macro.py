"""Macro: daily series as of their release, each value standing until the next.

A change or z-score over days is a transform on daily bars: `change_7(mvrv)@1d`, `zscore_30(exchange_netflow)@1d`.
"""

from barmill.features.columns import COLUMNS
from barmill.features.kernels import price
from barmill.features.params import NoParams
from barmill.features.spec import FeatureSpec

FAMILY = "macro"


def _as_it_stands(name: str, source: str) -> FeatureSpec:
    return FeatureSpec(
        name=name,
        family=FAMILY,
        version=1,
        params=NoParams,
        usual=NoParams(),
        inputs=(name,),
        kernel=price.as_given,
        output="value",
        kernel_params=lambda _: (),
        lookback=lambda _: 0,
        unit=COLUMNS[name].unit,
        formula=f"the last value released by the bar's close: {COLUMNS[name].meaning}",
        source=source,
    )


FEATURES = (
    _as_it_stands("mvrv", "Mahmudov & Puell (2018), Bitcoin Market-Value-to-Realized-Value Ratio"),
    _as_it_stands("asopr", "Shirakashi (2019), Introducing SOPR: Spent Outputs to Predict Bitcoin Lows and Tops"),
    _as_it_stands("nupl", "Demeester, Blummer & Lescrauwaet (2019), A Primer on Bitcoin Investor Sentiment"),
    _as_it_stands("exchange_netflow", "Hoang & Baur (2022), Journal of Banking & Finance 144"),
    _as_it_stands("volatility_index", "Whaley (2000), Journal of Portfolio Management 26(3)"),
)

__all__ = ["FAMILY", "FEATURES"]
