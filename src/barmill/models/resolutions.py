"""How many bars of which timeframes a window of several timeframes holds: what may be asked for, and what is usual."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from barmill.market import Timeframe

USUAL = {1: 60, 5: 12, 15: 4, 60: 1}  # timeframe in base bars, to bars of it: 1m 60, 5m 12, 15m 4 and 1h 1 of one-minute bars
MOST_BARS = 4096


def finest_first(resolutions: Mapping[str, int]) -> dict[str, int]:
    """The same bars by the timeframes' own names, the shortest first.

    Raises: ValueError, in the words of a recipe's reader, for no timeframe, one that there is not or that stands twice, or too many bars.
    """
    from barmill.errors import InstrumentError
    from barmill.market import Timeframe  # loaded with Polars, which whoever lists models can do without

    parsed: dict[Timeframe, int] = {}
    for name, length in resolutions.items():
        try:
            timeframe = Timeframe.parse(name)
        except InstrumentError as error:
            raise ValueError(f"{error.found}: '{name}'; name timeframes such as 1m, 5m or 1h") from error
        if timeframe in parsed:
            raise ValueError(f"{timeframe} stands twice; keep one of them")
        parsed[timeframe] = length
    total = sum(parsed.values())
    if not 2 <= total <= MOST_BARS:
        raise ValueError(f"{total} bars in all; expected 2 to {MOST_BARS}, such as {{1m: 60, 5m: 12, 15m: 4, 1h: 1}}")
    return {str(timeframe): parsed[timeframe] for timeframe in sorted(parsed)}


def usual_resolutions(base: "Timeframe") -> dict[str, int]:
    """The charter's bars, of timeframes that are as many times as long as `base` as its own are as long as a minute."""
    from barmill.market import Timeframe

    return {str(Timeframe(base.minutes * factor)): length for factor, length in USUAL.items()}


def base_bars(resolutions: Mapping[str, int], base: "Timeframe") -> int:
    """Gapless base bars after which every timeframe has closed bars enough, wherever on its grid the first one lies."""
    from barmill.market import Timeframe

    factors = {name: Timeframe.parse(name).minutes // base.minutes for name in resolutions}
    return max(factors[name] * (length + 1) - 1 for name, length in resolutions.items())


def history_bars(warmup: int, window: int | Mapping[str, int] | None, base: "Timeframe") -> int:
    """Gapless bars after which a model can forecast that sees such a window, where features take `warmup` bars to begin."""
    if isinstance(window, Mapping):
        return max(warmup + 1, base_bars(window, base))
    return warmup + (window or 1)


__all__ = ["MOST_BARS", "USUAL", "base_bars", "finest_first", "history_bars", "usual_resolutions"]
