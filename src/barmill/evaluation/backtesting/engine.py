"""The backtest of signals on bars: one account, one position at a time, every cent accounted for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.evaluation.backtesting import tally as sums
from barmill.evaluation.backtesting.config import BacktestConfig
from barmill.evaluation.backtesting.funding import FundingRates
from barmill.evaluation.backtesting.market_arrays import MarketArrays, market_arrays
from barmill.evaluation.backtesting.metrics import figures
from barmill.evaluation.backtesting.result import BacktestResult, EquityCurve
from barmill.evaluation.backtesting.rule_vector import rule_vector
from barmill.evaluation.backtesting.signals import Signals
from barmill.evaluation.backtesting.trade_list import REASONS, TradeList
from barmill.market.bars import Bars
from barmill.market.times import utc_text
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BacktestEngine:
    """Runs signals through bars by the rules of `config`.

    Examples
    --------
    >>> from barmill.market import simulate
    >>> bars = simulate(2_000, seed=1).bars
    >>> result = BacktestEngine(BacktestConfig(holding_bars=30, sizing="lots")).run(bars, np.where(np.arange(2_000) % 100 == 50, 1, 0))
    >>> len(result.trades), result.trades[0].reason
    (20, 'holding period')
    """

    config: BacktestConfig

    def run(self, bars: Bars, signals: Signals | npt.ArrayLike, *, funding: FundingRates | None = None) -> BacktestResult:
        """Trade `signals` on `bars`.

        Parameters
        ----------
        bars : Bars of shape (n_bars,)
        signals : Signals, or an array of shape (n_bars,): +1 long, -1 short, 0 nothing is said; with `sizing: share` any real number, the
            position as a share of equity. Row t is known at the close of bar t
        funding : settlements of a perpetual; None takes the column funding_rate where the bars have one

        Returns
        -------
        BacktestResult. The net profits of its trades add up to the change of its equity, and equity is cash plus position value
        at every bar.

        Timing: what is decided at the close of bar t fills at the open (or close) of bar t + 1, never earlier.
        Raises: DataError for bars of another symbol or none in the range; ShapeError for signals that do not fit the bars.
        Cost: one pass over the bars to count the trades, one to write them down, then the figures; about 0.15 s for a million.
        """
        market = market_arrays(bars, [self.config], funding)
        rules = rule_vector(self.config, bars.instrument, bars.timeframe)
        if self.config.sizing == "share":
            said: Signals | Float64Array = vector(signals.side if isinstance(signals, Signals) else signals, "signals", len(bars))
        else:
            said = checked_signals(signals, len(bars), self.config)
        n_trades = int(run_rules(market, said, rules, None)[sums.N_TRADES])
        paths = _Paths.empty(len(bars), n_trades)
        tally = run_rules(market, said, rules, paths)
        return self._result(market, paths, tally)

    def _result(self, market: MarketArrays, paths: "_Paths", tally: Float64Array) -> BacktestResult:
        bars, config = market.bars, self.config
        rows = slice(market.first, market.stop)
        net, lots = paths.equity[rows], paths.lots[rows]
        curve = EquityCurve(
            open_time=bars.open_time[rows],
            close_time=bars.close_time[rows],
            net=net,
            gross=net + paths.charged[rows],
            cash=paths.cash[rows],
            lots=lots,
            position_value=lots * bars.instrument.multiplier * bars.close[rows],
        )
        trades = _trade_list(paths.trades, market, with_stop=config.has_stop, at_close=config.fill == "next_close")
        metrics = figures(curve, trades, config.account_size, market.periods_per_year, tally[sums.TRADED_VALUE], tally[sums.BARS_HELD])
        metrics |= {"left_out_low_confidence": tally[sums.BELOW_CONFIDENCE], "left_out_no_size": tally[sums.TOO_SMALL]}
        return BacktestResult(
            config=config,
            trades=trades,
            metrics={name: float(value) for name, value in metrics.items()},
            equity_curve=curve,
            raw_rows=market.n_bars,
            symbol=bars.instrument.symbol,
            timeframe=str(bars.timeframe),
            periods_per_year=market.periods_per_year,
            stopped=stop_words(tally, market),
            first_bar=market.first,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Paths:
    """Where a pass writes: one row per bar, and one per trade."""

    equity: Float64Array
    cash: Float64Array
    lots: Float64Array
    charged: Float64Array
    trades: Float64Array

    @classmethod
    def empty(cls, n_bars: int, n_trades: int) -> "_Paths":
        from barmill.evaluation.backtesting.account_kernel import N_TRADE_COLUMNS

        equity, cash, lots, charged = (np.empty(n_bars) for _ in range(4))
        return cls(equity, cash, lots, charged, np.empty((n_trades, N_TRADE_COLUMNS)))


def checked_signals(signals: Signals | npt.ArrayLike, n_bars: int, config: BacktestConfig) -> Signals:
    """`signals` as a value of the right length, with the confidence that the config asks for. Raises ShapeError."""
    said = signals if isinstance(signals, Signals) else Signals.of(signals)
    if len(said) != n_bars:
        raise ShapeError("signals", f"have {len(said)} rows", expected=f"{n_bars}, one for each bar")
    if said.confidence is None and (config.min_confidence > 0 or config.sizing == "kelly"):
        why = "min_confidence" if config.min_confidence > 0 else "sizing kelly"
        raise ShapeError("signals", f"come without confidence, and {why} asks for it", mend="Give Signals.of(side, confidence).")
    return said


def run_rules(market: MarketArrays, said: Signals | Float64Array, rules: Float64Array, paths: _Paths | None) -> Float64Array:
    """One pass of the compiled loop; returns the sums of `tally`. Nothing else is stored if `paths` is None."""
    from barmill.evaluation.backtesting.account_kernel import run_account
    from barmill.evaluation.backtesting.share_kernel import run_shares

    bars, store, out = market.bars, paths is not None, paths or _Paths.empty(0, 0)
    first, stop = market.first, market.stop
    written = (out.equity, out.cash, out.lots, out.charged, out.trades)
    tally = np.zeros(sums.N_SUMS)
    tally[sums.STOPPED_AT] = -1.0
    if not isinstance(said, Signals):
        run_shares(bars.open, bars.high, bars.low, bars.close, said, market.funding, rules, first, stop, store, *written, tally)
        return tally
    sure = np.empty(0) if said.confidence is None else said.confidence
    prices = (bars.open, bars.high, bars.low, bars.close, market.atr, market.volatility)
    run_account(*prices, said.side, sure, market.funding, market.marks, rules, first, stop, store, *written, tally)
    return tally


def stop_words(tally: Float64Array, market: MarketArrays) -> str:
    """Why and when an account stopped trading for good; "" if it did not."""
    if tally[sums.STOPPED_AT] < 0:
        return ""
    when = utc_text(int(market.bars.close_time[int(tally[sums.STOPPED_AT])]))
    return f"{REASONS[int(tally[sums.STOPPED_BY])]} at {when}: nothing was traded after it"


def _at_close(
    market: MarketArrays, entry: Int64Array, left: Int64Array, reason: npt.NDArray[np.int8], *, at_close: bool
) -> tuple[Any, Any]:
    """Which entries and which exits fell at the close of their bar, not at its open or within it."""
    from barmill.evaluation.backtesting import account_kernel as k

    ordered = np.isin(reason, (k.SIGNAL, k.HELD, k.DRAWDOWN)) & at_close
    session = reason == k.SESSION
    if session.any():  # at the open only where the last bars of the session were missing
        session &= ((market.marks[left] & k.FIRST_OF_SESSION) == 0) | (entry == left)
    return np.full(entry.size, at_close), ordered | session | np.isin(reason, (k.STILL_OPEN, k.WIPED_OUT))


def _trade_list(rows: Float64Array, market: MarketArrays, *, with_stop: bool, at_close: bool) -> TradeList:
    from barmill.evaluation.backtesting import account_kernel as k

    bars = market.bars
    column = np.ascontiguousarray(rows.T)
    decided, entry, left = (column[i].astype(np.int64) for i in (k.T_DECIDED, k.T_ENTRY, k.T_EXIT))
    side, lots, reason = column[k.T_SIDE], column[k.T_LOTS], column[k.T_REASON].astype(np.int8)
    enters_at_close, leaves_at_close = _at_close(market, entry, left, reason, at_close=at_close)
    money = side * lots * bars.instrument.multiplier
    gross, fees, slippage, funding = (column[i] for i in (k.T_GROSS, k.T_FEES, k.T_SLIPPAGE, k.T_FUNDING))
    net = gross - fees - slippage - funding
    risk = np.where(column[k.T_RISK] > 0, column[k.T_RISK], np.nan)
    return TradeList(
        decided_bar=decided,
        entry_bar=entry,
        exit_bar=left,
        decided_at=bars.close_time[decided],
        entered_at=np.where(enters_at_close, bars.close_time[entry], bars.open_time[entry]),
        left_at=np.where(leaves_at_close, bars.close_time[left], bars.open_time[left]),
        side=side.astype(np.int8),
        lots=lots,
        entry_quote=column[k.T_ENTRY_QUOTE],
        entry_price=column[k.T_ENTRY_FILL],
        exit_quote=column[k.T_EXIT_QUOTE],
        exit_price=column[k.T_EXIT_FILL],
        gross=gross,
        fees=fees,
        slippage=slippage,
        funding=funding,
        net=net,
        risk=risk,
        equity=column[k.T_EQUITY],
        confidence=column[k.T_CONFIDENCE],
        mae=money * (column[k.T_ADVERSE] - column[k.T_ENTRY_QUOTE]),
        mfe=money * (column[k.T_FAVOURABLE] - column[k.T_ENTRY_QUOTE]),
        r_multiple=net / risk if with_stop else np.full(len(rows), np.nan),
        reason=reason,
    )


__all__ = ["BacktestEngine", "checked_signals", "run_rules", "stop_words"]
