"""Sets of features are data: one YAML file each, beside this file, under `sets/`."""

from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict

from barmill.errors import RecipeError, nearest


class FeatureSet(BaseModel):
    """A named list of features: `base` for the base timeframe, `higher` for each higher one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int
    summary: str
    base: tuple[str, ...]
    higher: tuple[str, ...]


def set_names() -> tuple[str, ...]:
    """The sets there are."""
    folder = resources.files("barmill.features") / "sets"
    return tuple(sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")))


def read_set(name: str) -> FeatureSet:
    """The set of that name. Raises RecipeError, with the nearest known name."""
    if name not in set_names():
        raise RecipeError("features.set", f"no feature set named '{name}'", mend=nearest(name, set_names()))
    text = (resources.files("barmill.features") / "sets" / f"{name}.yaml").read_text(encoding="utf-8")
    return FeatureSet.model_validate(yaml.safe_load(text))


__all__ = ["FeatureSet", "read_set", "set_names"]
