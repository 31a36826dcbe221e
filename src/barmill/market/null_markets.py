"""Markets without an edge: whatever is forecast of them from past bars, the direction of the next move is a fair coin.

Each is symmetric by construction. Of every bar the size of its move is drawn first (from a distribution, a volatility model or a
real market), and then, independently of everything else, its sign: up or down with probability one half. A move from an open to
a later close is then as likely up as down, whatever was known before that open. So an AUC of one half is not an approximation
here: it is what every honest pipeline must find, and what it finds beyond is a leak.

Five kinds, one trap each:

    random_walk      independent moves with fat tails: the plain case
    garch            volatility clusters: what is forecast is the size of the next move, and must not pass for its direction
    bid_ask_bounce   trades alternate between bid and ask: the last close seems to say where the next goes, and cannot be traded
    block_permuted   blocks of the bars of a real market in random order, each bar mirrored or not
    sign_flipped     the bars of a real market where they are, each mirrored or not: its hours, its volatility and its volume

To permute or to mirror whole blocks would not do: within a block the real market's own dependence survives, be it bounce or
momentum, and a model that finds it has found no leak.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.errors import InputError, nearest
from barmill.market.bars import Bars
from barmill.market.simulator import TAIL_DF, hourly_volatility, open_times, pauses_before, with_volume

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

GARCH_ALPHA, GARCH_BETA = 0.08, 0.90  # as of minutes and days alike: memory 0.98
HALF_SPREAD = 0.5  # of a bar's volatility: successive moves then correlate by -0.25 / (1 + 2 * 0.25) = -1/6 (Roll 1984)
OVERSHOOT = 0.4  # a Brownian bar's high overshoots max(open, close) by 0.4 sigma on average (Feller 1951)
OPENING = 0.02  # of a bar's volatility: how far an open lies from the close before it
PAUSED = 0.25  # of a bar's volatility, for each bar without trading before it: nights and weekends
BLOCK_BARS = 60

# Columns that say of buyers what another says of sellers: a mirrored bar exchanges them.
_EXCHANGED = {
    "bid_size": "ask_size",
    "bid_depth": "ask_depth",
    "long_liquidations": "short_liquidations",
    "min_delta": "max_delta",
}
_OPPOSITE = {**_EXCHANGED, **{other: name for name, other in _EXCHANGED.items()}, "bid_price": "ask_price", "ask_price": "bid_price"}
_OF_OTHER_SIGN = ("min_delta", "max_delta")
_PRICES = ("point_of_control", "spot_close", "bid_price", "ask_price")  # move with the close; the first and the book are mirrored with it
_NOT_MIRRORED = ("spot_close",)  # a basis that changed its sign at every bar would say which bars were mirrored


@dataclass(frozen=True, slots=True)
class NullMarket:
    """A kind of market without an edge.

    name : str, as in reports and in `null_market`
    title : str, in words
    make : (n_bars, seed, like) -> Bars; the same arguments give the same bars, to the bit
    of_real_bars : whether it is made of the bars of `like` (then n_bars is at most their number) or drawn
    """

    name: str
    title: str
    make: Callable[[int, int, Bars], Bars]
    of_real_bars: bool


def null_market(kind: str, n_bars: int, seed: int, like: Bars) -> Bars:
    """Bars of a market without an edge.

    Parameters
    ----------
    kind : a name in NULL_MARKETS
    n_bars : int, at least 2; for a kind that is made of real bars at most len(like)
    seed : int of NumPy's PCG64, at least 0
    like : Bars; instrument, timeframe, first time, first price and volatility are theirs, and for a kind that is made of real bars
        the bars themselves, further columns included

    Raises: InputError for an unknown kind, too few or too many bars.
    """
    if kind not in NULL_MARKETS:
        raise InputError(f"null market '{kind}'", "there is no such kind", mend=nearest(kind, NULL_MARKETS))
    return NULL_MARKETS[kind].make(n_bars, seed, like)


def random_walk(n_bars: int, seed: int, like: Bars) -> Bars:
    """Independent moves of a Student distribution with 5 degrees of freedom; the day has its hours."""
    drawn = _Draw.of(n_bars, seed, like)
    return drawn.bars(drawn.sigma * hourly_volatility(drawn.times))


def garch(n_bars: int, seed: int, like: Bars) -> Bars:
    """Moves with a GARCH(1, 1) volatility (alpha 0.08, beta 0.90) and Student innovations: volatility is forecastable, direction is not."""
    from barmill.market.null_market_kernel import garch_volatility  # Numba is loaded only by those who simulate

    drawn = _Draw.of(n_bars, seed, like)
    return drawn.bars(garch_volatility(drawn.shocks, drawn.sigma, GARCH_ALPHA, GARCH_BETA))


def bid_ask_bounce(n_bars: int, seed: int, like: Bars) -> Bars:
    """Quotes walk at random; opens and closes are trades at the bid or at the ask, each by a coin of its own.

    Closes revert: after a close at the ask the next is lower on average. From the next *open* nothing is left of it, as that is
    a trade with a coin of its own; who measured from the close, or filled there, would see an edge.
    """
    drawn = _Draw.of(n_bars, seed, like)
    return drawn.bars(np.full(n_bars, drawn.sigma), half_spread=HALF_SPREAD * drawn.sigma)


def sign_flipped(n_bars: int, seed: int, like: Bars) -> Bars:
    """A stretch of `like`, drawn at random, whose bars are mirrored or not, each by a coin of its own.

    A mirrored bar moves as far the other way from the close before it: gap, high, low and close together, takers' buying and selling
    exchanged. Sizes of moves, their clustering, volume and time stay as they are.
    """
    random = _random(n_bars, seed, like)
    first = int(random.integers(0, len(like) - n_bars + 1))
    return _mirrored(like.slice(first, first + n_bars), np.arange(n_bars), random)


def block_permuted(n_bars: int, seed: int, like: Bars, block_bars: int = BLOCK_BARS) -> Bars:
    """Blocks of `block_bars` of the bars of `like` in random order, each bar mirrored or not by a coin of its own.

    Volatility and volume keep their shape within a block and lose it between blocks. The times are those of the first bars of `like`.
    """
    random = _random(n_bars, seed, like)
    if not 1 <= block_bars <= len(like):
        raise InputError("block_permuted:block_bars", f"{block_bars}", expected=f"1 to {len(like)}")
    starts = random.permutation(np.arange(0, len(like), block_bars))
    rows = (starts[:, None] + np.arange(block_bars)).ravel()
    return _mirrored(like, rows[rows < len(like)][:n_bars], random)


NULL_MARKETS: Mapping[str, NullMarket] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            NullMarket("random_walk", "a random walk with fat tails", random_walk, of_real_bars=False),
            NullMarket("garch", "volatility that clusters, GARCH(1, 1)", garch, of_real_bars=False),
            NullMarket("bid_ask_bounce", "trades that bounce between bid and ask", bid_ask_bounce, of_real_bars=False),
            NullMarket(
                "block_permuted", "the recipe's bars in blocks of random order, each bar mirrored or not", block_permuted, of_real_bars=True
            ),
            NullMarket("sign_flipped", "the recipe's bars, each mirrored or not", sign_flipped, of_real_bars=True),
        )
    }
)


def _random(n_bars: int, seed: int, like: Bars) -> np.random.Generator:
    if not 2 <= n_bars <= len(like):
        raise InputError("null market:n_bars", f"{n_bars}", expected=f"2 to {len(like)}, the bars that it is made of")
    return _generator(seed)


def _generator(seed: int) -> np.random.Generator:
    if seed < 0:
        raise InputError("null market:seed", f"{seed}", expected="0 or more")
    return np.random.Generator(np.random.PCG64(seed))


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """All chance of a drawn market; arrays of shape (n_bars,) unless said otherwise.

    sigma : volatility of a bar of `like`
    shocks : innovations of the moves, unit variance, symmetric
    gaps : from a close to the next open, in units of volatility, symmetric
    overshoots : (2, n_bars), of high and low beyond open and close, in units of volatility
    """

    like: Bars
    times: Int64Array
    sigma: float
    shocks: Float64Array
    gaps: Float64Array
    overshoots: Float64Array
    random: np.random.Generator

    @classmethod
    def of(cls, n_bars: int, seed: int, like: Bars) -> "_Draw":
        if n_bars < 2:
            raise InputError("null market:n_bars", f"{n_bars}", expected="2 or more")
        random = _generator(seed)
        times = open_times(random, n_bars, int(like.open_time[0]), like.timeframe, like.calendar, 0.0)
        moves = np.diff(np.log(like.close))
        if not moves.size or moves.max() == moves.min():
            raise InputError("null market:like", "the price never moves", mend="Give bars in which something happens.")
        shocks = random.standard_t(TAIL_DF, n_bars) * np.sqrt((TAIL_DF - 2.0) / TAIL_DF)
        gaps = (OPENING + PAUSED * np.sqrt(pauses_before(times, like.timeframe))) * random.standard_normal(n_bars)
        overshoots = OVERSHOOT * random.standard_exponential((2, n_bars))
        return cls(like, times, float(moves.std()), shocks, gaps, overshoots, random)

    def bars(self, sigma: Float64Array, half_spread: float = 0.0) -> Bars:
        """Bars whose moves have volatility `sigma`; trades lie `half_spread` (of the logarithm) above or below the path, by a coin each.

        They have those of the columns of `like` that can be drawn.
        """
        n = self.times.size
        gap, move = sigma * self.gaps, sigma * self.shocks
        closed = np.log(self.like.close[0]) + np.cumsum(gap + move)
        opened = closed - move
        high = np.maximum(opened, closed) + sigma * self.overshoots[0] + half_spread
        low = np.minimum(opened, closed) - sigma * self.overshoots[1] - half_spread
        sides = half_spread * (2.0 * self.random.integers(0, 2, (2, n)) - 1.0)
        prices = np.exp(np.stack([opened + sides[0], high, low, closed + sides[1]]))
        season = np.ones(n)  # `sigma` has the hours in it already
        made = with_volume(self.random, self.like.instrument, self.like.timeframe, self.times, prices, sigma, season)
        unknown = [name for name in made.frame.columns[6:] if name not in self.like.frame.columns]
        return replace(made, frame=made.frame.drop(unknown))  # features choose by the columns that there are


def _mirrored(like: Bars, rows: Int64Array, random: np.random.Generator) -> Bars:
    """The bars `rows` of `like` one after another, each mirrored with probability one half, at the first times of `like`."""
    n = rows.size
    flip = random.integers(0, 2, n).astype(bool)
    sign = np.where(flip, -1.0, 1.0)
    opened, closed = like.open[rows], like.close[rows]
    before = np.where(rows > 0, like.close[rows - 1], opened)
    gap, move = sign * np.log(opened / before), sign * np.log(closed / opened)
    up, down = np.log(like.high[rows] / opened), np.log(like.low[rows] / opened)
    new_close = np.log(like.close[0]) + np.cumsum(gap + move)
    new_open = new_close - move
    columns = {
        "open": np.exp(new_open),
        "high": np.exp(new_open + np.where(flip, -down, up)),
        "low": np.exp(new_open + np.where(flip, -up, down)),
        "close": np.exp(new_close),
        "volume": like.volume[rows],
    }
    # exp(a + b) may miss exp(a) * exp(b) by a bit: the extremes hold open and close
    columns["high"] = np.maximum(columns["high"], np.maximum(columns["open"], columns["close"]))
    columns["low"] = np.minimum(columns["low"], np.minimum(columns["open"], columns["close"]))
    extras = [name for name in like.frame.columns[6:] if name != "close_time"]
    made = {name: _mirrored_column(name, like, rows, flip, columns) for name in extras}
    return replace(like, frame=pl.DataFrame({"open_time": like.open_time[:n], **columns, **made}), notes=(), findings=())


def _mirrored_column(name: str, like: Bars, rows: Int64Array, flip: BoolArray, columns: Mapping[str, Float64Array]) -> Float64Array:
    """A further column of the new bars: sums and states as they were, prices where the new ones are, buyers and sellers exchanged."""
    own = like.column(name)[rows]
    if name in ("quote_volume", "taker_buy_quote"):
        return own * _average_price_ratio(like, rows, columns) if name == "quote_volume" else _bought_quote(like, rows, flip, columns)
    if name == "taker_buy_base":
        return np.where(flip, np.maximum(like.volume[rows] - own, 0.0), own)
    if name in _PRICES:
        distance = np.log(own / like.close[rows])
        if name in _OPPOSITE and _OPPOSITE[name] in like.frame.columns:
            distance = np.where(flip, -np.log(like.column(_OPPOSITE[name])[rows] / like.close[rows]), distance)
        elif name not in _NOT_MIRRORED:
            distance = np.where(flip, -distance, distance)
        return columns["close"] * np.exp(distance)
    if name in _OPPOSITE and _OPPOSITE[name] in like.frame.columns:
        other = like.column(_OPPOSITE[name])[rows]
        return np.where(flip, -other if name in _OF_OTHER_SIGN else other, own)
    return own


def _average_price_ratio(like: Bars, rows: Int64Array, columns: Mapping[str, Float64Array]) -> Float64Array:
    """By how much the middle of each bar moved: what quote volumes are multiplied by, so that their mean price stays within the bar."""
    return (columns["high"] + columns["low"]) / (like.high[rows] + like.low[rows])


def _bought_quote(like: Bars, rows: Int64Array, flip: BoolArray, columns: Mapping[str, Float64Array]) -> Float64Array:
    """What takers bought, in the quote currency: the share of the bar's volume that they bought, at the bar's average price."""
    bought, volume = like.column("taker_buy_quote")[rows], like.volume[rows]
    if "quote_volume" in like.frame.columns:
        whole = like.column("quote_volume")[rows]
        return np.where(flip, np.maximum(whole - bought, 0.0), bought) * _average_price_ratio(like, rows, columns)
    middle = (columns["high"] + columns["low"]) / 2.0
    share = np.where(volume > 0, bought / np.where(volume > 0, volume * (like.high[rows] + like.low[rows]) / 2.0, 1.0), 0.0)
    return np.where(flip, np.clip(1.0 - share, 0.0, 1.0), share) * volume * middle


__all__ = ["NULL_MARKETS", "NullMarket", "bid_ask_bounce", "block_permuted", "garch", "null_market", "random_walk", "sign_flipped"]
