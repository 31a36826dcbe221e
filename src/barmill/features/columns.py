"""The columns that features may read beyond open, high, low, close and volume, and how a longer bar gathers each.

A column comes with the bars' own source, from a second series that was joined as of its own known time (`market`), or
from the calendar, whose opening hours are known beforehand. A plan lists those that it needs (`FeaturePlan.further_inputs`);
bars without them are refused with the list of what is missing.

A column may begin late (a second series that starts after the bars): it is NaN until its first value, and features of it
begin there. From then on every value must be finite.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Gather = Literal["last", "sum"]


@dataclass(frozen=True, slots=True)
class Column:
    """A further column of a bar.

    name : str, as in the bars' frame
    meaning : str, what it holds at the close of the bar, with its unit
    gather : what a longer bar shows of its base bars
    price : bool, moves with the price of this market
    calendar : bool, computed from the instrument's calendar instead of read
    """

    name: str
    meaning: str
    gather: Gather
    price: bool = False
    calendar: bool = False


def _named(*columns: Column) -> Mapping[str, Column]:
    return MappingProxyType({column.name: column for column in columns})


COLUMNS: Mapping[str, Column] = _named(
    Column("quote_volume", "traded in the quote currency", "sum", price=True),
    Column("trades", "number of trades", "sum"),
    Column("taker_buy_base", "volume of trades that lifted an offer, in units of volume", "sum"),
    Column("taker_buy_quote", "the same in the quote currency", "sum", price=True),
    Column("session_open", "when the session of the bar opened, ms UTC", "last", calendar=True),
    Column("session_close", "when the session of the bar closes, ms UTC; scheduled, so known beforehand", "last", calendar=True),
)

__all__ = ["COLUMNS", "Column", "Gather"]
