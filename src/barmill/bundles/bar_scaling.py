"""How bars of several timeframes become a model's inputs: what a bundle says of it in place of a scaler of features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from barmill.errors import SchemaError
from barmill.market import Anchor, Bars, Timeframe
from barmill.models.resolutions import finest_first
from barmill.views import BAR_COLUMNS, MultiResolution
from barmill.views.closed_stream import ClosedBarStream
from barmill.views.scaling import DEFAULT_CLIP

KIND = "log_bars"
_SAID = {  # in words, for whoever serves a bundle without Barmill; another version that scales otherwise has another kind
    "price": "ln(price / close of the decision bar) / (volatility of a base bar x sqrt(base bars that the timeframe's window lasts))",
    "volume": "ln((volume + mean) / (2 mean)), the mean taken in the timeframe's window; 0 where it is 0",
}


@dataclass(frozen=True, slots=True)
class BarScaling:
    """The view of several timeframes; nothing of it is fitted but the floor of the volatility, which the bundle's `thresholds` hold.

    resolutions : bars of each timeframe in a window, finest first
    anchor : whether longer bars are counted from the Unix epoch or from the open of each session
    """

    resolutions: Mapping[str, int]
    anchor: Anchor

    names = BAR_COLUMNS
    clip = DEFAULT_CLIP
    view = "multi_resolution"

    @property
    def window(self) -> Mapping[str, int]:
        """Bars of each timeframe in a window."""
        return self.resolutions

    def closed(self, bars: Bars) -> MultiResolution:
        """What each of `bars` knows of the closed bars of each timeframe, without samples."""
        return MultiResolution.of(bars, self.resolutions, ends=(), anchor=self.anchor)

    def stream(self, base: Timeframe, calendar: str) -> ClosedBarStream:
        """The same while bars of `base` come in."""
        return ClosedBarStream(base, self.resolutions, self.anchor, calendar)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": KIND,
            "names": list(self.names),
            "clip": self.clip,
            "resolutions": dict(self.resolutions),
            "anchor": self.anchor,
            **_SAID,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "BarScaling":
        """The scaling that `to_json` wrote. Raises SchemaError for one that this version does not do."""
        try:
            found = cls(finest_first(data["resolutions"]), data["anchor"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SchemaError("bar scaling", str(error), expected="bars of each timeframe, and an anchor") from error
        if found.to_json() != dict(data) or found.anchor not in ("epoch", "session"):
            wrong = [key for key in data if found.to_json().get(key) != data[key]] or ["anchor"]
            raise SchemaError("bar scaling", f"another {wrong[0]} than this version has", mend="Publish the run again with this version.")
        return found


__all__ = ["KIND", "BarScaling"]
