"""The slow obvious backtest: a day book kept by hand, one bar after another, in the words of docs/explanation/backtesting.md."""

import math
from dataclasses import dataclass, field

from barmill.evaluation import BacktestConfig
from barmill.market import Instrument


@dataclass
class Position:
    side: int
    lots: float
    decided: int
    entered: int
    quote: float
    stop: float | None
    target: float | None
    held_until: float
    book: list[tuple[str, float]] = field(default_factory=list)


@dataclass
class Order:
    side: int
    lots: float
    decided: int
    stop_distance: float | None
    target_distance: float | None
    held_until: float


@dataclass
class Closed:
    side: int
    lots: float
    decided: int
    entered: int
    left: int
    gross: float
    fees: float
    slippage: float
    funding: float
    reason: str

    @property
    def net(self):
        return self.gross - self.fees - self.slippage - self.funding


class DayBook:
    """One account. `bars` is a list of (open, high, low, close); everything else is one value per bar, or None."""

    def __init__(
        self, config: BacktestConfig, instrument: Instrument, bars, signals, *, confidence=None, atr=None, volatility=None, funding=None
    ):
        self.config, self.instrument, self.bars, self.signals = config, instrument, bars, signals
        self.confidence, self.atr, self.volatility, self.funding = confidence, atr, volatility, funding
        self.cash = config.account_size
        self.position, self.order, self.leave = None, None, None
        self.blocked_until, self.stopped = -1, None
        self.peak = config.account_size
        self.trades, self.equity, self.n_entered = [], [], 0

    # ---- prices and costs

    def slipped(self, quote, buying):
        config, slip = self.config, self.instrument.slippage
        bps = config.slippage_bps if config.slippage_bps is not None else None if config.slippage_ticks is not None else slip.bps
        ticks = config.slippage_ticks if config.slippage_ticks is not None else slip.ticks
        distance = quote * bps / 10_000 if bps is not None else ticks * self.instrument.tick_size
        price = quote + distance if buying else quote - distance
        if config.round_to_tick:
            steps = price / self.instrument.tick_size
            near = round(steps)
            steps = near if abs(steps - near) < 1e-6 else math.ceil(steps) if buying else math.floor(steps)
            price = steps * self.instrument.tick_size
        return price

    def fee(self, quote, lots):
        config, fee = self.config, self.instrument.fee
        bps = (
            config.transaction_cost_bps
            if config.transaction_cost_bps is not None
            else None
            if config.fee_per_contract is not None
            else fee.bps
        )
        each = config.fee_per_contract if config.fee_per_contract is not None else fee.per_contract
        own = lots * self.instrument.multiplier * quote * bps / 10_000 if bps is not None else lots * each
        return own + config.fee_per_trade

    def on_tick(self, price):
        tick = self.instrument.tick_size
        return math.floor(price / tick + 0.5) * tick if self.config.round_to_tick else price

    # ---- orders

    def enter(self, t, quote):
        order, m = self.order, self.instrument.multiplier
        self.order = None
        fill, fee = self.slipped(quote, order.side > 0), self.fee(quote, order.lots)
        self.cash -= order.side * order.lots * m * fill + fee
        stop = None if order.stop_distance is None else self.on_tick(quote - order.side * order.stop_distance)
        target = None if order.target_distance is None else self.on_tick(quote + order.side * order.target_distance)
        self.position = Position(order.side, order.lots, order.decided, t, quote, stop, target, order.held_until)
        self.position.book = [("fee", fee), ("slippage", order.lots * m * abs(fill - quote))]
        self.n_entered += 1

    def exit(self, t, quote, reason):
        p, m = self.position, self.instrument.multiplier
        fill, fee = (quote, 0.0) if reason == "end of data" else (self.slipped(quote, p.side < 0), self.fee(quote, p.lots))
        self.cash += p.side * p.lots * m * fill - fee
        p.book += [("fee", fee), ("slippage", p.lots * m * abs(fill - quote))]
        paid = {kind: sum(amount for what, amount in p.book if what == kind) for kind in ("fee", "slippage", "funding")}
        gross = p.side * p.lots * m * (quote - p.quote)
        self.trades.append(Closed(p.side, p.lots, p.decided, p.entered, t, gross, paid["fee"], paid["slippage"], paid["funding"], reason))
        self.position, self.leave = None, None
        self.blocked_until = t + self.config.cooldown_bars

    # ---- one bar

    def bar(self, t):
        opened, high, low, close = self.bars[t]
        if self.position and self.funding is not None:
            paid = self.funding[t] * self.position.side * self.position.lots * self.instrument.multiplier * opened
            self.cash -= paid
            self.position.book.append(("funding", paid))
        if self.config.fill == "next_open":
            self.fill(t, opened)
        if self.position:
            self.levels(t, opened, high, low)
        if self.config.fill == "next_close":
            self.fill(t, close)
        worth = self.position.side * self.position.lots * self.instrument.multiplier * close if self.position else 0.0
        if self.position and self.cash + worth <= 0:
            self.exit(t, close, "wiped out")
            self.stopped, worth = "wiped out", 0.0
        self.equity.append(self.cash + worth)
        self.peak = max(self.peak, self.equity[-1])
        self.decide(t, close)

    def fill(self, t, quote):
        if self.position and self.leave:
            self.exit(t, quote, self.leave)
        self.leave = None
        if self.order:
            self.enter(t, quote)

    def levels(self, t, opened, high, low):
        p = self.position

        def beyond_stop(price):
            return p.stop is not None and (price <= p.stop if p.side > 0 else price >= p.stop)

        def beyond_target(price):
            return p.target is not None and (price >= p.target if p.side > 0 else price <= p.target)

        worst, best = (low, high) if p.side > 0 else (high, low)
        if beyond_stop(opened):
            self.exit(t, opened, "stop")
        elif beyond_target(opened):
            self.exit(t, opened, "target")
        elif beyond_stop(worst):
            self.exit(t, p.stop, "stop")
        elif beyond_target(best):
            self.exit(t, p.target, "target")

    def decide(self, t, close):
        config, said = self.config, self.signals[t]
        equity = self.equity[-1]
        if said in (1, -1) and self.confidence is not None and not self.confidence[t] >= config.min_confidence:
            said = 0
        if not self.stopped and config.max_drawdown is not None and equity <= self.peak * (1 - config.max_drawdown):
            self.stopped = "drawdown stop"
        wanted = 0
        if self.position:
            if self.stopped:
                self.leave = self.stopped
                return
            if said == self.position.side and config.renew:
                self.position.held_until = t + self.hold
            if said == 2 or (said == -self.position.side and config.on_opposite != "ignore"):
                self.leave = "signal"
                if said != 2 and config.on_opposite == "reverse" and config.cooldown_bars == 0:
                    wanted = said
            if not self.leave and t >= self.position.held_until:
                self.leave = "holding period"
        elif said in (1, -1) and t >= self.blocked_until:
            wanted = said
        if wanted and not self.stopped:
            self.place(t, close, equity, wanted)

    @property
    def hold(self):
        return math.inf if self.config.holding_bars is None else self.config.holding_bars

    def place(self, t, close, equity, side):
        config = self.config
        if (side < 0 and not config.allow_short) or (config.max_trades is not None and self.n_entered >= config.max_trades):
            return
        stop = config.stop_atr * self.atr[t] if config.stop_atr else config.stop_share * close if config.stop_share else None
        target = (
            config.target_atr * self.atr[t]
            if config.target_atr
            else config.target_share * close
            if config.target_share
            else config.target_r * stop
            if config.target_r
            else None
        )
        if any(distance is not None and not distance > 0 for distance in (stop, target)):
            return
        lots = self.lots(t, close, equity, stop)
        if lots > 0:
            self.order = Order(side, lots, t, stop, target, t + self.hold)

    def lots(self, t, close, equity, stop):
        config, value = self.config, close * self.instrument.multiplier
        if equity <= 0:
            return 0.0
        if config.sizing == "lots":
            lots = config.lots
        elif config.sizing == "fraction":
            lots = config.fraction * equity / value
        elif config.sizing == "volatility":
            if not self.volatility[t] > 0:
                return 0.0
            lots = config.target_volatility * equity / (self.volatility[t] * value)
        else:
            p = self.confidence[t]
            stake = config.kelly_fraction * max(p - (1 - p) / config.payoff_ratio, 0)
            lots = stake * equity / (stop * self.instrument.multiplier if stop else value)
        per_lot = stop * self.instrument.multiplier if stop else config.margin_per_lot
        limits = [lots]
        if config.max_risk_per_trade is not None:
            limits.append(config.max_risk_per_trade * equity / per_lot)
        if config.margin_per_lot is not None:
            limits.append(equity / config.margin_per_lot)
        if config.max_leverage is not None:
            limits.append(config.max_leverage * equity / value)
        if config.max_lots is not None:
            limits.append(config.max_lots)
        lots = min(limits)
        return math.floor(lots / config.lot_step + 1e-9) * config.lot_step if config.lot_step else lots

    def kept(self):
        for t in range(len(self.bars)):
            self.bar(t)
        if self.position:
            self.exit(len(self.bars) - 1, self.bars[-1][3], "end of data")
        return self
