"""Feature plans as plain JSON, and back: every feature and every argument with the version that computed it."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from barmill.errors import BarmillError, RecipeError, SchemaError, nearest
from barmill.features.catalogue import FEATURES
from barmill.features.naming import check_multiple, make_feature, make_params
from barmill.features.spec import Feature
from barmill.market import Timeframe, known_calendars

if TYPE_CHECKING:
    from barmill.features.plan import FeaturePlan

FORMAT = 2
_ANCHORS = ("epoch", "session")


def plan_json(plan: "FeaturePlan") -> dict[str, Any]:
    """The plan as plain JSON."""
    columns = [{"name": name, **_feature_json(feature, plan.base)} for name, feature in zip(plan.names, plan.features, strict=True)]
    fitted = {name: list(numbers) for name, numbers in plan.fitted.items()}
    head = {"format": FORMAT, "base": str(plan.base), "calendar": plan.calendar, "anchor": plan.anchor}
    return {**head, "columns": columns, "fitted": fitted}


def read_plan(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the plan that `plan_json` wrote. Raises SchemaError naming the entry that this version cannot compute."""
    if plan.get("format") != FORMAT or not isinstance(plan.get("columns"), list):
        raise SchemaError("feature plan: format", f"is {plan.get('format')!r}", expected=f"{FORMAT} with a list of columns")
    try:
        base = Timeframe.parse(str(plan.get("base")))
    except BarmillError as error:
        raise SchemaError("feature plan: base", error.found, expected=error.expected) from error
    if plan.get("calendar") not in known_calendars():
        raise SchemaError("feature plan: calendar", f"is {plan.get('calendar')!r}", expected="a calendar, such as 24/7 or CMES")
    if plan.get("anchor") not in _ANCHORS:
        raise SchemaError("feature plan: anchor", f"is {plan.get('anchor')!r}", expected=" or ".join(_ANCHORS))
    features = tuple(_read_feature(f"feature plan: columns[{i}]", entry, base) for i, entry in enumerate(plan["columns"]))
    names = tuple(str(entry.get("name")) for entry in plan["columns"])
    return {
        "base": base,
        "features": features,
        "columns": names,
        "calendar": plan["calendar"],
        "anchor": plan["anchor"],
        "fitted": _read_fitted(plan.get("fitted")),
    }


def _feature_json(feature: Feature, base: Timeframe) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "feature": feature.spec.name,
        "version": feature.spec.version,
        "params": feature.params.model_dump(),
        "timeframe": str(feature.timeframe or base),
    }
    return entry | {"arguments": [_feature_json(arg, base) for arg in feature.args]} if feature.args else entry


def _read_feature(place: str, entry: Any, base: Timeframe) -> Feature:
    try:
        name, version, params, timeframe = entry["feature"], entry["version"], dict(entry["params"]), str(entry["timeframe"])
        arguments = list(entry.get("arguments", ()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SchemaError(place, f"{entry!r}", expected="feature, version, params, timeframe") from error
    spec = FEATURES.get(name)
    if spec is None:
        raise SchemaError(place, f"no feature named '{name}'", mend=nearest(str(name), FEATURES))
    if version != spec.version:
        mend = "Use the version of Barmill that made it."
        raise SchemaError(f"{place}: '{name}'", f"version {version!r}", expected=f"version {spec.version}", mend=mend)
    args = tuple(_read_feature(f"{place}.arguments[{i}]", argument, base) for i, argument in enumerate(arguments))
    try:
        on = Timeframe.parse(timeframe)
        check_multiple(on, base, place)
        return make_feature(spec, make_params(spec, params, place), None if on == base else on, args, place)
    except BarmillError as error:
        if not isinstance(error, RecipeError):
            raise SchemaError(f"{place}: timeframe", error.found, expected=error.expected) from error
        raise SchemaError(error.place, error.found, expected=error.expected, mend=error.mend) from error


def _read_fitted(given: Any) -> dict[str, tuple[float, ...]]:
    try:
        fitted = {str(name): tuple(map(float, numbers)) for name, numbers in given.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise SchemaError("feature plan: fitted", f"{given!r}", expected="lists of numbers by feature name") from error
    for name, numbers in fitted.items():
        if not all(map(math.isfinite, numbers)):
            raise SchemaError(f"feature plan: fitted: {name}", "a number that is not finite", mend="Fit the plan again.")
    return fitted


__all__ = ["FORMAT", "plan_json", "read_plan"]
