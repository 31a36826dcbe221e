"""A config as the row of numbers that compiled loops read, costs taken from `market.costs`."""

import numpy as np
import numpy.typing as npt

from barmill.evaluation.backtesting.config import BacktestConfig
from barmill.market.costs import fee_per_side, slippage_per_side
from barmill.market.instrument import Fee, Instrument, Slippage
from barmill.market.timeframe import Timeframe

Float64Array = npt.NDArray[np.float64]

# Places in the row. Limits that are not set are infinite, rules that are not set 0.
(
    CAPITAL,
    MULTIPLIER,
    TICK,
    FEE_SHARE,
    FEE_POINTS,
    FEE_FLAT,
    SLIP_SHARE,
    SLIP_POINTS,
    AT_CLOSE,
    STOP_ATR,
    STOP_SHARE,
    TARGET_ATR,
    TARGET_SHARE,
    TARGET_R,
    HOLDING,
    RENEW,
    ON_OPPOSITE,
    ALLOW_SHORT,
    MIN_CONFIDENCE,
    MAX_TRADES,
    COOLDOWN,
    SIZING,
    SIZE,
    KELLY_FRACTION,
    PAYOFF,
    LOT_STEP,
    MAX_LOTS,
    MAX_LEVERAGE,
    MARGIN,
    MAX_RISK,
    MAX_DRAWDOWN,
    N_RULES,
) = range(32)

LOTS, FRACTION, VOLATILITY, KELLY, SHARE = range(5)
REVERSE, CLOSE, IGNORE = range(3)
_SIZINGS = {"lots": LOTS, "fraction": FRACTION, "volatility": VOLATILITY, "kelly": KELLY, "share": SHARE}
_OPPOSITES = {"reverse": REVERSE, "close": CLOSE, "ignore": IGNORE}


def with_costs(instrument: Instrument, config: BacktestConfig) -> Instrument:
    """The instrument with the costs that the config names instead of its own."""
    fee, slippage = instrument.fee, instrument.slippage
    if config.transaction_cost_bps is not None:
        fee = Fee(bps=config.transaction_cost_bps)
    elif config.fee_per_contract is not None:
        fee = Fee(per_contract=config.fee_per_contract)
    if config.slippage_bps is not None:
        slippage = Slippage(bps=config.slippage_bps)
    elif config.slippage_ticks is not None:
        slippage = Slippage(ticks=config.slippage_ticks)
    return instrument.model_copy(update={"fee": fee, "slippage": slippage})


def rule_vector(config: BacktestConfig, instrument: Instrument, timeframe: Timeframe, cost_scale: float = 1.0) -> Float64Array:
    """float64 (N_RULES,). `cost_scale` multiplies fees and slippage.

    Both are linear in the price, so what `market.costs` says at the prices 0 and 1 is all there is to know of them.
    """
    priced = with_costs(instrument, config)
    fees, slips = (cost_scale * cost(priced, np.array([0.0, 1.0])) for cost in (fee_per_side, slippage_per_side))
    size = {"lots": config.lots, "volatility": config.target_volatility}.get(config.sizing, config.fraction)
    rules = np.zeros(N_RULES)
    rules[CAPITAL] = config.account_size
    rules[MULTIPLIER] = instrument.multiplier
    rules[TICK] = instrument.tick_size if config.round_to_tick else 0.0
    rules[FEE_POINTS], rules[FEE_SHARE] = fees[0], fees[1] - fees[0]
    rules[FEE_FLAT] = cost_scale * config.fee_per_trade
    rules[SLIP_POINTS], rules[SLIP_SHARE] = slips[0], slips[1] - slips[0]
    rules[AT_CLOSE] = config.fill == "next_close"
    rules[STOP_ATR], rules[STOP_SHARE] = config.stop_atr or 0.0, config.stop_share or 0.0
    rules[TARGET_ATR], rules[TARGET_SHARE], rules[TARGET_R] = config.target_atr or 0.0, config.target_share or 0.0, config.target_r or 0.0
    rules[HOLDING] = config.bars_held(timeframe) or np.inf
    rules[RENEW] = config.renew
    rules[ON_OPPOSITE] = _OPPOSITES[config.on_opposite]
    rules[ALLOW_SHORT] = config.allow_short
    rules[MIN_CONFIDENCE] = config.min_confidence
    rules[MAX_TRADES] = _or_inf(config.max_trades)
    rules[COOLDOWN] = config.cooldown_bars
    rules[SIZING], rules[SIZE] = _SIZINGS[config.sizing], size
    rules[KELLY_FRACTION], rules[PAYOFF] = config.kelly_fraction, config.payoff_ratio
    rules[LOT_STEP] = config.lot_step
    rules[MAX_LOTS], rules[MAX_LEVERAGE] = _or_inf(config.max_lots), _or_inf(config.max_leverage)
    rules[MARGIN], rules[MAX_RISK] = config.margin_per_lot or 0.0, _or_inf(config.max_risk_per_trade)
    rules[MAX_DRAWDOWN] = _or_inf(config.max_drawdown)
    return rules


def _or_inf(value: float | None) -> float:
    return np.inf if value is None else float(value)


__all__ = ["rule_vector", "with_costs"]
