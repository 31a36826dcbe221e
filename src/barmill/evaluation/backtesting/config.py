"""What a backtest is told: rules of entry and exit, costs, sizes and limits, as one frozen value with ranges."""

from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from barmill.errors import InputError
from barmill.market.timeframe import Timeframe

Fill = Literal["next_open", "next_close"]
Sizing = Literal["lots", "fraction", "volatility", "kelly", "share"]
OnOpposite = Literal["reverse", "close", "ignore"]
MAX_BPS = 1000.0


class BacktestConfig(BaseModel):
    """Everything that decides what a backtest does with given bars and signals.

    A cost that is left out is the instrument's own. `explanation/backtesting.md` says what each rule means to the bar.

    Examples
    --------
    >>> BacktestConfig(holding_bars=60, stop_atr=2.0, target_r=1.5).fill
    'next_open'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    exchange: str | None = Field(default=None, max_length=80, description="where it is traded; a name that is kept with the result")
    symbol: str | None = Field(default=None, description="what is traded; bars of another symbol are refused")
    start: str | None = Field(default=None, description="UTC time such as 2024-01-01 or 2024-01-01T09:30: no earlier bar counts")
    end: str | None = Field(default=None, description="UTC time: bars that open at it or later do not count")
    strategy: str = Field(default="ml_signal", max_length=80, description="name of what made the signals; it is kept with the result")

    fill: Fill = Field(default="next_open", description="at which price of the next bar an order fills; never of the bar that decided")
    holding_period_minutes: float | None = Field(default=None, gt=0, description="how long a trade is held; a whole number of bars")
    holding_bars: int | None = Field(default=None, ge=1, description="the same in bars, from fill to fill")
    renew: bool = Field(default=True, description="the same signal again starts the holding period anew")
    on_opposite: OnOpposite = Field(default="reverse", description="what a signal against the position does")
    allow_short: bool = Field(default=True, description="false: a short signal closes a long position and opens nothing")
    long_above: float | None = Field(default=None, ge=0, le=1, description="go long where p_up is above it; the bundle's if left out")
    short_below: float | None = Field(default=None, ge=0, le=1, description="go short where p_up is below it; the bundle's if left out")
    decide_every: int | None = Field(default=None, ge=1, description="forecasts count on every so many bars; as the bundle was judged")
    min_confidence: float = Field(default=0.0, ge=0, le=1, description="signals with less are left out")
    max_trades: int | None = Field(default=None, ge=0, description="no entry after so many")
    cooldown_bars: int = Field(default=0, ge=0, description="closes at which nothing is decided after a trade was left")

    transaction_cost_bps: float | None = Field(default=None, ge=0, le=MAX_BPS, description="fee of a side in basis points of its value")
    fee_per_contract: float | None = Field(default=None, ge=0, description="fee of a side in money for each contract")
    fee_per_trade: float = Field(default=0.0, ge=0, description="fee of a side in money, whatever its size; on top of the others")
    slippage_bps: float | None = Field(default=None, ge=0, le=MAX_BPS, description="slippage of a side in basis points of the price")
    slippage_ticks: float | None = Field(default=None, ge=0, description="slippage of a side in ticks")
    round_to_tick: bool = Field(default=False, description="fills are rounded to a tick against the trader, levels to the nearest")
    funding: bool = Field(default=True, description="charge the funding of a perpetual, where its rates are given")
    funding_hours: int = Field(default=8, ge=1, le=24, description="hours between settlements of the column funding_rate, from midnight")

    stop_atr: float | None = Field(default=None, gt=0, description="stop so many ATR from the entry")
    stop_share: float | None = Field(default=None, gt=0, lt=1, description="stop at this share of the entry price away from it")
    target_atr: float | None = Field(default=None, gt=0, description="profit target so many ATR from the entry")
    target_share: float | None = Field(default=None, gt=0, description="profit target at this share of the entry price away from it")
    target_r: float | None = Field(default=None, gt=0, description="profit target so many times the stop's distance away")
    atr_window: int = Field(default=14, ge=1, description="bars of the ATR")

    sizing: Sizing = Field(default="fraction", description="how a position is sized; see the next fields")
    lots: float = Field(default=1.0, gt=0, description="lots: contracts of each trade")
    fraction: float = Field(
        default=1.0, gt=0, le=100, description="fraction: value of the position as a share of equity; share: of a signal of 1"
    )
    target_volatility: float = Field(
        default=0.2, gt=0, description="volatility: yearly volatility that a position aims at, as a share of equity"
    )
    volatility_span: int = Field(default=60, ge=2, description="volatility: span in bars of the exponentially weighted volatility")
    kelly_fraction: float = Field(default=0.5, gt=0, le=1, description="kelly: share of the Kelly fraction that is staked")
    payoff_ratio: float = Field(default=1.0, gt=0, description="kelly: average gain over average loss")
    lot_step: float = Field(default=0.0, ge=0, description="sizes are rounded down to a multiple of it; 0 for any size")
    max_lots: float | None = Field(default=None, gt=0, description="most contracts of a position")
    max_leverage: float | None = Field(default=None, gt=0, description="most value of a position, in multiples of equity")

    account_size: float = Field(default=100_000.0, gt=0, description="money at the start")
    margin_per_lot: float | None = Field(
        default=None, gt=0, description="money that a contract ties up; no more contracts than equity carries"
    )
    max_risk_per_trade: float | None = Field(
        default=None, gt=0, le=1, description="most of equity that a trade may lose at its stop (without a stop: its margin)"
    )
    max_drawdown: float | None = Field(default=None, gt=0, lt=1, description="close and stop for good once equity has fallen by so much")
    session_close_out: bool = Field(default=False, description="hold nothing over the end of a session of the instrument's calendar")
    close_out_minutes: int = Field(default=0, ge=0, description="so long before the end of the session to close and stop entering")

    @field_validator("start", "end")
    @classmethod
    def _is_a_time(cls, text: str | None) -> str | None:
        if text is not None:
            _ms(text)
        return text

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _one_of(self, "stop_atr", "stop_share")
        _one_of(self, "target_atr", "target_share", "target_r")
        _one_of(self, "holding_bars", "holding_period_minutes")
        _one_of(self, "transaction_cost_bps", "fee_per_contract")
        _one_of(self, "slippage_bps", "slippage_ticks")
        if self.target_r is not None and not self.has_stop:
            raise ValueError("target_r counts distances of the stop, and there is none; give stop_atr or stop_share")
        if self.max_risk_per_trade is not None and not self.has_stop and self.margin_per_lot is None:
            raise ValueError("max_risk_per_trade needs a stop or margin_per_lot to know what a contract risks; give one of them")
        if self.long_above is not None and self.short_below is not None and self.short_below > self.long_above:
            raise ValueError(f"short_below {self.short_below:g} is above long_above {self.long_above:g}; swap them")
        if self.start is not None and self.end is not None and _ms(self.end) <= _ms(self.start):
            raise ValueError(f"end {self.end} is not after start {self.start}")
        if self.sizing == "share":
            self._check_share()
        return self

    def _check_share(self) -> None:
        """A path of shares of equity is followed as it is: what opens, closes or sizes single trades has no place in it."""
        given = [name for name in _TRADE_RULES if getattr(self, name) != type(self).model_fields[name].default]
        if given:
            raise ValueError(f"sizing share follows the signal as a share of equity, so {', '.join(given)} cannot be given with it")

    @property
    def has_stop(self) -> bool:
        return self.stop_atr is not None or self.stop_share is not None

    @property
    def has_target(self) -> bool:
        return self.target_atr is not None or self.target_share is not None or self.target_r is not None

    @property
    def start_ms(self) -> int | None:
        return None if self.start is None else _ms(self.start)

    @property
    def end_ms(self) -> int | None:
        return None if self.end is None else _ms(self.end)

    def bars_held(self, timeframe: Timeframe) -> int | None:
        """The holding period in bars; None for until something else ends the trade. Raises InputError for a part of a bar."""
        if self.holding_period_minutes is None:
            return self.holding_bars
        bars = self.holding_period_minutes / timeframe.minutes
        if bars < 1 or bars != int(bars):
            place = "backtest:holding_period_minutes"
            raise InputError(place, f"{self.holding_period_minutes:g} minutes", expected=f"a whole number of bars of {timeframe}")
        return int(bars)


_TRADE_RULES = (
    "fill", "holding_period_minutes", "holding_bars", "min_confidence", "max_trades", "cooldown_bars", "fee_per_trade", "round_to_tick",
    "stop_atr", "stop_share", "target_atr", "target_share", "target_r", "lot_step", "max_lots", "max_leverage", "margin_per_lot",
    "max_risk_per_trade", "session_close_out",
)  # fmt: skip


def _one_of(config: BacktestConfig, *names: str) -> None:
    given = [name for name in names if getattr(config, name) is not None]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} say the same thing in two ways; give one of them")


def _ms(text: str) -> int:
    """UTC milliseconds of an ISO time. Raises ValueError, as Pydantic wants it."""
    try:
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError as error:
        raise ValueError(f"'{text}' is no time such as 2024-01-01 or 2024-01-01T09:30") from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


__all__ = ["BacktestConfig", "Fill", "OnOpposite", "Sizing"]
