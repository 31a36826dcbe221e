"""Profiles: changes that a recipe carries along, such as sizes for a small machine, laid over it when `--profile` names them.

A profile is a JSON merge patch (RFC 7396) of its recipe: keys and values are merged, a list or a number takes the place of what was
there, and null takes out. `base_models` and `experts` alone, lists in the recipe, are given by the models' names.
"""

import json
from collections.abc import Sequence
from typing import Any, cast

from barmill.errors import RecipeError, nearest
from barmill.pipeline.yaml_reading import Document, Path, dotted


def lay_profiles(document: Document, names: Sequence[str]) -> None:
    """Lay profiles of the recipe in `document` over it, one after the other, in place, and note there what they changed.

    Lines of the values that they bring become its own, so that a message about one of them points into its profile.
    Raises: RecipeError for a profile or a model that the recipe does not have.
    """
    changes = [change for name in names for change in _lay(document, name)]
    if names:
        document.value["profile"] = {"names": list(names), "changes": changes}


def _lay(document: Document, name: str) -> list[str]:
    """What one profile changed, a line each."""
    profiles = document.value.get("profiles") or {}
    if not isinstance(profiles, dict) or name not in profiles:
        known = list(profiles) if isinstance(profiles, dict) else []
        mend = nearest(name, known) if known else "Add `profiles:` to the recipe, or leave --profile out."
        raise RecipeError(f"--profile {name}", f"{document.place} has no such profile", mend=mend)
    place: Path = ("profiles", name)
    changes = profiles[name]
    if not isinstance(changes, dict):
        raise RecipeError(document.where(place), "this holds no changes", expected="keys of a recipe")
    told: list[str] = []
    for key, value in changes.items():
        if key in ("profiles", "profile", "name"):
            raise RecipeError(document.where((*place, key)), f"a profile cannot change `{key}`", mend="Take it out.")
        if key in ("base_models", "experts"):
            _merge_models(document, key, value, (*place, key), told)
        else:
            _merge(document, document.value, key, value, ((key,), (*place, key)), told)
    return told


def drop_profiles(document: Document) -> None:
    """Take the profiles out of what runs: those that were not asked for change nothing, and so no fingerprint."""
    if isinstance(document.value.get("profiles"), dict) and all(isinstance(one, dict) for one in document.value["profiles"].values()):
        del document.value["profiles"]


def _merge(document: Document, target: dict[str, Any], key: str, value: Any, paths: tuple[Path, Path], told: list[str]) -> None:
    """Merge `value` into target[key]; `paths` are where that stands in the recipe and where the value stands in the profile."""
    at, source = paths
    if isinstance(value, dict) and value:
        if not isinstance(target.get(key), dict):
            target[key] = {}
        for inner, item in value.items():
            _merge(document, target[key], inner, item, ((*at, inner), (*source, inner)), told)
        return
    if value is None:
        target.pop(key, None)
        told.append(f"{dotted(at)} taken out")
        return
    target[key] = value
    told.append(f"{dotted(at)} = {json.dumps(value, ensure_ascii=False)}")
    for path in [path for path in document.lines if path[: len(at)] == at]:
        del document.lines[path]
    for path, line in list(document.lines.items()):
        if path[: len(source)] == source:
            document.lines[(*at, *path[len(source) :])] = line


def _merge_models(document: Document, where: str, changes: Any, source: Path, told: list[str]) -> None:
    """Merge changes of the models that stand in the recipe's list `where`, by their names."""
    models = document.value.get(where)
    if not isinstance(changes, dict) or not isinstance(models, list):
        raise RecipeError(document.where(source), "this does not tell models by name", expected="a model's name, and what changes of it")
    labels = model_labels(models)
    taken_out: list[int] = []
    label: str
    for label, change in cast("dict[str, Any]", changes).items():
        if label not in labels:
            mend = nearest(str(label), [known for known in labels if known])
            raise RecipeError(document.where((*source, label)), f"the recipe has no model '{label}'", mend=mend)
        index = labels.index(label)
        if change is None:
            taken_out.append(index)
            told.append(f"{label} taken out")
            continue
        if not isinstance(change, dict):
            raise RecipeError(document.where((*source, label)), "this changes nothing of a model", expected="keys of a model, or null")
        mine: list[str] = []
        for key, value in change.items():
            _merge(document, models[index], key, value, ((where, index, key), (*source, label, key)), mine)
        told += [f"{label}.{line.removeprefix(f'{where}[{index}].')}" for line in mine]
    _take_out(document, where, models, taken_out)


def model_labels(models: Any) -> list[str | None]:
    """What reports call the models of a list in a recipe that was read but not checked; None for what has no name."""
    entries = cast("list[Any]", models) if isinstance(models, list) else []
    return [entry.get("alias") or entry.get("name") if isinstance(entry, dict) else None for entry in entries]


def _take_out(document: Document, where: str, models: list[Any], taken_out: list[int]) -> None:
    """Remove models, and move the lines of those after them up."""
    kept = [index for index in range(len(models)) if index not in taken_out]
    moved = {old: new for new, old in enumerate(kept)}
    lines = dict(document.lines)
    document.lines.clear()
    for path, line in lines.items():
        if len(path) > 1 and path[0] == where and isinstance(path[1], int):
            if path[1] in moved:
                document.lines[(where, moved[path[1]], *path[2:])] = line
        else:
            document.lines[path] = line
    models[:] = [models[index] for index in kept]
