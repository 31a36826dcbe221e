"""From the text of a recipe to a `Recipe` that can run, or to one error that tells every problem with its line."""

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError

from barmill.errors import RecipeError, nearest
from barmill.labels.back_labeler_config import OutcomeConfig
from barmill.models.catalogue import spec_of, view_of, window_of
from barmill.models.contract import OUTPUTS
from barmill.pipeline.ensemble_reading import completed_ensembles
from barmill.pipeline.profiles import drop_profiles, lay_profiles, model_labels
from barmill.pipeline.recipe import ExpertEntry, ModelEntry, Recipe
from barmill.pipeline.target_config import OF_LATENCY, TOTAL
from barmill.pipeline.tuning.spaces import tuning_problems
from barmill.pipeline.yaml_reading import Document, Path, dotted, read_scalar, read_yaml

QUANTILES = ("q05", "q50", "q95")


def read_recipe(source: FilePath | str, overrides: Sequence[str] = (), profiles: Sequence[str] = ()) -> Recipe:
    """Read, complete and check the recipe at `source`, with those of its profiles that are named, and then `--set` overrides
    (`key.path=value`), laid over it.

    Raises RecipeError with every problem that was found, a line each. Imports no learning library.
    """
    path = FilePath(source)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RecipeError(str(path), "there is no such file", mend=_nearby(path)) from error
    except UnicodeDecodeError as error:
        raise RecipeError(str(path), "this is not UTF-8 text", mend="Save the recipe as UTF-8.") from error
    except OSError as error:
        raise RecipeError(str(path), f"cannot be read: {error.strerror}", mend="Name a recipe file.") from error
    return recipe_from_text(text, path.name, overrides, profiles)


def recipe_of(recipe: Recipe | FilePath | str, overrides: Sequence[str], profiles: Sequence[str]) -> tuple[Recipe, FilePath | None]:
    """A recipe as it was given, or read from its file, and the folder beside which it names files; None if it was given.

    Raises RecipeError as `read_recipe` does, and for a profile of a recipe that was read already.
    """
    if not isinstance(recipe, Recipe):
        return read_recipe(recipe, overrides, profiles), FilePath(recipe).parent
    if profiles:
        raise RecipeError(f"--profile {profiles[0]}", "the recipe was read already", mend="Name the profile where it is read.")
    return recipe, None


def recipe_from_text(text: str, place: str, overrides: Sequence[str] = (), profiles: Sequence[str] = ()) -> Recipe:
    """As `read_recipe`, from text; `place` is what messages call it, and its stem names a run without a name."""
    document = read_yaml(text, place)
    if not isinstance(document.value, dict):
        raise RecipeError(
            place, "this holds no recipe", expected="keys such as base_models and labels", mend="Start from recipes/quickstart.yaml."
        )
    lay_profiles(document, profiles)
    drop_profiles(document)
    for override in overrides:
        _lay_over(document, override)
    document.value.setdefault("name", FilePath(place).stem)
    return _complete(document)


def _complete(document: Document) -> Recipe:
    try:
        recipe = Recipe.model_validate_json(json.dumps(document.value), strict=True)
    except ValidationError as error:
        raise RecipeError.gathered([_told(problem, document) for problem in _telling(error.errors())]) from error
    problems = [*_not_yet(recipe, document)]
    entries: list[ModelEntry] = []
    for index, entry in enumerate(recipe.base_models):
        found, checked = _checked_entry(entry, ("base_models", index), document)
        problems += found
        entries.append(checked)
    experts: list[ExpertEntry] = []
    for index, expert in enumerate(recipe.experts):
        found, known = _checked_expert(expert, ("experts", index), document)
        problems += found
        experts.append(known)
    completed = recipe.model_copy(
        update={"base_models": tuple(entries), "experts": tuple(experts), **({"outcomes": _decided(recipe)} if experts else {})}
    )
    if problems := problems or tuning_problems(completed, document.where):
        raise RecipeError.gathered(problems)
    done, problems = completed_ensembles(completed, document, lambda found, path, model: _told(found, document, path, model))
    if problems := problems or _unknown_targets(done, document):
        raise RecipeError.gathered(problems)
    return done


def _unknown_targets(recipe: Recipe, document: Document) -> list[RecipeError]:
    """Targets of what the run does not have, and models that are called as a target of several is."""
    if recipe.targets is None:
        return []
    labels = [entry.label for entry in (*recipe.base_models, *recipe.combined)]
    known = {"size_kb": [*labels, TOTAL], "latency_ms": [*labels, *OF_LATENCY]}
    mend = "Give the model an `alias`, or the ensemble a `name`."
    taken = [
        RecipeError(document.where(("targets",)), f"'{label}' is a model and a target of several", mend=mend)
        for label in labels
        if label in (TOTAL, *OF_LATENCY)
    ]
    return taken + [
        RecipeError(document.where(("targets", key, name)), f"the run has no '{name}'", expected=f"one of {', '.join(names)}")
        for key, names in known.items()
        for name in getattr(recipe.targets, key)
        if name not in names
    ]


def _decided(recipe: Recipe) -> OutcomeConfig:
    """The trades of the experts, proposed where the run decides unless the recipe says otherwise."""
    outcomes = recipe.outcomes
    return outcomes if "every" in outcomes.model_fields_set else outcomes.model_copy(update={"every": recipe.labels.every})


def _checked_entry(entry: ModelEntry, path: Path, document: Document) -> tuple[list[RecipeError], ModelEntry]:
    """The entry with its parameters, view and outputs filled in, or what is wrong with it."""
    try:
        spec = spec_of(entry.name)
    except RecipeError as error:
        return [RecipeError(document.where((*path, "name")), error.found, mend=error.mend)], entry
    if spec.question != "direction":
        found = f"{spec.name} does not say where the label goes"
        return [RecipeError(document.where((*path, "name")), found, mend="Name it under `experts`.")], entry
    problems: list[RecipeError] = []
    if entry.view not in (None, *spec.views):
        views = " or ".join(f"'{view}'" for view in spec.views)
        problems.append(RecipeError(document.where((*path, "view")), f"'{entry.view}'", expected=f"{views}, the view of {spec.name}"))
    if entry.zero_shot and not spec.zero_shot:
        problems.append(RecipeError(document.where((*path, "zero_shot")), f"{spec.name} must be fitted", mend="Remove zero_shot."))
    offered = tuple(dict.fromkeys((*spec.outputs, *QUANTILES)))
    for output in entry.outputs:
        if output not in offered:
            hint = f"no output '{output}'" if output not in OUTPUTS else f"{spec.name} has no output '{output}'"
            problems.append(RecipeError(document.where((*path, "outputs")), hint, expected=f"some of {', '.join(offered)}"))
    try:
        params = spec.params.model_validate_json(json.dumps(dict(entry.config)), strict=True)
    except ValidationError as error:
        problems += [_told(problem, document, (*path, "config"), spec.params) for problem in error.errors()]
        return problems, entry
    view = entry.view or view_of(window_of(spec, params))
    if "resolutions" in entry.config and params.model_dump()["resolutions"] and (view != "multi_resolution" or view not in spec.views):
        expected = (
            f"none on the view {view}" if "multi_resolution" in spec.views else f"none: {spec.name} sees a {' or a '.join(spec.views)}"
        )
        problems.append(RecipeError(document.where((*path, "config", "resolutions")), "bars of several timeframes", expected=expected))
    completed = {"view": view, "outputs": entry.outputs or offered, "config": params.model_dump(mode="json")}
    return problems, entry.model_copy(update=completed)


def _checked_expert(entry: ExpertEntry, path: Path, document: Document) -> tuple[list[RecipeError], ExpertEntry]:
    """The expert with its parameters filled in, or what is wrong with it."""
    try:
        spec = spec_of(entry.name)
    except RecipeError as error:
        return [RecipeError(document.where((*path, "name")), error.found, mend=error.mend)], entry
    if spec.question == "direction":
        found = f"{spec.name} says where the label goes"
        return [RecipeError(document.where((*path, "name")), found, mend="Name it under `base_models`.")], entry
    try:
        params = spec.params.model_validate_json(json.dumps(dict(entry.config)), strict=True)
    except ValidationError as error:
        return [_told(problem, document, (*path, "config"), spec.params) for problem in error.errors()], entry
    if entry.inputs and spec.view == "pattern_image":
        found = "names of features"
        return [RecipeError(document.where((*path, "inputs")), found, expected="none: it sees a picture of the bars")], entry
    return [], entry.model_copy(update={"config": params.model_dump(mode="json")})


def _not_yet(recipe: Recipe, document: Document) -> list[RecipeError]:
    """Parts of a recipe that this version reads but cannot run."""
    problems: list[RecipeError] = []
    if recipe.policy.enabled:
        what = "learned policies come with a later version"
        mend = "Set policy.enabled: false; the threshold rule of `rule:` is judged instead."
        problems.append(RecipeError(document.where(("policy", "enabled")), what, mend=mend))
    return problems


def _lay_over(document: Document, override: str) -> None:
    """Set one `key.path=value`, in place. Whether the key exists is checked with everything else."""
    key, sign, text = override.partition("=")
    parts: list[str | int] = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", key)]
    if not sign or not parts:
        raise RecipeError(f"--set {override}", "not of the form key=value", mend="Write for example --set labels.horizon=30.")
    if len(parts) > 2 and parts[0] in ("base_models", "experts") and isinstance(parts[1], str):
        parts[1] = _numbered(document, parts[0], parts[1], f"--set {override}")
    target: Any = document.value
    for part, following in pairwise(parts):
        if isinstance(target, list) and isinstance(part, int) and part < len(target):
            target = target[part]
        elif isinstance(target, dict) and isinstance(part, str):
            if not isinstance(target.get(part), dict | list):
                target[part] = [] if isinstance(following, int) else {}
            target = target[part]
        else:
            raise RecipeError(f"--set {override}", f"the recipe has no '{dotted(tuple(parts))}'", mend="Look at the recipe's keys.")
    last = parts[-1]
    if isinstance(target, list) and not (isinstance(last, int) and last < len(target)):
        raise RecipeError(f"--set {override}", f"the recipe has no '{dotted(tuple(parts))}'", mend="Look at the recipe's keys.")
    cast(dict[str | int, Any], target)[last] = read_scalar(text)


def _numbered(document: Document, where: str | int, label: str, place: str) -> int:
    """The place of a model in its list, by the label that reports use."""
    labels = model_labels(document.value.get(where))
    if label not in labels:
        raise RecipeError(place, f"the recipe has no model '{label}'", mend=nearest(label, [known for known in labels if known]))
    return labels.index(label)


def _telling(problems: Sequence[Any]) -> list[Any]:
    """Pydantic's findings without those of types that were tried in vain where another type came closer: it has a finding of its own
    there, or one further in."""

    def comes_closer(other: Any, path: Path) -> bool:
        there = _path(other)
        return there[: len(path)] == path and (len(there) > len(path) or not str(other["type"]).endswith("_type"))

    return [
        problem
        for problem in problems
        if not (str(problem["type"]).endswith("_type") and any(comes_closer(other, _path(problem)) for other in problems))
    ]


def _path(problem: Any) -> Path:
    """Where in the document a finding of Pydantic's is."""
    return tuple(part for part in problem["loc"] if not (isinstance(part, str) and _TYPE.match(part)))


def _told(problem: Any, document: Document, prefix: Path = (), model: type[BaseModel] = Recipe) -> RecipeError:
    """One of Pydantic's findings as a sentence with the place, what was found and what was expected."""
    path = _path(problem)
    kind, context, given = problem["type"], problem.get("ctx", {}), problem.get("input")
    where = document.where((*prefix, *path))
    if kind == "extra_forbidden":
        known = _keys_at(model, path[:-1])
        return RecipeError(where, f"unknown key '{path[-1]}'", mend=nearest(str(path[-1]), known))
    if kind == "missing":
        return RecipeError(document.where((*prefix, *path[:-1])), f"the key '{path[-1]}' is missing", mend="Add it.")
    if kind == "literal_error":
        names = re.findall(r"'([^']*)'", str(context["expected"]))
        return RecipeError(where, f"no '{given}'", expected=str(context["expected"]), mend=nearest(str(given), names) if given else "")
    if kind in ("value_error", "assertion_error"):
        return RecipeError(where, str(context.get("error", problem["msg"])))
    if "type" in kind or "parsing" in kind:
        return RecipeError(where, f"{_shown(given)} is {_kind(given)}", expected=_EXPECTED.get(kind, str(problem["msg"]).lower()))
    bounds = {"greater_than": "above", "greater_than_equal": "at least", "less_than": "below", "less_than_equal": "at most"}
    if kind in bounds:
        limit = next(context[key] for key in ("gt", "ge", "lt", "le") if key in context)
        return RecipeError(where, f"{_shown(given)} is out of range", expected=f"a number {bounds[kind]} {limit}")
    return RecipeError(where, f"{_shown(given)} will not do: {problem['msg'].lower()}")


_TYPE = re.compile(r"[A-Z]|str$|tuple\[|function-")  # how Pydantic names, in a path, which of several types it tried

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a word",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys and values",
    "mapping_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "model_dict_type": "keys and values",
}


def _kind(value: Any) -> str:
    kinds: list[tuple[Any, str]] = [
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number"),
        (str, "a word"),
        (list, "a list"),
        (dict, "keys and values"),
    ]
    return next((name for kind, name in kinds if isinstance(value, kind)), "empty")


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """Keys that are known at `path` below `model`."""
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        below = _models_in(field.annotation) if field else []
        if not below:
            return list(model.model_fields)
        model = below[0]
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _nearby(path: FilePath) -> str:
    folder = path.parent
    names = [entry.name for entry in sorted(folder.glob("*.y*ml"))] if folder.is_dir() else []
    return nearest(path.name, names) if names else "Name a recipe file, such as recipes/quickstart.yaml."


__all__ = ["read_recipe", "recipe_from_text", "recipe_of"]
