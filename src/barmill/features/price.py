"""Price: the bar itself, as given and as logarithms.

They are what transforms start from, and what models read that learn their own features. Prices as given belong to the level
that a market happens to have; a model that is to be used at another one takes a price-free form of them.
"""

from functools import partial

from barmill.features.kernels import price
from barmill.features.kernels.kernel import BAR_ROWS
from barmill.features.params import NoParams
from barmill.features.spec import FeatureSpec

FAMILY = "price"

_SOURCE = "the bar itself"

_feature = partial(FeatureSpec, family=FAMILY, version=1, params=NoParams, usual=NoParams(), lookback=lambda _: 0)


def _as_given(name: str, formula: str) -> FeatureSpec:
    row = float(BAR_ROWS.index(name))
    return _feature(
        name=name,
        inputs=(name,),
        kernel=price.as_given,
        output="value",
        kernel_params=lambda _: (row,),
        unit="volume" if name == "volume" else "price",
        formula=formula,
        source=_SOURCE,
        scale="free" if name == "volume" else "price",
    )


def _logarithm(column: str, formula: str, added: float = 0.0) -> FeatureSpec:
    row = float(BAR_ROWS.index(column))
    return _feature(
        name=f"log_{column}",
        inputs=(column,),
        kernel=price.logarithm,
        output="logarithm",
        kernel_params=lambda _: (row, added),
        unit="natural logarithm",
        formula=formula,
        source=_SOURCE,
        scale="free" if column == "volume" else "log",
    )


FEATURES = (
    _as_given("open", "O"),
    _as_given("high", "H"),
    _as_given("low", "L"),
    _as_given("close", "C"),
    _as_given("volume", "V"),
    _logarithm("open", "ln O"),
    _logarithm("high", "ln H"),
    _logarithm("low", "ln L"),
    _logarithm("close", "ln C"),
    _logarithm("volume", "ln(1 + V)", added=1.0),
)

__all__ = ["FAMILY", "FEATURES"]
