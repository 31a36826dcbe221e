"""What is searched for each model: its own declaration, and what the recipe lays over it."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeAlias

from pydantic import ValidationError

from barmill.errors import RecipeError, nearest
from barmill.models.catalogue import spec_of
from barmill.models.parameters import Parameter, parameters_of
from barmill.models.search import Search
from barmill.pipeline.recipe import ModelEntry, Recipe
from barmill.pipeline.tuning.config import TuneConfig

Space: TypeAlias = dict[str, Search]
Where: TypeAlias = Callable[[tuple[str | int, ...]], str]

WINDOW = "seq_len"  # decides which bars can carry a label, and so the rows that every model of the run shares


def space_of(entry: ModelEntry, config: TuneConfig) -> Space:
    """Each searched parameter of a model with what is tried; integers for a parameter that is one, in the order of the declaration."""
    given = config.search.get(entry.label, {})
    space: Space = {}
    for parameter in parameters_of(spec_of(entry.name).params):
        search = parameter.search
        if parameter.name in given:
            laid = given[parameter.name]
            search = laid.search if laid is not None else None
        if search is not None:
            space[parameter.name] = _whole(search) if parameter.kind == "integer" else search
    return space


def tuned_entries(recipe: Recipe) -> tuple[ModelEntry, ...]:
    """The models that the recipe tunes, in its order; none without `tune`."""
    config = recipe.tune
    if config is None:
        return ()
    chosen = [entry for entry in recipe.base_models if config.models is None or entry.label in config.models]
    return tuple(entry for entry in chosen if not entry.zero_shot and space_of(entry, config))


def tuned_entry(entry: ModelEntry, best: dict[str, Any]) -> ModelEntry:
    """The model with the tuned parameters laid over its own."""
    return entry.model_copy(update={"config": {**entry.config, **best}})


def tuning_problems(recipe: Recipe, where: Where) -> list[RecipeError]:
    """What is wrong with `tune`, once the models are known to be right.

    where : turns a path of keys into the place that a message names
    """
    config = recipe.tune
    if config is None:
        return []
    entries = {entry.label: entry for entry in recipe.base_models}
    problems = [
        RecipeError(where(("tune", "models", index)), f"no model '{label}' in this recipe", mend=nearest(label, entries))
        for index, label in enumerate(config.models or ())
        if label not in entries
    ]
    for label, given in config.search.items():
        if label not in entries:
            problems.append(
                RecipeError(where(("tune", "search", label)), f"no model '{label}' in this recipe", mend=nearest(label, entries))
            )
            continue
        known = {parameter.name: parameter for parameter in parameters_of(spec_of(entries[label].name).params)}
        for name, search in given.items():
            place = where(("tune", "search", label, name))
            if name not in known:
                problems.append(RecipeError(place, f"{entries[label].name} has no parameter '{name}'", mend=nearest(name, known)))
            elif search is not None:
                problems += _range_problems(place, entries[label], known[name], search.search)
    if not problems and not tuned_entries(recipe):
        mend = "Name parameters under tune.search, or remove tune."
        problems.append(RecipeError(where(("tune",)), "no model of this recipe has anything to tune", mend=mend))
    return problems


def _range_problems(place: str, entry: ModelEntry, parameter: Parameter, search: Search) -> list[RecipeError]:
    if parameter.name == WINDOW:
        mend = "Compare windows as models of their own, each with an alias."
        return [RecipeError(place, f"{WINDOW} cannot be tuned: it decides which bars have a label", mend=mend)]
    if parameter.choices and not search.choices:
        return [RecipeError(place, f"{parameter.name} is no number", expected=f"choices, out of {parameter.range}")]
    tried: Iterable[Any] = search.choices or (search.low, search.high)
    problems: list[RecipeError] = []
    if parameter.kind == "integer":
        search = _whole(search)
        whole = [number for number in (search.low, search.high, search.step) if number is not None]
        if any(not isinstance(number, int) for number in whole):
            problems.append(RecipeError(place, f"{parameter.name} is a whole number", expected="a range of whole numbers"))
        tried = search.choices or (search.low, search.high)
    params = spec_of(entry.name).params
    for value in tried:
        try:
            params.model_validate({**entry.config, parameter.name: value})
        except ValidationError:
            found = f"{'none' if value is None else value} is not a value of {parameter.name}"
            problems.append(RecipeError(place, found, expected=parameter.range))
    return problems[:1]


def _whole(search: Search) -> Search:
    """Whole numbers as integers; others are left, to be refused."""

    def integer(value: Any) -> Any:
        return int(value) if isinstance(value, float) and value.is_integer() else value

    ends = {name: integer(getattr(search, name)) for name in ("low", "high", "step")}
    return replace(search, **ends, choices=tuple(integer(choice) for choice in search.choices))


__all__ = ["Space", "space_of", "tuned_entries", "tuned_entry", "tuning_problems"]
