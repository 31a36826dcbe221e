"""What a trade costs: one function each, called by labels, backtest, policies and reports alike.

A decision costs money on both sides. Fees are paid on each side, and a fill is worse than the quoted price by the
slippage. Everything here is for one contract and in units of price unless it says otherwise.
"""

import numpy as np
import numpy.typing as npt

from barmill.market.instrument import Instrument

Float64Array = npt.NDArray[np.float64]
BPS = 1e-4  # one basis point


def slippage_per_side(instrument: Instrument, price: npt.ArrayLike) -> Float64Array:
    """How far a fill lies from the quoted `price`, in price units, same shape as `price`."""
    quoted = np.asarray(price, dtype=np.float64)
    slippage = instrument.slippage
    if slippage.bps is not None:
        return np.abs(quoted) * (slippage.bps * BPS)
    return np.full_like(quoted, (slippage.ticks or 0.0) * instrument.tick_size)


def fee_per_side(instrument: Instrument, price: npt.ArrayLike) -> Float64Array:
    """Fee of one side at `price`, in price units, same shape as `price`."""
    quoted = np.asarray(price, dtype=np.float64)
    fee = instrument.fee
    if fee.bps is not None:
        return np.abs(quoted) * (fee.bps * BPS)
    return np.full_like(quoted, (fee.per_contract or 0.0) / instrument.multiplier)


def fill_price(instrument: Instrument, price: npt.ArrayLike, side: npt.ArrayLike) -> Float64Array:
    """Price at which an order fills: a buyer pays the slippage on top, a seller gets it less.

    Parameters
    ----------
    price : float or float64 array, the quoted price (the next bar's open, for a decision at a close)
    side : +1 buys, -1 sells, broadcast against `price`; 0 leaves the price as it is

    Returns
    -------
    float64 array of the broadcast shape, price units, not rounded to a tick.
    """
    quoted = np.asarray(price, dtype=np.float64)
    return quoted + np.asarray(side, dtype=np.float64) * slippage_per_side(instrument, quoted)


def round_trip_cost(instrument: Instrument, price: npt.ArrayLike) -> Float64Array:
    """Both fees and both slippages of entering and leaving at about `price`, in price units, shaped like `price`."""
    return 2.0 * (fee_per_side(instrument, price) + slippage_per_side(instrument, price))


def cost_rate(instrument: Instrument, price: npt.ArrayLike) -> Float64Array:
    """Cost of changing the position by one unit, as a share of `price`: half the round trip."""
    quoted = np.asarray(price, dtype=np.float64)
    return round_trip_cost(instrument, quoted) / (2.0 * quoted)
