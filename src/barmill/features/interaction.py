"""Interactions: two features in one. On base bars the two may stand on different timeframes."""

from functools import partial

from barmill.features.kernels import interactions
from barmill.features.params import NoParams
from barmill.features.spec import FeatureSpec, Scale

FAMILY = "interaction"

_POWERS = {"free": 0, "price": 1, "inverse": -1}
_BY_POWER: dict[int, Scale] = {0: "free", 1: "price", -1: "inverse"}


def _scale_of_product(given: tuple[Scale, ...]) -> Scale:
    """Powers of the price add up; k² has no name."""
    a, b = given
    return _BY_POWER.get(_POWERS[a] + _POWERS[b], "level") if a in _POWERS and b in _POWERS else "level"


def _scale_of_ratio(given: tuple[Scale, ...]) -> Scale:
    a, b = given
    return _BY_POWER.get(_POWERS[a] - _POWERS[b], "level") if a in _POWERS and b in _POWERS else "level"


def _scale_of_difference(given: tuple[Scale, ...]) -> Scale:
    a, b = given
    if given in (("log", "free"), ("log", "log")):
        return "log" if b == "free" else "free"
    if a == b:
        return a
    return "shift" if {a, b} <= {"free", "log", "shift"} else "level"


def _scale_of_crossing(given: tuple[Scale, ...]) -> Scale:
    """A positive factor does not move a sign."""
    return "free" if _scale_of_difference(given) in ("free", "price", "inverse") else "level"


_interaction = partial(
    FeatureSpec,
    family=FAMILY,
    version=1,
    params=NoParams,
    usual=NoParams(),
    inputs=(),
    arity=(2, 2),
    kernel_params=lambda _: (),
    lookback=lambda _: 0,
    source="Aiken & West (1991), Multiple Regression",
)

FEATURES = (
    _interaction(
        name="product",
        usual_args=("rsi_14", "realised_volatility_60"),
        kernel=interactions.product,
        output="product",
        unit="that of a times that of b",
        formula="a·b",
        scale_of=_scale_of_product,
    ),
    _interaction(
        name="difference",
        usual_args=("ema_distance_26", "ema_distance_12"),
        kernel=interactions.difference,
        output="difference",
        unit="that of a and b",
        formula="a - b",
        scale_of=_scale_of_difference,
    ),
    _interaction(
        name="ratio",
        usual_args=("log_return_1", "realised_volatility_60"),
        kernel=interactions.ratio,
        output="ratio",
        kernel_params=lambda _: (0.0,),
        unit="that of a over that of b",
        formula="a/b; 0 where b is 0, or so near to it that a/b is no float32 (beyond 3.4e38)",
        scale_of=_scale_of_ratio,
    ),
    _interaction(
        name="crossing",
        usual_args=("macd_12_26_9", "macd_signal_12_26_9"),
        kernel=interactions.difference,
        output="sign",
        unit="-1, 0 or 1",
        formula="1 where a is above b, -1 where it is below, 0 where they are equal",
        scale_of=_scale_of_crossing,
    ),
)

__all__ = ["FAMILY", "FEATURES"]
