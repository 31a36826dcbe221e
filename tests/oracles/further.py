"""Plausible values for every further column that a source may have, and what they are where nothing moves."""

import numpy as np

from barmill.features.columns import COLUMNS

DAY_MS = 86_400_000
EIGHT_HOURS_MS = DAY_MS // 3


def further_columns(*, seed, open_time, open, high, low, close, volume):
    """name -> float64 (n,) for all columns of `COLUMNS` that come with the bars.

    Prices follow the close in share, so that multiplying open .. close by a factor multiplies them too; the reference markets
    have prices of their own. Row t comes of the seed and of the rows up to t alone: a prefix of the bars has a prefix of this.
    """
    open_time, high, low, close, volume = (np.asarray(x, dtype=np.float64) for x in (open_time, high, low, close, volume))
    n_bars = len(close)

    def drawn(place):
        return np.random.default_rng([seed, place])  # a generator each: a longer draw of one column moves no other

    bought = volume * drawn(0).beta(4.0, 4.0, n_bars)
    at_one_price = np.column_stack([bought, volume - bought])
    mean_price = low + (high - low) * drawn(1).random(n_bars)
    half_spread = 1e-4 * (1.0 + drawn(2).poisson(0.5, n_bars))
    middle = close * (1.0 + 1e-5 * drawn(3).standard_normal(n_bars))
    touch = drawn(4).lognormal(1.0, 1.0, (n_bars, 2)).T
    deeper = drawn(5).lognormal(3.0, 0.5, (n_bars, 2)).T
    forced = (drawn(6).random((n_bars, 2)) * (drawn(7).random((n_bars, 2)) < 0.1)).T
    own = np.log(close / np.concatenate([close[:1], close[:-1]]))  # the same bits at twice the price
    made = {
        "quote_volume": mean_price * volume,
        "trades": np.where(volume > 0.0, 1.0 + drawn(8).poisson(20.0, n_bars), 0.0),
        "taker_buy_base": bought,
        "taker_buy_quote": mean_price * bought,
        "point_of_control": low + (high - low) * drawn(9).random(n_bars),
        "max_delta": at_one_price[:, 0] * drawn(10).random(n_bars),
        "min_delta": -at_one_price[:, 1] * drawn(11).random(n_bars),
        "long_liquidations": 0.5 * volume * forced[0],
        "short_liquidations": 0.5 * volume * forced[1],
        "bid_price": middle * (1.0 - half_spread),
        "ask_price": middle * (1.0 + half_spread),
        "bid_size": touch[0],
        "ask_size": touch[1],
        "bid_depth": touch[0] + deeper[0],
        "ask_depth": touch[1] + deeper[1],
        "open_interest": 1e4 * np.exp(np.cumsum(2e-3 * drawn(12).standard_normal(n_bars))),
        "funding_rate": _held(1e-4 * drawn(13).standard_normal(n_bars), open_time // EIGHT_HOURS_MS),
        "spot_close": close * (1.0 + 5e-4 * drawn(14).standard_normal(n_bars)),
        "reference_close": _market(drawn(15), 40_000.0, own),
        "second_reference_close": _market(drawn(16), 2_500.0, own),
        "mvrv": _held(1.8 * np.exp(0.1 * drawn(17).standard_normal(n_bars)), open_time // DAY_MS),
        "asopr": _held(1.0 + 0.02 * drawn(18).standard_normal(n_bars), open_time // DAY_MS),
        "nupl": _held(0.4 + 0.1 * drawn(19).standard_normal(n_bars), open_time // DAY_MS),
        "exchange_netflow": _held(1e3 * drawn(20).standard_normal(n_bars), open_time // DAY_MS),
        "volatility_index": _held(15.0 * np.exp(0.2 * drawn(21).standard_normal(n_bars)), open_time // DAY_MS),
    }
    assert made.keys() == {name for name, column in COLUMNS.items() if not column.calendar}
    return made


def still_columns(*, open_time, open, high, low, close, volume):
    """The same columns where they say nothing: an empty book, no positions, no flow, prices that stand at the close's."""
    close, volume = np.asarray(close, dtype=np.float64), np.asarray(volume, dtype=np.float64)
    at_close = ("point_of_control", "bid_price", "ask_price", "spot_close")
    ones = ("reference_close", "second_reference_close")
    made = {name: np.zeros(len(close)) for name, column in COLUMNS.items() if not column.calendar}
    made |= {name: close.copy() for name in at_close} | {name: np.ones(len(close)) for name in ones}
    return made | {"quote_volume": close * volume}


def _held(values, period):
    """One value for each period: the one drawn at its first bar."""
    starts = np.flatnonzero(np.diff(period, prepend=np.nan) != 0.0)
    return values[starts[np.searchsorted(starts, np.arange(len(values)), side="right") - 1]]


def _market(random, start, returns):
    """A market that moves half with these returns, and half on its own."""
    return start * np.exp(np.cumsum(0.5 * returns + 1e-3 * random.standard_normal(len(returns))))
