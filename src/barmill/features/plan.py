"""The feature plan: the ordered, versioned list of a model's features. Its hash is the feature schema."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import canonical_json, sha256
from barmill.errors import SchemaError, nearest
from barmill.features.columns import COLUMNS
from barmill.features.computing import Dtype, compute_table, new_reader, new_scan
from barmill.features.feature_sets import read_set
from barmill.features.fitting import fit_features
from barmill.features.naming import parse_feature
from barmill.features.plan_json import plan_json, read_plan
from barmill.features.planning import choose_columns
from barmill.features.program import Program
from barmill.features.spec import Feature
from barmill.features.table import FeatureTable
from barmill.features.writing import WrittenTable, write_features
from barmill.market import Anchor, Bars, Timeframe
from barmill.progress import Progress


@dataclass(frozen=True)
class FeaturePlan:
    """Which features, in which order, on which bars.

    base : Timeframe of the bars that go in
    features : tuple of Feature, no two alike
    columns : what each is called in the table; empty if each is called by its own name
    calendar : name of the market's calendar, for features of sessions and for timeframes anchored to them
    anchor : whether the buckets of higher timeframes are counted from the Unix epoch or from the open of each session
    fitted : for each feature that has them, by name, the numbers that were fitted on training rows
    """

    base: Timeframe
    features: tuple[Feature, ...]
    columns: tuple[str, ...] = ()
    calendar: str = "24/7"
    anchor: Anchor = "epoch"
    fitted: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @classmethod
    def build(
        cls,
        base: str | Timeframe = "1m",
        timeframes: Sequence[str | Timeframe] | None = None,
        set: str = "core",
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        needs: Sequence[str] = ("realised_volatility_60",),
        sources: Collection[str] = (),
        calendar: str = "24/7",
        anchor: Anchor = "epoch",
    ) -> "FeaturePlan":
        """A plan from a set.

        Parameters
        ----------
        base : timeframe of the bars
        timeframes : those to compute the set on; None takes the ones that it is meant for
        set : name of a feature set
        add : further names, such as "rsi_28", "rsi_28@1h" or "zscore_60(rsi_28)"
        remove : columns of the set that are not wanted, by the column's name or the feature's
        needs : names that the plan must have in any case; they cannot be removed
        sources : the further columns that the bars have; where a set gives a choice, it is made by them
        calendar, anchor : see the class

        Raises: RecipeError for a name that does not exist or is not there to be removed, with the nearest one that is.
        """
        bottom = _timeframe(base)
        chosen = read_set(set)
        asked = tuple(map(_timeframe, timeframes)) if timeframes is not None else chosen.timeframes(bottom)
        columns = choose_columns(chosen, bottom, asked, add, remove, needs, sources)
        return cls(bottom, tuple(columns.values()), tuple(columns), calendar, anchor)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return self.columns or tuple(feature.name for feature in self.features)

    def column_of(self, name: str) -> str:
        """What the column of a feature is called here. Raises SchemaError, with the nearest name, if the plan has no such feature."""
        feature = parse_feature(name, self.base)
        if feature not in self.features:
            raise SchemaError("feature plan", f"no column is {name}", mend=nearest(name, self.names))
        return self.names[self.features.index(feature)]

    @cached_property
    def further_inputs(self) -> tuple[str, ...]:
        """The columns beyond open_time .. volume that the scan reads, sorted."""
        anchors = {"session_open", "session_close"} if self.anchor == "session" else {*()}
        return tuple(sorted(anchors.union(*(feature.further_inputs for feature in self.features))))

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Those of `further_inputs` that must come with the bars, sorted."""
        return tuple(name for name in self.further_inputs if not COLUMNS[name].calendar)

    def missing(self, sources: Collection[str]) -> dict[str, tuple[str, ...]]:
        """The columns of this plan that cannot be computed from bars with these further columns, and what each lacks."""
        lacking = {
            name: tuple(one for one in feature.sources if one not in sources)
            for name, feature in zip(self.names, self.features, strict=True)
        }
        return {name: lacks for name, lacks in lacking.items() if lacks}

    @cached_property
    def unfitted(self) -> tuple[Feature, ...]:
        """The features whose numbers have still to be fitted, each after those that it takes as arguments."""
        learned = dict.fromkeys(one for feature in self.features for one in feature.learned)
        return tuple(feature for feature in learned if feature.name not in self.fitted)

    @cached_property
    def schema(self) -> list[dict[str, Any]]:
        """One entry per column, in order: what it is called, the feature, and all that its meaning depends on."""
        return [self._schema_entry(name, feature) for name, feature in zip(self.names, self.features, strict=True)]

    def _schema_entry(self, name: str, feature: Feature) -> dict[str, Any]:
        sessions = len(feature.sources) < len(feature.further_inputs) or (self.anchor == "session" and feature.reaches_higher)
        return {
            "name": name,
            "feature": feature.name,
            "dtype": "float64",
            "unit": feature.spec.unit,
            "version": feature.spec.version,
            "family": feature.spec.family,
            "timeframe": str(feature.timeframe or self.base),
            "params": feature.params.model_dump(),
            "arguments": {arg.name: arg.spec.version for arg in feature.arguments},
            "inputs": list(feature.further_inputs),
            "sessions": f"{self.anchor} {self.calendar}" if sessions else None,
        }

    @cached_property
    def schema_hash(self) -> str:
        """SHA-256 of the ordered schema: another order is another schema."""
        return sha256(canonical_json(self.schema))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the whole plan, calendar and fitted numbers included: two plans of one digest remember the same of the same bars."""
        return sha256(canonical_json(self.to_json()))

    @cached_property
    def warmup_bars(self) -> int:
        """Rows of gapless base bars before every feature is finite: row `warmup_bars` is the first that is ready.

        It is exact for bars that start with a bucket of the highest timeframe and have all their columns from the start; a
        later start within a bucket is ready sooner, never later.
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
        """The plan as plain JSON, fitted numbers included."""
        return plan_json(self)

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> "FeaturePlan":
        """The plan that `to_json` wrote. Raises SchemaError naming the entry that this version cannot compute."""
        return cls(**read_plan(plan))

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

    def only(self, names: Collection[str]) -> "FeaturePlan":
        """The plan of these columns alone, in this plan's order."""
        kept = [(name, feature) for name, feature in zip(self.names, self.features, strict=True) if name in names]
        return replace(self, features=tuple(feature for _, feature in kept), columns=tuple(name for name, _ in kept))

    @cached_property
    def program(self) -> Program:
        """What the engine runs; raises SchemaError if some features have still to be fitted."""
        if self.unfitted:
            names = ", ".join(feature.name for feature in self.unfitted)
            mend = "Fit the plan on training rows first: `plan.fit(bars, stretches)`."
            raise SchemaError("feature plan", f"{names}: not fitted", mend=mend)
        for learned in {one for feature in self.features for one in feature.learned}:
            wanted = learned.spec.n_fitted(learned.params, len(learned.args)) if learned.spec.n_fitted else 0
            if len(self.fitted[learned.name]) != wanted:
                found = f"{len(self.fitted[learned.name])} fitted numbers"
                raise SchemaError(f"feature plan: fitted: {learned.name}", found, expected=str(wanted))
        return Program(self.base, self.features, self.further_inputs, self.anchor == "session", self.fitted)

    def without_fits(self) -> "FeaturePlan":
        """The plan of the columns that need no fit, and of those that the others are computed from; this plan if it is fitted."""
        if not self.unfitted:
            return self
        learned = {name for name, feature in zip(self.names, self.features, strict=True) if feature.learned}
        plan = self.only([name for name in self.names if name not in learned])
        needed = dict.fromkeys(arg for feature in self.features for one in feature.learned for arg in one.args if not arg.learned)
        further = tuple(feature for feature in needed if feature not in plan.features)
        names = (*plan.names, *(feature.name for feature in further))
        return replace(plan, features=(*plan.features, *further), columns=names)

    def fit(self, bars: Bars, stretches: Sequence[tuple[int, int]], progress: Progress | None = None) -> "FeaturePlan":
        """The plan with the numbers that its features learn, fitted on training rows alone.

        Parameters
        ----------
        bars : history that holds the stretches; what comes after the last of them is not looked at
        stretches : first and last bar, both included, of each run of consecutive training bars

        Raises: SchemaError as `compute` does; InputError if there is too little to fit on.
        """
        return replace(self, fitted=fit_features(self, bars, stretches, progress))

    def compute(
        self,
        bars: Bars,
        progress: Progress | None = None,
        *,
        dtype: Dtype = "float64",
        out: npt.NDArray[np.floating] | None = None,
        threads: int | None = None,
    ) -> FeatureTable:
        """The features of a whole history.

        Parameters
        ----------
        dtype : of the table; the arithmetic is float64 in either case
        out : array of shape (n_bars, n_features), float64 or float32, C-contiguous, to write into (a memory map, or a buffer
            that is used again, whose pages cost nothing); None makes one of `dtype`
        threads : how many may work on it; None takes OMP_NUM_THREADS or the cores there are. It changes no bit

        Row t is known at the close of bar t and depends on bars 0 .. t alone, to the bit.
        Raises: SchemaError if the bars are of another timeframe than the plan or lack a column that it needs, or if it has
        still to be fitted; DataError for a hole in a further column; ShapeError for an `out` that does not fit.
        Cost: linear in bars; the table is the only large thing held.
        """
        return compute_table(self, new_scan(self), new_reader(self), bars, progress, dtype, out, threads)

    def write(
        self, bars: Bars, path: Path, *, dtype: Dtype = "float64", progress: Progress | None = None, threads: int | None = None
    ) -> WrittenTable:
        """The features of a history that need not fit in memory, to a Parquet or .npy file; see `writing.write_features`."""
        return write_features(self, bars, path, dtype=dtype, progress=progress, threads=threads)


def _timeframe(given: str | Timeframe) -> Timeframe:
    return Timeframe.parse(given) if isinstance(given, str) else given


def _quoted(entry: Mapping[str, Any] | None) -> str:
    return "nothing" if entry is None else f"'{entry['name']}'"


__all__ = ["Anchor", "FeaturePlan"]
