"""How bars become the images that a model sees: what a bundle says of it in place of a scaler of features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from barmill.errors import SchemaError
from barmill.features.spec import SETTLED
from barmill.market import Bars, Timeframe
from barmill.views import ImageBars
from barmill.views.closed_bars import PRICES
from barmill.views.image_bars import NEEDED_BARS, ImageBarStream, settled_bars
from barmill.views.image_signals import EMA_SPAN, RSI_WINDOW, SIDE

KIND = "pattern_image"
_SAID = {  # in words, for whoever serves a bundle without Barmill; images that are drawn otherwise have another kind
    "channels": [
        "candles between the highest high and the lowest low of the image: body 1 rising, 0.6 falling, 0.8 unchanged; wick 0.3",
        f"distance of the close from its EMA({EMA_SPAN}), the whole column",
        f"RSI({RSI_WINDOW}) by height, its change in the bar by shade",
    ],
}


@dataclass(frozen=True, slots=True)
class ImageScaling:
    """The view of pattern images, see `barmill.views.PatternImage`; nothing of it is fitted."""

    names = PRICES
    view = KIND
    window = SIDE

    def closed(self, bars: Bars) -> ImageBars:
        """What each of `bars` shows, without samples."""
        return ImageBars.of(bars)

    def stream(self, base: Timeframe, calendar: str) -> ImageBarStream:
        """The same while bars come in."""
        return ImageBarStream()

    def history_bars(self, features: int, *, settled: bool = False) -> int:
        """Gapless bars after which there is a forecast (that no longer depends on where they began), if features take `features`."""
        return max(features + 1, settled_bars(SETTLED) if settled else NEEDED_BARS)

    def to_json(self) -> dict[str, Any]:
        return {"kind": KIND, "names": list(self.names), "side": SIDE, **_SAID}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ImageScaling":
        """The scaling that `to_json` wrote. Raises SchemaError for one that this version does not do."""
        if cls().to_json() != dict(data):
            wrong = [key for key in cls().to_json() if cls().to_json()[key] != data.get(key)] or sorted(set(data) - set(cls().to_json()))
            raise SchemaError("image scaling", f"another {wrong[0]} than this version has", mend="Publish the run again with this version.")
        return cls()


__all__ = ["KIND", "ImageScaling"]
