"""Recipes for editors and newcomers: the JSON Schema, and the recipes that come with Barmill."""

from pathlib import Path
from typing import Any

import barmill
from barmill.errors import RecipeError
from barmill.models.catalogue import MODELS
from barmill.pipeline.recipe import Recipe


def recipe_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of recipes; each model's `config` is held to that model's parameters."""
    schema = Recipe.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Barmill recipe"
    definitions = schema["$defs"]
    branches: dict[str, dict[str, Any]] = {}
    for name, spec in sorted(MODELS.items()):
        params = spec.params.model_json_schema()
        definitions.update(params.pop("$defs", {}))
        definitions[f"{name} parameters"] = params
        given = {"properties": {"name": {"const": name}}}
        branches[name] = {"if": given, "then": {"properties": {"config": {"$ref": f"#/$defs/{name} parameters"}}}}
    for kind, of_direction in (("ModelEntry", True), ("ExpertEntry", False)):
        names = [name for name in branches if (MODELS[name].question == "direction") == of_direction]
        definitions[kind]["properties"]["name"]["enum"] = names
        definitions[kind]["allOf"] = [branches[name] for name in names]
    return schema


def recipe_file(name: str) -> Path:
    """The recipe `name` that comes with Barmill: packed beside the code when installed, in the checkout otherwise."""
    package = Path(barmill.__file__).parent
    for folder in (package / "recipes", package.parents[1] / "recipes"):
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    raise RecipeError(name, "no recipe of this name comes with Barmill", mend="See the folder recipes/.")
