"""The feature plan: the ordered, versioned list of a model's features. Its hash is the feature schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any

import numpy as np

from barmill.artefacts import canonical_json, sha256
from barmill.errors import BarmillError, RecipeError, SchemaError, nearest
from barmill.features.catalogue import FEATURES, check_multiple, make_params, parse_feature
from barmill.features.feature_sets import read_set
from barmill.features.scan import Scan
from barmill.features.spec import Feature
from barmill.features.table import FeatureTable
from barmill.market import Bars, Timeframe
from barmill.progress import Progress

FORMAT = 1


@dataclass(frozen=True)
class FeaturePlan:
    """Which features, in which order, on which bars.

    base : Timeframe of the bars that go in
    features : tuple of Feature, no two alike
    """

    base: Timeframe
    features: tuple[Feature, ...]

    @classmethod
    def build(
        cls,
        base: str | Timeframe = "1m",
        timeframes: Sequence[str | Timeframe] = ("1m", "5m", "15m"),
        set: str = "core",
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        needs: Sequence[str] = ("realised_volatility_60",),
    ) -> "FeaturePlan":
        """A plan from a set.

        Parameters
        ----------
        base : timeframe of the bars
        timeframes : the base gets the set's `base` list, every higher one its `higher` list
        set : name of a feature set
        add : further names, such as "rsi_28" or "rsi_28@1h"
        remove : names of the set that are not wanted; a name without a timeframe is of the base
        needs : names that the plan must have in any case; they cannot be removed

        Raises: RecipeError for a name that does not exist or is not there to be removed, with the nearest one that is.
        """
        bottom = _timeframe(base)
        chosen = read_set(set)
        names: list[str] = []
        for given in timeframes:
            timeframe = _timeframe(given)
            check_multiple(timeframe, bottom, "features.timeframes")
            is_base = timeframe.ms == bottom.ms
            names += chosen.base if is_base else [f"{name}@{timeframe}" for name in chosen.higher]
        planned = {feature.name: feature for feature in (parse_feature(name, bottom) for name in (*names, *needs, *add))}
        for name in remove:
            unwanted = parse_feature(name, bottom).name
            if unwanted not in planned:
                raise RecipeError("features.remove", f"'{name}' is not in the plan", mend=nearest(name, planned))
            if unwanted in needs:
                raise RecipeError("features.remove", f"'{name}' is needed to scale targets and forecasts", mend="Keep it.")
            del planned[unwanted]
        return cls(bottom, tuple(planned.values()))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features' names, in order."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def schema(self) -> list[dict[str, Any]]:
        """One entry per column, in order: name, dtype, unit, version, family, timeframe, params."""
        return [
            {
                "name": feature.name,
                "dtype": "float64",
                "unit": feature.spec.unit,
                "version": feature.spec.version,
                "family": feature.spec.family,
                "timeframe": str(feature.timeframe or self.base),
                "params": feature.params.model_dump(),
            }
            for feature in self.features
        ]

    @cached_property
    def schema_hash(self) -> str:
        """SHA-256 of the ordered schema: another order is another schema."""
        return sha256(canonical_json(self.schema))

    @cached_property
    def warmup_bars(self) -> int:
        """Rows of gapless base bars before every feature is finite: row `warmup_bars` is the first that is ready.

        It is exact for bars that start with a bucket of the highest timeframe; a later start is ready sooner, never later.
        """
        return max((feature.warmup_bars(self.base) for feature in self.features), default=0)

    @cached_property
    def settled_bars(self) -> int:
        """Base bars of history after which it no longer matters where the history began (to about 1e-9).

        Exponential and Wilder means remember their start: a stream that is given only `warmup_bars` of history is ready,
        but its first values are not yet those of a longer history.
        """
        return max((feature.settled_bars(self.base) for feature in self.features), default=0)

    def __reduce__(self) -> tuple[Any, ...]:
        return FeaturePlan.from_json, (self.to_json(),)  # to other processes it goes as plain JSON

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON."""
        features = [
            {
                "feature": feature.spec.name,
                "version": feature.spec.version,
                "params": feature.params.model_dump(),
                "timeframe": str(feature.timeframe or self.base),
            }
            for feature in self.features
        ]
        return {"format": FORMAT, "base": str(self.base), "features": features}

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> "FeaturePlan":
        """The plan that `to_json` wrote. Raises SchemaError naming the entry that this version cannot compute."""
        if plan.get("format") != FORMAT or not isinstance(plan.get("features"), list):
            raise SchemaError("feature plan: format", f"is {plan.get('format')!r}", expected=f"{FORMAT} with a list of features")
        try:
            base = Timeframe.parse(str(plan.get("base")))
        except BarmillError as error:
            raise SchemaError("feature plan: base", error.found, expected=error.expected) from error
        return cls(base, tuple(_read_feature(i, entry, base) for i, entry in enumerate(plan["features"])))

    def first_difference(self, other: "FeaturePlan") -> str:
        """The first column in which two schemas differ, as "7: 'rsi_14' against 'rsi_21'"; empty if they are one."""
        for i, (mine, theirs) in enumerate(zip_longest(self.schema, other.schema)):
            if mine == theirs:
                continue
            if mine is None or theirs is None or mine["name"] != theirs["name"]:
                return f"{i}: {_quoted(mine)} against {_quoted(theirs)}"
            key = next(key for key in mine if mine[key] != theirs[key])
            return f"{i}: '{mine['name']}' with {key} {mine[key]} against {key} {theirs[key]}"
        return ""

    def compute(self, bars: Bars, progress: Progress | None = None) -> FeatureTable:
        """The features of a whole history.

        Row t is known at the close of bar t and depends on bars 0 .. t alone, to the bit.
        Raises: SchemaError if the bars are of another timeframe than the plan.
        Cost: linear in bars; the table is the only large thing held.
        """
        return scan_table(self, Scan(self.features), bars, progress)


def scan_table(plan: FeaturePlan, scan: Scan, bars: Bars, progress: Progress | None = None) -> FeatureTable:
    """Advance `scan` over `bars` into a table of `plan`."""
    if bars.timeframe.ms != plan.base.ms:
        raise SchemaError(f"{bars.instrument.symbol} bars", f"timeframe {bars.timeframe}", expected=f"{plan.base}, which the plan is on")
    values = np.empty((len(bars), len(plan.features)))
    for done in scan.advance(bars.matrix, values):
        if progress is not None:
            progress.update(done, len(bars), "features")
    return FeatureTable(plan.names, values, bars.open_time, bars.close_time, plan.schema_hash)


def _timeframe(given: str | Timeframe) -> Timeframe:
    return Timeframe.parse(given) if isinstance(given, str) else given


def _quoted(entry: Mapping[str, Any] | None) -> str:
    return "nothing" if entry is None else f"'{entry['name']}'"


def _read_feature(i: int, entry: Any, base: Timeframe) -> Feature:
    place = f"feature plan: features[{i}]"
    try:
        name, version, params, timeframe = entry["feature"], entry["version"], dict(entry["params"]), str(entry["timeframe"])
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(place, f"{entry!r}", expected="feature, version, params, timeframe") from error
    spec = FEATURES.get(name)
    if spec is None:
        raise SchemaError(place, f"no feature named '{name}'", mend=nearest(str(name), FEATURES))
    if version != spec.version:
        mend = "Use the version of Barmill that made it."
        raise SchemaError(f"{place}: '{name}'", f"version {version!r}", expected=f"version {spec.version}", mend=mend)
    try:
        feature = Feature(spec, make_params(spec, params, place))
        return parse_feature(f"{feature.name}@{timeframe}", base)
    except RecipeError as error:
        raise SchemaError(error.place, error.found, expected=error.expected, mend=error.mend) from error


__all__ = ["FeaturePlan", "scan_table"]
