"""Instants as people read them."""

from datetime import datetime, timedelta

_EPOCH = datetime(1970, 1, 1)
PLAUSIBLE_MS = (0, 4_102_444_800_000)  # 1970-01-01 to 2100-01-01


def utc_text(time_ms: int) -> str:
    """`2023-03-14 14:30 UTC`; seconds and milliseconds only where there are any."""
    if not -62_135_596_800_000 <= time_ms < 253_402_300_800_000:
        return f"{time_ms} ms, beyond the calendar"
    moment = _EPOCH + timedelta(milliseconds=int(time_ms))
    clock = "%Y-%m-%d %H:%M" if time_ms % 60_000 == 0 else "%Y-%m-%d %H:%M:%S"
    millis = f".{time_ms % 1000:03d}" if time_ms % 1000 else ""
    return f"{moment.strftime(clock)}{millis} UTC"
