"""Numbers as people read them: three significant digits, percent, basis points, and n/a where there is nothing to say."""

import math
import re
from datetime import UTC, datetime

NOT_AVAILABLE = "n/a"
MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"


def _signed(text: str) -> str:
    """With a proper minus, and without one before a number that was rounded to zero."""
    bare = text.removeprefix("-")
    if bare == text:
        return text
    return bare if not any(digit in "123456789" for digit in bare) else MINUS + bare


def fixed(value: float | None, decimals: int) -> str:
    """A number with `decimals` places: 0.523."""
    if value is None or math.isnan(value):
        return NOT_AVAILABLE
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    return _signed(f"{value:,.{decimals}f}")


def significant(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits and no more places than that needs: 12,300, 1.23, 0.00123, 1.2e−7."""
    if value is None or not math.isfinite(value):
        return fixed(value, 0)
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -4:
        return _signed(f"{value:.{digits - 1}e}").replace("e-0", f"e{MINUS}").replace("e-", f"e{MINUS}")
    if magnitude >= 9:
        return _signed(f"{value:.{digits - 1}e}").replace("e+", "e")
    return _signed(f"{value:,.{max(0, digits - 1 - magnitude)}f}")


def percent(share: float | None, digits: int = 3) -> str:
    """A share as percent: 0.7123 is 71.2 %."""
    if share is None or not math.isfinite(share):
        return fixed(share, 0)
    scaled = 100 * share
    decimals = max(0, digits - 1 - max(0, math.floor(math.log10(abs(scaled))))) if scaled else 0
    return f"{_signed(f'{scaled:,.{decimals}f}')}{SPACE}%"


def basis_points(value: float | None) -> str:
    """Basis points, given as such, two decimals at most: 10.2 bps."""
    text = fixed(value, 2) if value is not None and abs(value) < 10 else significant(value)
    return text if text == NOT_AVAILABLE else f"{text}{SPACE}bps"


def whole(value: float | None) -> str:
    """A count: 123,456."""
    return fixed(value, 0)


def span(low: float | None, high: float | None, decimals: int) -> str:
    """An interval, both ends in: 0.508 to 0.538."""
    if low is None or high is None:
        return NOT_AVAILABLE
    return f"{fixed(low, decimals)} to {fixed(high, decimals)}"


def duration(seconds: float | None) -> str:
    """A stretch of time in its natural unit: 0.21 s, 3 min 12 s, 121 days."""
    if seconds is None or not math.isfinite(seconds):
        return NOT_AVAILABLE
    if seconds < 60:
        return f"{significant(seconds)}{SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{SPACE}min {rest}{SPACE}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{SPACE}h {minutes}{SPACE}min" if hours < 48 else f"{whole(hours / 24)}{SPACE}days"


def plural(count: int | None, one: str, many: str = "") -> str:
    """A count with its noun: 1 trial, 12 trials."""
    return f"{whole(count)} {one if count == 1 else many or one + 's'}"


def instant(text: str | None) -> datetime | None:
    """The time that "2023-08-01 00:00 UTC" names, or None if it names none."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text.removesuffix(" UTC").strip())
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def sentence(words: str) -> str:
    """Words as a sentence: a capital first, a full stop last, a proper minus before numbers; nothing stays nothing."""
    text = re.sub(r"(?<![^\s(])-(?=\d)", MINUS, words.strip())
    return text and text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def listed(words: list[str]) -> str:
    """Words as a list in a sentence: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
