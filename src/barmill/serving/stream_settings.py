"""What an operator may set of named streams."""

from dataclasses import dataclass
from typing import Literal

from barmill.errors import InputError

OnGap = Literal["continue", "warm", "refuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How many streams there may be, what they do about missing bars, and how often they are written down.

    max_streams : named streams in memory, of all models; the next is refused, since to forget another one would lose what it knows
    on_gap : where bars are missing that the calendar expects: "continue" as training did, whose features are computed over a gap as if it
        were not there, and say so in the notes; "warm" begins again after every gap; "refuse" takes no bar until the missing ones came
    max_gap_bars : a longer gap begins the stream again, whatever `on_gap` continues over
    stale_after : a stream is stale once so many bars' time has gone by, while the market was open, without a bar
    snapshot_bars, snapshot_seconds : a stream is written down after so many bars, or so long after the last time, whichever comes first
    retry_after : seconds that a refused request is told to wait
    """

    max_streams: int = 10_000
    on_gap: OnGap = "continue"
    max_gap_bars: int = 60
    stale_after: float = 3.0
    snapshot_bars: int = 60
    snapshot_seconds: float = 30.0
    retry_after: float = 1.0

    def __post_init__(self) -> None:
        if self.on_gap not in ("continue", "warm", "refuse"):
            raise InputError("settings.on_gap", f"is '{self.on_gap}'", expected="continue, warm or refuse")
        if self.max_gap_bars < 0:
            raise InputError("settings.max_gap_bars", f"is {self.max_gap_bars}", expected="0 or more")
        for name in ("max_streams", "stale_after", "snapshot_bars", "snapshot_seconds", "retry_after"):
            if getattr(self, name) <= 0:
                raise InputError(f"settings.{name}", f"is {getattr(self, name)}", expected="more than 0")


__all__ = ["OnGap", "StreamSettings"]
