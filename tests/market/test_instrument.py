from pathlib import Path

import pytest
from pydantic import ValidationError

from barmill.errors import InstrumentError
from barmill.market import Instrument, builtin_symbols
from barmill.market.calendar import known_calendars

SOUND = "symbol: NK\ntick_size: 5\nmultiplier: 1000\ncalendar: XTKS\nfee: {per_contract: 300}\nslippage: {ticks: 1}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "nk.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("symbol", builtin_symbols())
def test_every_builtin_instrument_agrees_with_itself(symbol: str) -> None:
    instrument = Instrument.builtin(symbol)
    assert instrument.symbol == symbol
    assert instrument.tick_value == pytest.approx(instrument.tick_size * instrument.multiplier)
    assert Instrument.model_validate(instrument.model_dump()) == instrument


def test_the_instruments_of_the_charter_are_there() -> None:
    assert {"ES", "MES", "GC", "MGC", "NQ", "CL", "6E", "EURUSD", "BTCUSDT", "BTC-PERP", "FILUSDT", "SIM"} <= set(builtin_symbols())
    assert (Instrument.builtin("ES").tick_value, Instrument.builtin("MES").tick_value, Instrument.builtin("CL").tick_value) == (
        12.5,
        1.25,
        10.0,
    )


@pytest.mark.parametrize(("asked", "offered"), [("ESS", "ES"), ("btcusdt", "BTCUSDT"), ("EURUSDT", "EURUSD")])
def test_an_unknown_symbol_is_refused_with_the_nearest(asked: str, offered: str) -> None:
    with pytest.raises(InstrumentError, match=f"^symbol '{asked}': there is no built-in instrument of that name. Did you mean '{offered}'"):
        Instrument.builtin(asked)


def test_an_instrument_is_read_from_yaml(tmp_path: Path) -> None:
    read = Instrument.read(write(tmp_path, SOUND))
    assert (read.symbol, read.tick_value, read.calendar, str(read.fee)) == ("NK", 5000.0, "XTKS", "300 per contract and side")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("multiplier: 1000", "multiplier: -1"), r"nk.yaml:multiplier: Input should be greater than 0"),
        (("multiplier", "multipler"), r"nk.yaml:multipler: there is no such key. Did you mean 'multiplier'?"),
        (("{ticks: 1}", "{ticks: 1, bps: 1}"), r"nk.yaml:slippage: give ticks or bps, one of the two"),
        (("{per_contract: 300}", "{}"), r"nk.yaml:fee: give bps or per_contract, one of the two"),
        (("XTKS", "XTKX"), r"nk.yaml:calendar: no calendar named 'XTKX'. Did you mean 'XTKS'?"),
        (("tick_size: 5", "tick_size: 5\ntick_value: 7"), r"nk.yaml: tick_value 7 is not tick_size 5 times multiplier 1000"),
        (("tick_size: 5", "tick_size: 5\ntick_size: 6"), r"nk.yaml line 3: not plain YAML: the key 'tick_size' stands twice"),
        (("tick_size: 5", "tick_size: !!python/object/apply:os.getcwd []"), r"line 2: not plain YAML: could not determine a constructor"),
        (("symbol: NK", "symbol: [NK"), r"not plain YAML"),
    ],
)
def test_a_wrong_instrument_file_is_refused_by_key(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(InstrumentError) as caught:
        Instrument.read(write(tmp_path, SOUND.replace(*change)))
    assert message in str(caught.value)


def test_a_file_that_is_not_there_or_holds_no_instrument(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match="cannot be read"):
        Instrument.read(tmp_path / "none.yaml")
    with pytest.raises(InstrumentError, match="this holds no instrument"):
        Instrument.read(write(tmp_path, "- 1\n- 2\n"))


def test_instruments_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Instrument.builtin("ES").tick_size = 1.0  # type: ignore[misc]


def test_the_list_of_exchange_names_is_that_of_the_library() -> None:
    import exchange_calendars

    theirs = set(exchange_calendars.get_calendar_names(include_aliases=False)) - {"24/5", "24/7", "us_futures"}
    assert set(known_calendars()) - {"24/7", "forex"} == theirs
