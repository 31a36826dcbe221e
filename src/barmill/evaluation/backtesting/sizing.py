"""How large a position may be: one function, called by the backtest on every entry and, with the same arguments, by whoever trades."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from barmill.errors import ShapeError
from barmill.evaluation.backtesting.config import BacktestConfig
from barmill.evaluation.backtesting.rule_vector import (
    FRACTION,
    KELLY,
    KELLY_FRACTION,
    LOT_STEP,
    LOTS,
    MARGIN,
    MAX_LEVERAGE,
    MAX_LOTS,
    MAX_RISK,
    MULTIPLIER,
    PAYOFF,
    SIZE,
    SIZING,
    VOLATILITY,
    rule_vector,
)
from barmill.market.instrument import Instrument
from barmill.market.timeframe import Timeframe

Float64Array = npt.NDArray[np.float64]

LIMITS = ("", "max_risk_per_trade", "margin_per_lot", "max_leverage", "max_lots")  # in the order in which they are asked
_STEP_TOLERANCE = 1e-9  # 3 lots that came out as 2.9999999999 are 3 lots


@dataclass(frozen=True, slots=True)
class PositionSize:
    """How much to trade.

    lots : contracts, 0 or more
    risk_fraction : share of equity lost if the stop is hit at its level (without a stop: if the margin is lost), NaN if neither is known
    wanted_lots : what the sizing rule asked for, before limits
    limited_by : the limit that cut it, or ""
    """

    lots: float
    risk_fraction: float
    wanted_lots: float
    limited_by: str


def get_optimal_position_size(
    config: BacktestConfig,
    instrument: Instrument,
    *,
    equity: float,
    price: float,
    confidence: float = float("nan"),
    stop_distance: float = 0.0,
    volatility: float = float("nan"),
) -> PositionSize:
    """The size of a position that is decided now.

    lots: as configured. fraction: fraction · equity / value of a contract. volatility: target_volatility · equity / (volatility · value).
    kelly: kelly_fraction · (p - (1 - p)/payoff_ratio), never below 0, of equity is put at risk: lost at the stop, or, without one, the
    value of the position. Then the limits, then the lot step, downwards.

    Parameters
    ----------
    config : the sizing rule and the limits
    instrument : its multiplier makes money of prices
    equity : money, at the last close
    price : the last close
    confidence : probability that the trade wins, in [0, 1]; for kelly
    stop_distance : price units from the entry to the stop; 0 without one
    volatility : of the returns, for a year (0.2 is 20%); for volatility

    Returns
    -------
    PositionSize; no lots for an account without equity, or where the number that the rule needs is not known (NaN).

    Raises: ShapeError for a price that is not positive, or a distance or confidence out of range.
    Source: Kelly (1956), Bell System Technical Journal 35, for a bet that wins payoff_ratio with probability p and loses 1 otherwise.
    """
    if not (np.isfinite(price) and price > 0):
        raise ShapeError("price", f"is {price}", expected="a number above 0")
    if not stop_distance >= 0:
        raise ShapeError("stop_distance", f"is {stop_distance}", expected="0 or more, in price units")
    if not (np.isnan(confidence) or 0 <= confidence <= 1):
        raise ShapeError("confidence", f"is {confidence}", expected="a probability in [0, 1]")
    rules = rule_vector(config.model_copy(update={"holding_period_minutes": None}), instrument, Timeframe(1))
    lots, wanted, limit = lots_for(rules, float(equity), float(price), float(stop_distance), float(volatility), float(confidence))
    at_risk = risk_of_lot(rules, float(stop_distance))
    risk = lots * at_risk / equity if at_risk > 0 and equity > 0 else float("nan")
    return PositionSize(lots, risk, wanted, LIMITS[limit])


@njit(cache=True, nogil=True, error_model="numpy")
def risk_of_lot(rules: Float64Array, distance: float) -> float:
    """Money that a contract loses at its stop; its margin without one; 0 if neither is known."""
    return distance * rules[MULTIPLIER] if distance > 0.0 else rules[MARGIN]


@njit(cache=True, nogil=True, error_model="numpy")
def lots_for(
    rules: Float64Array, equity: float, price: float, distance: float, volatility: float, confidence: float
) -> tuple[float, float, int]:
    """Lots, lots before limits, and the number of the limit in LIMITS that cut them."""
    value = price * rules[MULTIPLIER]
    method = rules[SIZING]
    if method == LOTS:
        wanted = rules[SIZE]
    elif method == FRACTION:
        wanted = rules[SIZE] * equity / value
    elif method == VOLATILITY:
        wanted = rules[SIZE] * equity / (volatility * value)
    elif method == KELLY:
        stake = rules[KELLY_FRACTION] * max(confidence - (1.0 - confidence) / rules[PAYOFF], 0.0)
        wanted = stake * equity / (distance * rules[MULTIPLIER] if distance > 0.0 else value)
    else:
        wanted = 0.0
    if not (equity > 0.0 and wanted > 0.0 and wanted < np.inf):  # a NaN is no size
        return 0.0, 0.0, 0
    lots, limit = wanted, 0
    at_risk = risk_of_lot(rules, distance)
    if at_risk > 0.0 and rules[MAX_RISK] * equity / at_risk < lots:
        lots, limit = rules[MAX_RISK] * equity / at_risk, 1
    if rules[MARGIN] > 0.0 and equity / rules[MARGIN] < lots:
        lots, limit = equity / rules[MARGIN], 2
    if rules[MAX_LEVERAGE] * equity / value < lots:
        lots, limit = rules[MAX_LEVERAGE] * equity / value, 3
    if rules[MAX_LOTS] < lots:
        lots, limit = rules[MAX_LOTS], 4
    if rules[LOT_STEP] > 0.0:
        lots = np.floor(lots / rules[LOT_STEP] + _STEP_TOLERANCE) * rules[LOT_STEP]
    return lots, wanted, limit


__all__ = ["LIMITS", "PositionSize", "get_optimal_position_size", "lots_for", "risk_of_lot"]
