import pytest

from barmill.errors import InstrumentError
from barmill.market import Timeframe


@pytest.mark.parametrize(
    ("text", "minutes", "printed"),
    [
        ("1m", 1, "1m"),
        ("60m", 60, "1h"),
        ("1h", 60, "1h"),
        ("90m", 90, "90m"),
        ("24h", 1440, "1d"),
        ("1D", 1440, "1d"),
        ("5min", 5, "5m"),
        ("1w", 10_080, "7d"),
    ],
)
def test_one_length_has_one_name(text: str, minutes: int, printed: str) -> None:
    parsed = Timeframe.parse(text)
    assert (parsed.minutes, str(parsed), parsed.ms) == (minutes, printed, minutes * 60_000)
    assert Timeframe.parse(str(parsed)) == parsed


def test_timeframes_are_ordered_by_length() -> None:
    assert sorted(map(Timeframe.parse, ("1d", "5m", "1h"))) == [Timeframe.parse("5m"), Timeframe.parse("1h"), Timeframe.parse("1d")]


@pytest.mark.parametrize("text", ["", "m", "5", "0m", "-5m", "1M", "30s", "1.5h", "5 parsecs", "9999999m", "5m;", "１m x"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(InstrumentError, match="timeframe"):
        Timeframe.parse(text)


def test_months_are_told_apart_from_minutes() -> None:
    with pytest.raises(InstrumentError, match=r"^timeframe '1M': months and years have no fixed length; expected a number and a unit"):
        Timeframe.parse("1M")


def test_a_step_of_no_whole_minutes_is_no_timeframe() -> None:
    with pytest.raises(InstrumentError, match=r"1\.5 s apart"):
        Timeframe.of_ms(1500)
