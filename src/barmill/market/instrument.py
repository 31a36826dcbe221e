"""What is traded: its tick, its value, its calendar and what trading it costs."""

import difflib
from collections.abc import Hashable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from barmill.errors import InstrumentError
from barmill.market.calendar import known_calendars


class Fee(BaseModel):
    """Commission and exchange fee of one side: basis points of the price, or money per contract."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bps: float | None = Field(default=None, ge=0, le=1000, description="Basis points of the price, per side")
    per_contract: float | None = Field(default=None, ge=0, description="Money per contract, per side")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.bps is None) == (self.per_contract is None):
            raise ValueError("give bps or per_contract, one of the two")
        return self

    def __str__(self) -> str:
        return f"{self.bps:g} bps a side" if self.bps is not None else f"{self.per_contract:g} per contract and side"


class Slippage(BaseModel):
    """How much worse than the quoted price a fill is, on one side: ticks, or basis points of the price."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ticks: float | None = Field(default=None, ge=0, description="Ticks, per side")
    bps: float | None = Field(default=None, ge=0, le=1000, description="Basis points of the price, per side")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.bps is None) == (self.ticks is None):
            raise ValueError("give ticks or bps, one of the two")
        return self

    def __str__(self) -> str:
        return f"{self.bps:g} bps a side" if self.bps is not None else f"{self.ticks:g} ticks a side"


class Instrument(BaseModel):
    """A tradable thing and its costs.

    `tick_value = tick_size * multiplier`; give either of the two, or both if they agree.

    Examples
    --------
    >>> Instrument.builtin("ES").tick_value
    12.5
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/=^-]*$", description="Name of the instrument")
    description: str = Field(default="", description="What it is, in words")
    tick_size: float = Field(gt=0, description="Smallest price step")
    tick_value: float = Field(gt=0, description="Money that one tick of one contract is worth")
    multiplier: float = Field(gt=0, description="Money that one point of price of one contract is worth")
    calendar: str = Field(default="24/7", description="24/7, forex, or a calendar of exchange_calendars such as CMES")
    fee: Fee
    slippage: Slippage

    @model_validator(mode="before")
    @classmethod
    def _fill_tick_value(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        values = dict(given)
        tick = values.get("tick_size")
        if isinstance(tick, int | float) and tick > 0:
            if "tick_value" not in values and isinstance(multiplier := values.get("multiplier", 1.0), int | float):
                values["multiplier"] = multiplier
                values["tick_value"] = tick * multiplier
            elif "multiplier" not in values and isinstance(value := values.get("tick_value"), int | float):
                values["multiplier"] = value / tick
        return values

    @model_validator(mode="after")
    def _values_agree(self) -> Self:
        if abs(self.tick_value - self.tick_size * self.multiplier) > 1e-9 * self.tick_value:
            raise ValueError(f"tick_value {self.tick_value:g} is not tick_size {self.tick_size:g} times multiplier {self.multiplier:g}")
        return self

    @field_validator("calendar")
    @classmethod
    def _calendar_is_known(cls, name: str) -> str:
        if name not in known_calendars():
            raise ValueError(f"no calendar named '{name}'.{_nearest(name, known_calendars())}")
        return name

    @classmethod
    def builtin(cls, symbol: str) -> "Instrument":
        """The built-in instrument of that symbol. Raises InstrumentError with the nearest known one."""
        known = _builtins()
        if symbol not in known:
            mend = f"{_nearest(symbol, tuple(known)).strip()} Or describe it in a YAML file and read that with Instrument.read.".strip()
            raise InstrumentError(f"symbol '{symbol}'", "there is no built-in instrument of that name", mend=mend)
        return known[symbol]

    @classmethod
    def read(cls, path: str | Path) -> "Instrument":
        """Read one instrument from a YAML file. Raises InstrumentError naming file and key."""
        place = str(path)
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InstrumentError(place, f"cannot be read: {error}") from error
        return _validated(_safe_yaml(text, place), place)


def builtin_symbols() -> tuple[str, ...]:
    """Symbols of the built-in instruments, sorted."""
    return tuple(sorted(_builtins()))


@cache
def _builtins() -> dict[str, Instrument]:
    place = "instruments.yaml"
    text = resources.files("barmill.market").joinpath(place).read_text(encoding="utf-8")
    entries: dict[str, dict[str, Any]] = _safe_yaml(text, place)
    return {str(symbol): _validated({"symbol": str(symbol), **entry}, f"{place}:{symbol}") for symbol, entry in entries.items()}


def _validated(given: Any, place: str) -> Instrument:
    if not isinstance(given, dict):
        raise InstrumentError(place, "this holds no instrument", expected="keys such as symbol, tick_size, multiplier, fee and slippage")
    try:
        return Instrument.model_validate(given)
    except ValidationError as error:
        raise InstrumentError.gathered([_problem(place, found) for found in error.errors()]) from error


def _problem(place: str, found: Any) -> InstrumentError:
    key = ".".join(str(part) for part in found["loc"])
    where = f"{place}:{key}" if key else place
    if found["type"] == "extra_forbidden":
        known = (*Instrument.model_fields, *Fee.model_fields, *Slippage.model_fields)
        return InstrumentError(where, "there is no such key", mend=_nearest(str(found["loc"][-1]), known).strip())
    return InstrumentError(where, found["msg"].removeprefix("Value error, "))


class _UniqueKeys(yaml.SafeLoader):
    """Plain data only (SafeLoader), and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key.value}' stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _safe_yaml(text: str, place: str) -> Any:
    try:
        return _UniqueKeys(text).get_single_data()
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{place} line {mark.line + 1}" if mark else place
        raise InstrumentError(where, f"not plain YAML: {getattr(error, 'problem', None) or error}") from error


def _nearest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name.upper(), [each.upper() for each in known], n=1, cutoff=0.5)
    match = next((each for each in known if close and each.upper() == close[0]), None)
    return f" Did you mean '{match}'?" if match else ""
