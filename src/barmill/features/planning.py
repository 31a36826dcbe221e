"""From what a recipe asks for to the columns of a plan: a set, with features added to it and taken from it."""

from collections.abc import Collection, Sequence

from barmill.errors import RecipeError, nearest
from barmill.features.feature_sets import FeatureSet
from barmill.features.naming import check_multiple, parse_feature
from barmill.features.spec import Feature
from barmill.market import Timeframe


def choose_columns(
    chosen: FeatureSet,
    base: Timeframe,
    timeframes: Sequence[Timeframe],
    add: Sequence[str],
    remove: Sequence[str],
    needs: Sequence[str],
    sources: Collection[str],
) -> dict[str, Feature]:
    """The name of each column and the feature that it is, in order; see `FeaturePlan.build`."""
    for timeframe in timeframes:
        check_multiple(timeframe, base, "features.timeframes")
    columns = chosen.columns(base, timeframes, sources)
    needed = [parse_feature(name, base) for name in needs]
    added = [parse_feature(name, base) for name in add]
    later = [name for name in remove if not _taken_out(name, columns, base, needed)]
    for feature in (*needed, *added):
        _put_in(feature, columns)
    for name in later:
        if not _taken_out(name, columns, base, needed):
            raise RecipeError("features.remove", f"'{name}' is not in the plan", mend=nearest(name, columns))
    return columns


def _put_in(feature: Feature, columns: dict[str, Feature]) -> None:
    if feature in columns.values():
        return
    if feature.name in columns:
        found = f"'{feature.name}' is what the set calls {columns[feature.name].name}"
        raise RecipeError("features.add", found, mend=f"Write '{feature.name}' under `remove` too, or leave it out.")
    columns[feature.name] = feature


def _taken_out(name: str, columns: dict[str, Feature], base: Timeframe, needed: Sequence[Feature]) -> bool:
    """Take out the column of that name, or of the feature of that name; whether there was one."""
    if name not in columns:
        feature = parse_feature(name, base)
        found = next((column for column, one in columns.items() if one == feature), None)
        if found is None:
            return False
        name = found
    if columns[name] in needed:
        raise RecipeError("features.remove", f"'{name}' is needed to scale targets and forecasts", mend="Keep it.")
    del columns[name]
    return True


__all__ = ["choose_columns"]
