"""The trades of a backtest: as columns, and one by one as records."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.artefacts import without_nan
from barmill.market.times import utc_text

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

# Why a trade ended, in the order of the kernel's numbers.
REASONS = ("end of data", "signal", "stop", "target", "holding period", "session end", "drawdown stop", "wiped out")


@dataclass(frozen=True, slots=True)
class TradeRecord:
    """One trade. Money is in the instrument's currency; a trade that is still open is marked at the last close and its exit not charged.

    timestamp : when it was decided, a bar's close (UTC)
    signal : "BUY" or "SELL"
    confidence : of the signal that opened it, None if it had none
    future_return : what the market did from the quoted entry to the quoted exit, whatever the side
    gross_pnl, transaction_cost, net_pnl : money; transaction_cost = fees + slippage + funding
    risk_fraction : share of equity at the decision that it would have lost at its stop (without one: its margin); None if neither is known
    lots : contracts
    entry_time, exit_time : UTC; of a stop or target the open of the bar in which it was reached, for nobody knows the moment
    entry_price, exit_price : as filled
    mae, mfe : worst and best price while it was held, as money from the quoted entry: mae <= 0 <= mfe
    r_multiple : net_pnl over the money risked at the stop; None without a stop
    reason : one of REASONS
    metadata : side, bars held, and the parts of the cost
    """

    timestamp: str
    signal: str
    confidence: float | None
    future_return: float
    gross_pnl: float
    transaction_cost: float
    net_pnl: float
    risk_fraction: float | None
    lots: float
    entry_time: str
    exit_time: str
    entry_price: float
    exit_price: float
    mae: float
    mfe: float
    r_multiple: float | None
    reason: str
    metadata: dict[str, float | int | str]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return without_nan({name: getattr(self, name) for name in self.__dataclass_fields__})


@dataclass(frozen=True, eq=False)
class TradeList:
    """Trades in the order of their entry, every column of shape (n_trades,).

    decided_bar, entry_bar, exit_bar : int64, positions among the bars
    decided_at, entered_at, left_at : int64, ms UTC
    side : int8; lots : float64
    entry_quote, entry_price, exit_quote, exit_price : float64, quoted and filled
    gross, fees, slippage, funding, net : float64, money; net = gross - fees - slippage - funding
    risk : float64, money lost at the stop (without one: the margin), NaN if neither is known; with_stop : whether it is the stop's
    equity : float64, of the account when it was decided
    confidence, mae, mfe, r_multiple : float64
    reason : int8, a place in REASONS
    """

    decided_bar: Int64Array
    entry_bar: Int64Array
    exit_bar: Int64Array
    decided_at: Int64Array
    entered_at: Int64Array
    left_at: Int64Array
    side: npt.NDArray[np.int8]
    lots: Float64Array
    entry_quote: Float64Array
    entry_price: Float64Array
    exit_quote: Float64Array
    exit_price: Float64Array
    gross: Float64Array
    fees: Float64Array
    slippage: Float64Array
    funding: Float64Array
    net: Float64Array
    risk: Float64Array
    equity: Float64Array
    confidence: Float64Array
    mae: Float64Array
    mfe: Float64Array
    r_multiple: Float64Array
    reason: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return self.side.size

    def __getitem__(self, i: int) -> TradeRecord:
        if not -len(self) <= i < len(self):
            raise IndexError(f"trade {i} of {len(self)}")
        cost = float(self.fees[i] + self.slippage[i] + self.funding[i])
        return TradeRecord(
            timestamp=utc_text(int(self.decided_at[i])),
            signal="BUY" if self.side[i] > 0 else "SELL",
            confidence=_or_none(self.confidence[i]),
            future_return=float(self.exit_quote[i] / self.entry_quote[i] - 1.0),
            gross_pnl=float(self.gross[i]),
            transaction_cost=cost,
            net_pnl=float(self.net[i]),
            risk_fraction=_or_none(self.risk[i] / self.equity[i]),
            lots=float(self.lots[i]),
            entry_time=utc_text(int(self.entered_at[i])),
            exit_time=utc_text(int(self.left_at[i])),
            entry_price=float(self.entry_price[i]),
            exit_price=float(self.exit_price[i]),
            mae=float(self.mae[i]),
            mfe=float(self.mfe[i]),
            r_multiple=_or_none(self.r_multiple[i]),
            reason=REASONS[int(self.reason[i])],
            metadata={
                "side": int(self.side[i]),
                "bars_held": int(self.exit_bar[i] - self.entry_bar[i]),
                "fees": float(self.fees[i]),
                "slippage": float(self.slippage[i]),
                "funding": float(self.funding[i]),
            },
        )

    def __iter__(self) -> Iterator[TradeRecord]:
        return (self[i] for i in range(len(self)))

    @property
    def duration_ms(self) -> Int64Array:
        """int64 (n_trades,), from entry to exit."""
        return self.left_at - self.entered_at

    @property
    def bars_held(self) -> Int64Array:
        """int64 (n_trades,)."""
        return self.exit_bar - self.entry_bar

    def frame(self) -> pl.DataFrame:
        """All columns as a Polars frame, the reason in words."""
        columns = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "reason"}
        reasons = np.array(REASONS, dtype=object)[self.reason].tolist()
        return pl.DataFrame({**columns, "reason": pl.Series(reasons, dtype=pl.String)})


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


__all__ = ["REASONS", "TradeList", "TradeRecord"]
