"""What the parameters of a model or an ensemble are, read off their one declaration: for the command line, the docs and generated tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from barmill.models.search import Search


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a model.

    name, description : str
    kind : str, "integer", "number", "choice", "text" (a name), "list", "mapping", or "several" of these
    default : its value where a recipe does not set it
    low, high : the range, None where there is no end
    low_in, high_in : bool, whether the ends are allowed
    choices : tuple, what a choice may be, empty for numbers
    search : what a tuner tries unless a recipe says otherwise, None where it leaves the parameter alone
    """

    name: str
    kind: str
    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    low_in: bool = True
    high_in: bool = True
    choices: tuple[Any, ...] = ()
    search: Search | None = None

    @property
    def range(self) -> str:
        """The range as it is written in mathematics, or the choices."""
        if self.choices:
            return ", ".join(_written(choice) for choice in self.choices)
        if self.kind == "several":
            return "see its meaning"
        if self.kind in ("text", "list", "mapping"):
            return f"a {self.kind}".replace("text", "name")
        low = "(-inf" if self.low is None else f"{'[' if self.low_in else '('}{self.low:g}"
        high = "inf)" if self.high is None else f"{self.high:g}{']' if self.high_in else ')'}"
        return f"{low}, {high}"

    @property
    def told_default(self) -> str:
        """The default as a recipe writes it."""
        return _written(self.default)


def parameters_of(params: type[BaseModel]) -> tuple[Parameter, ...]:
    """Every parameter of `params`, those of the model itself before those it shares with its family."""
    nearest_first = dict.fromkeys(name for base in params.__mro__ for name in vars(base).get("__annotations__", {}))
    return tuple(_parameter(name, params.model_fields[name]) for name in nearest_first if name in params.model_fields)


def _parameter(name: str, field: FieldInfo) -> Parameter:
    description = field.description or ""
    search = next((mark for mark in field.metadata if isinstance(mark, Search)), None)
    choices = _choices(field.annotation)
    if choices:
        return Parameter(name, "choice", field.default, description, choices=choices, search=search)
    kind = _kind(field.annotation)
    ends: dict[str, Any] = {}
    for constraint in field.metadata:
        for bound, end in (("ge", "low"), ("gt", "low"), ("le", "high"), ("lt", "high")):
            value = getattr(constraint, bound, None)
            if value is not None:
                ends |= {end: float(value), f"{end}_in": bound in ("ge", "le")}
    return Parameter(name, kind, field.default, description, search=search, **ends)


def _written(value: Any) -> str:
    """A value as a recipe writes it."""
    if value is None or isinstance(value, bool):
        return "none" if value is None else str(value).lower()
    if isinstance(value, tuple):
        items: tuple[Any, ...] = value
        return f"[{', '.join(_written(item) for item in items)}]"
    return str(value)


def _kind(annotation: Any) -> str:
    """What a value is that is no choice; None beside it does not count."""
    kinds = {int: "integer", str: "text", tuple: "list", Mapping: "mapping"}
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    united = get_origin(annotation) in (Union, UnionType)
    if united and not set(arguments) <= {int, float}:
        return _kind(arguments[0]) if len(arguments) == 1 else "several"
    value = arguments[0] if united and len(arguments) == 1 else annotation
    return kinds.get(get_origin(value) or value, "number")


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The values of a Literal, of an optional one with None first, and of a switch; empty for anything else."""
    if annotation is bool:
        return (False, True)
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    arguments = get_args(annotation)
    named = [choice for argument in arguments for choice in _choices(argument)] if type(None) in arguments else []
    return (None, *named) if named else ()
