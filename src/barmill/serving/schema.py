"""Which features a bundle asks for, in which order and range, and the checks of features that came from outside."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.bundles import Bundle, EnsemblePipeline
from barmill.bundles.needed_features import needed_features as read_by
from barmill.errors import nearest
from barmill.serving.answers import Float64Array
from barmill.serving.refusals import Refusal

_KEPT_SELECTIONS = 64  # of the orders in which names came; a client sends the same every time
_PLAUSIBLE = 1e15  # where a bundle has no profile: nothing that is measured on a market is larger
_LARGEST = np.finfo(np.float64).max


def needed_features(bundle: Bundle) -> tuple[str, ...]:
    """The features of the plan that a forecast reads, in the plan's order: what must be sent where no bars are."""
    return read_by(bundle.pipeline)


def feature_rows(bundle: Bundle) -> int:
    """Rows of features that one forecast reads, the oldest first: 1, or the length of the longest window."""
    return bundle.pipeline.depth


def sees_bars(bundle: Bundle) -> bool:
    """Whether a model of the bundle sees bars, so that features alone are not enough."""
    pipeline = bundle.pipeline
    if isinstance(pipeline, EnsemblePipeline):
        return any(member.pipeline.sees_bars for member in pipeline.members)
    return pipeline.sees_bars


class Selection(NamedTuple):
    """How columns that came become those that are needed.

    columns : int64, of the array that came, in the order needed; None where they are the same
    note : what the asker ought to know of it; empty if nothing
    """

    columns: npt.NDArray[np.int64] | None
    note: str


class Checked(NamedTuple):
    """Features that may be forecast from.

    values : float64 C-contiguous (n, n_needed) or (n, rows, n_needed)
    note : what is to be told of the names; outside : of the range of training; each empty if nothing
    """

    values: Float64Array
    note: str
    outside: str


@dataclass(frozen=True, eq=False)
class FeatureSchema:
    """What one bundle asks of features.

    names : needed, in order; known : all of the plan; positions : int64, of `names` in the plan
    rows : of one forecast; 1 for a model that sees a row
    low, high : float64 (n_needed,), least and largest of the training rows, NaN where the bundle does not tell them
    iqr : float64 (n_needed,), interquartile ranges of the same
    """

    names: tuple[str, ...]
    known: tuple[str, ...]
    positions: npt.NDArray[np.int64]
    rows: int
    needs_bars: bool
    low: Float64Array
    high: Float64Array
    iqr: Float64Array
    below: Float64Array
    above: Float64Array
    _selections: dict[tuple[str, ...], Selection] = field(default_factory=dict[tuple[str, ...], Selection])

    @classmethod
    def of(cls, bundle: Bundle, range_iqr: float) -> "FeatureSchema":
        """range_iqr : by how many interquartile ranges a feature may leave training's range before that is told."""
        names, known = needed_features(bundle), bundle.plan.names
        positions = np.array([known.index(name) for name in names], dtype=np.int64)
        profile = bundle.part("reference_profile")
        ranges = np.array([_range(profile, name) for name in names]).reshape(len(names), 3)
        low, high, iqr = ranges[:, 0].copy(), ranges[:, 1].copy(), ranges[:, 2].copy()
        # Both are finite, so that no infinity is inside.
        below = np.maximum(np.where(np.isnan(low), -_PLAUSIBLE, low - range_iqr * iqr), -_LARGEST)
        above = np.minimum(np.where(np.isnan(high), _PLAUSIBLE, high + range_iqr * iqr), _LARGEST)
        return cls(names, known, positions, feature_rows(bundle), sees_bars(bundle), low, high, iqr, below, above)

    def checked(self, features: Any, names: Sequence[str] | None, max_rows: int) -> Checked:
        """The needed columns of `features`, and what the asker ought to know of them.

        Raises Refusal naming the field: dtype, shape, names, or the first value that is not finite.
        """
        if self.needs_bars:
            raise Refusal("invalid", "needs_bars", "features", "the model sees bars, not features alone", mend="Send bars instead.")
        values = self._shaped(features, names, max_rows)
        selection = self._selection(None if names is None else tuple(names))
        if selection.columns is not None:
            values = values[..., selection.columns]
        values = np.ascontiguousarray(values)
        outside = self.out_of_range(values)
        if outside and not np.isfinite(values).all():
            raise self._not_finite(values)
        return Checked(values, selection.note, outside)

    def out_of_range(self, values: Float64Array) -> str:
        """Which features leave the range of training far behind, or are not finite, in words; empty if none.

        values : float64 (..., n_needed)
        """
        inside = (values >= self.below) & (values <= self.above)  # false where one of them is NaN
        if np.logical_and.reduce(inside, axis=None):  # which takes half as long as `inside.all()`, of one row
            return ""
        outside = ~inside
        which = np.flatnonzero(outside.reshape(-1, len(self.names)).any(axis=0))
        named = ", ".join(self.names[column] for column in which[:5])
        return f"outside the range of training: {named}{f' and {len(which) - 5} more' if len(which) > 5 else ''}"

    def spread(self, values: Float64Array) -> Float64Array:
        """`values` (n, n_needed) as rows of the plan, float64 (n, n_plan); what is not needed is NaN, so that reading it shows."""
        if len(self.names) == len(self.known):
            return values
        whole = np.full((len(values), len(self.known)), np.nan)
        whole[:, self.positions] = values
        return whole

    def _shaped(self, features: Any, names: Sequence[str] | None, max_rows: int) -> Float64Array:
        if not isinstance(features, np.ndarray) or features.dtype != np.float64:
            found = f"of type {features.dtype if isinstance(features, np.ndarray) else type(features).__name__}"
            raise Refusal("invalid", "wrong_dtype", "features", found, expected="float64")
        width = len(self.names) if names is None else len(names)
        expected = f"(rows, {width})" if self.rows == 1 else f"(rows, {self.rows}, {width})"
        fits = features.ndim == (2 if self.rows == 1 else 3) and features.shape[-1] == width
        if not fits or (self.rows > 1 and features.shape[1] != self.rows):
            mend = "" if names is not None else f"The features are {', '.join(self.names)}."
            raise Refusal("invalid", "wrong_shape", "features.shape", f"{list(features.shape)}", expected=expected, mend=mend)
        if not len(features):
            raise Refusal("invalid", "no_rows", "features", "there is no row", expected="at least one")
        if len(features) > max_rows:
            raise Refusal("too_large", "too_many_rows", "features", f"{len(features):,} rows", expected=f"at most {max_rows:,}")
        return features

    def _selection(self, names: tuple[str, ...] | None) -> Selection:
        if names is None:
            return Selection(None, "")
        found = self._selections.get(names)
        if found is None:
            found = self._select(names)
            if len(self._selections) < _KEPT_SELECTIONS:
                self._selections[names] = found
        return found

    def _select(self, names: tuple[str, ...]) -> Selection:
        missing = [name for name in self.names if name not in names]
        for number, name in enumerate(names):
            if name not in self.known:
                raise _unknown(name, f"features.names[{number}]", missing, self.names)
            if name in names[:number]:
                raise Refusal("invalid", "feature_twice", f"features.names[{number}]", f"'{name}' is given twice")
        if missing:
            # No feature of a plan is optional: a neutral value in its place would be a forecast from something that did not happen.
            found = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
            mend = "Every feature that the model reads is required; none has a default."
            raise Refusal("invalid", "missing_feature", f"features.{missing[0]}", found, expected=", ".join(self.names), mend=mend)
        unread = [name for name in names if name not in self.names]
        note = (
            f"not read by the model: {', '.join(unread[:5])}{f' and {len(unread) - 5} more' if len(unread) > 5 else ''}" if unread else ""
        )
        if names == self.names:
            return Selection(None, note)
        return Selection(np.array([names.index(name) for name in self.names], dtype=np.int64), note)

    def _not_finite(self, values: Float64Array) -> Refusal:
        at = [int(number) for number in np.argwhere(~np.isfinite(values))[0]]
        place = f"features{''.join(f'[{number}]' for number in at[:-1])}.{self.names[at[-1]]}"
        return Refusal("invalid", "not_finite", place, f"{values[tuple(at)]}", expected="a finite number")


def _unknown(name: str, place: str, missing: Sequence[str], needed: Sequence[str]) -> Refusal:
    """A column that the plan does not have: of another name where one that is needed is missing, and else one too many."""
    found = f"no feature is called '{name[:64]}'"
    if missing:
        return Refusal("invalid", "renamed_feature", place, f"{found}, and '{missing[0]}' is missing", mend=nearest(name[:64], missing))
    return Refusal("invalid", "unknown_feature", place, found, mend=nearest(name[:64], needed))


def _range(profile: Any, name: str) -> tuple[float, float, float]:
    """Least, largest and interquartile range of a feature on the training rows, as the reference profile tells them; NaN where not."""
    try:
        by_level = dict(zip(profile["levels"], profile["features"][name]["quantiles"], strict=True))
        return float(by_level[0.0]), float(by_level[1.0]), float(by_level[0.75] - by_level[0.25])
    except (KeyError, TypeError, ValueError):  # a bundle need not have a profile
        return float("nan"), float("nan"), float("nan")


__all__ = ["FeatureSchema", "Selection", "feature_rows", "needed_features", "sees_bars"]
