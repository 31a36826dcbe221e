"""The columns that features may read beyond open, high, low, close and volume, and how a longer bar gathers each.

A column comes with the bars' own source, from a second series that was joined as of its own known time (`market`), or
from the calendar, whose opening hours are known beforehand. A plan lists those that it needs (`FeaturePlan.further_inputs`);
bars without them are refused with the list of what is missing.

A column may begin late (a second series that starts after the bars): it is NaN until its first value, and features of it
begin there. From then on every value must be finite.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from barmill.errors import RecipeError, nearest

Gather = Literal["last", "sum"]


@dataclass(frozen=True, slots=True)
class Column:
    """A further column of a bar.

    name : str, as in the bars' frame
    meaning : str, what it holds at the close of the bar
    unit : str, of its values
    gather : what a longer bar shows of its base bars
    calendar : bool, computed from the instrument's calendar instead of read
    """

    name: str
    meaning: str
    unit: str
    gather: Gather
    calendar: bool = False

    @property
    def price(self) -> bool:
        """Whether it is multiplied by a factor together with the bars' own prices."""
        return self.unit in ("price", "quote currency")


def _named(*columns: Column) -> Mapping[str, Column]:
    return MappingProxyType({column.name: column for column in columns})


COLUMNS: Mapping[str, Column] = _named(
    # what was traded within the bar
    Column("quote_volume", "traded in the quote currency", "quote currency", "sum"),
    Column("trades", "number of trades", "trades", "sum"),
    Column("taker_buy_base", "volume of trades that lifted an offer", "volume", "sum"),
    Column("taker_buy_quote", "the same in the quote currency", "quote currency", "sum"),
    # the footprint: what was traded at each price of the bar; a longer bar's own cannot be told from those of its base bars
    Column("point_of_control", "the price at which most was traded within the bar", "price", "last"),
    Column("max_delta", "largest taker buying less taker selling at one price of the bar; 0 or more", "volume", "last"),
    Column("min_delta", "smallest taker buying less taker selling at one price of the bar; 0 or less", "volume", "last"),
    # positions that were closed by force within the bar
    Column("long_liquidations", "volume of longs that were liquidated (sold)", "volume", "sum"),
    Column("short_liquidations", "volume of shorts that were liquidated (bought)", "volume", "sum"),
    # the order book at the close of the bar
    Column("bid_price", "best bid", "price", "last"),
    Column("ask_price", "best offer, at or above the best bid", "price", "last"),
    Column("bid_size", "size at the best bid", "volume", "last"),
    Column("ask_size", "size at the best offer", "volume", "last"),
    Column("bid_depth", "sum of the sizes of all bid levels that the source shows", "volume", "last"),
    Column("ask_depth", "sum of the sizes of all offer levels that the source shows", "volume", "last"),
    # derivatives, at the close of the bar
    Column("open_interest", "contracts open, counted as the volume is", "volume", "last"),
    Column("funding_rate", "funding rate in force, paid by longs to shorts at each settlement", "share of the notional", "last"),
    Column("spot_close", "price of the spot market or index that the derivative follows", "price", "last"),
    # the market that leads, at the close of the bar: such as BTC, or the index future
    Column("reference_close", "close of the reference market", "price of the reference", "last"),
    Column("second_reference_close", "close of a second reference market, such as ETH", "price of the reference", "last"),
    # daily series, as of their release
    Column("mvrv", "market value of all coins over the value at which each last moved", "ratio", "last"),
    Column("asopr", "spent output profit ratio, without outputs younger than an hour", "ratio", "last"),
    Column("nupl", "net unrealised profit and loss of all holders over the market value", "share", "last"),
    Column("exchange_netflow", "coins moved to exchanges less coins moved away, of the day", "coins", "last"),
    Column("volatility_index", "implied volatility of the market's options, such as VIX", "percent a year", "last"),
    # the calendar, all of it scheduled and so known beforehand; hours when the market is closed are a stretch of their own
    Column("session_open", "when the session of the bar opened", "ms UTC", "last", calendar=True),
    Column("session_close", "when the session of the bar closes", "ms UTC", "last", calendar=True),
    Column("next_session_open", "when the session after it opens", "ms UTC", "last", calendar=True),
    Column("usual_next_open", "when it would if the market closed for as long as it usually does", "ms UTC", "last", calendar=True),
    Column("session_day", "midnight of the date that the session is called by", "ms UTC", "last", calendar=True),
    Column("in_session", "1 within a session, 0 when the market is closed", "0 or 1", "last", calendar=True),
    Column("month_end_day", "the `session_day` of the month's last session", "ms UTC", "last", calendar=True),
    # office hours on the clocks of three cities: those that the bar opens in, or the next ones
    Column("tokyo_open", "when the office day of Tokyo begins", "ms UTC", "last", calendar=True),
    Column("tokyo_close", "when it ends", "ms UTC", "last", calendar=True),
    Column("london_open", "when the office day of London begins", "ms UTC", "last", calendar=True),
    Column("london_close", "when it ends", "ms UTC", "last", calendar=True),
    Column("new_york_open", "when the office day of New York begins", "ms UTC", "last", calendar=True),
    Column("new_york_close", "when it ends", "ms UTC", "last", calendar=True),
)


def check_sources(names: Iterable[str], place: str) -> None:
    """Raise RecipeError at `place` for the first of `names` that no feature reads from a source, with the nearest that one does."""
    sources = {name for name, column in COLUMNS.items() if not column.calendar}
    for name in names:
        if name not in sources:
            computed = name in COLUMNS
            found = f"'{name}' is computed from the calendar" if computed else f"no feature reads a column '{name}'"
            raise RecipeError(place, found, mend="Leave it out." if computed else nearest(name, sources))


__all__ = ["COLUMNS", "Column", "Gather", "check_sources"]
