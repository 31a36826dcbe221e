"""Sets of features are data: one YAML file each, beside this file, under `sets/`."""

import re
from collections.abc import Collection, Mapping, Sequence
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from barmill.errors import RecipeError, nearest
from barmill.features.naming import parse_feature
from barmill.features.spec import Feature
from barmill.market import Timeframe

_TIMES = re.compile(r"@(\d+)x")


class FeatureGroup(BaseModel):
    """Features that stand together in a set.

    ladder : on which timeframes: all that the plan asks for, the base alone, the higher ones, or those of them that are this
        many times the base
    features : names, each column called what the feature is called; or the column's name and the feature. `{timeframe}` in a
        column's name is the timeframe's, `@15x` in a feature's is 15 times the base. Where a list stands for the feature, it is
        the first whose columns the bars have
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    ladder: Literal["all", "base", "higher"] | tuple[int, ...] = "base"
    features: tuple[str, ...] | Mapping[str, str | tuple[str, ...]]

    def on(self, times: int) -> bool:
        """Whether it stands on the timeframe of `times` base bars."""
        if isinstance(self.ladder, tuple):
            return times in self.ladder
        return self.ladder == "all" or (self.ladder == "base") == (times == 1)


class FeatureSet(BaseModel):
    """A named list of features.

    ladder : multiples of the base timeframe that it is meant for
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int
    summary: str
    ladder: tuple[int, ...] = Field(default=(1,), min_length=1)
    groups: tuple[FeatureGroup, ...]

    def timeframes(self, base: Timeframe) -> tuple[Timeframe, ...]:
        """The timeframes that it is meant for, on such base bars."""
        return tuple(Timeframe(times * base.minutes) for times in self.ladder)

    def columns(self, base: Timeframe, timeframes: Sequence[Timeframe], further: Collection[str]) -> dict[str, Feature]:
        """Name of each column and the feature that it is, for bars that have the `further` columns.

        Raises: RecipeError as `parse_feature` does.
        """
        return {
            name: feature
            for group in self.groups
            for timeframe in timeframes
            if group.on(timeframe.minutes // base.minutes)
            for name, feature in _columns(group, base, timeframe, further)
        }


def _columns(group: FeatureGroup, base: Timeframe, timeframe: Timeframe, further: Collection[str]) -> list[tuple[str, Feature]]:
    given = group.features if isinstance(group.features, Mapping) else {name: name for name in group.features}
    made: list[tuple[str, Feature]] = []
    for name, choices in given.items():
        features = [_read(text, base, timeframe) for text in ((choices,) if isinstance(choices, str) else choices)]
        chosen = next((feature for feature in features if set(feature.sources) <= set(further)), features[-1])
        named = name.replace("{timeframe}", str(timeframe)) if isinstance(group.features, Mapping) else chosen.name
        made.append((named, chosen))
    return made


def _read(text: str, base: Timeframe, timeframe: Timeframe) -> Feature:
    """The feature of a set's text: `@15x` becomes a timeframe, and what names none stands on the group's."""
    named = _TIMES.sub(lambda match: f"@{Timeframe(int(match[1]) * base.minutes)}", text.replace(" ", ""))
    outermost = named[named.rfind(")") + 1 :]
    return parse_feature(named if "@" in outermost else f"{named}@{timeframe}", base)


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


__all__ = ["FeatureGroup", "FeatureSet", "read_set", "set_names"]
