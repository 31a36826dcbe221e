"""What a meta-learner sees of its members: every output that each declares, as columns on one scale.

Axes: k meta-features, n rows; features come first, so that a score is a sum of whole columns.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from barmill.ensembles.contract import QUANTILE_OUTPUTS, FitRows, Float64Array, Member, Said, SaidOfRow
from barmill.errors import BundleError, ForecastError, LabelError, ShapeError

SUREST = 0.999  # isotonic curves say 0 and 1; log-odds of these would outweigh all other rows
FARTHEST = 10.0  # scales from the centre beyond which a meta-feature is held: one wild output must not carry a linear sum away
_LEVELS = {"E_r": None} | {output: level for level, output in enumerate(QUANTILE_OUTPUTS)}
IQR_TO_SIGMA = 0.7413  # 1 / (2 norm.ppf(0.75))


@dataclass(frozen=True, slots=True, eq=False)
class MetaFeatures:
    """Which columns a meta-learner sees, and the scale of each on the rows that it was fitted on.

    p_up is seen as log-odds, held between those of 0.001 and 0.999; of three classes p_up and p_down are. E_r and quantiles are seen in z,
    regime columns as they are. Each is then centred on its median, divided by its spread and held within `FARTHEST` spreads.

    members : in the order in which they speak
    n_classes : int, 2 or 3
    regimes : (name, column) pairs: the columns of the regimes that are seen too
    centre, scale : float64 of shape (k,)
    names : tuple of k str: the log-odds first, such as "lightgbm.p_up", then "tcn.E_r" and the like, then "regime.volatility_regime"
    """

    members: tuple[Member, ...]
    n_classes: int
    regimes: tuple[tuple[str, int], ...]
    centre: Float64Array
    scale: Float64Array
    names: tuple[str, ...] = field(init=False)
    _odds: tuple[tuple[int, int | None], ...] = field(init=False)  # member, and class, None for p_up of two
    _in_z: tuple[tuple[int, int | None], ...] = field(init=False)  # member, and level, None for E_r
    _scaling: tuple[Float64Array, Float64Array] = field(init=False)  # centre and scale of shape (k, 1)
    _scales: tuple[tuple[float, float], ...] = field(init=False)  # centre and scale of each

    def __post_init__(self) -> None:
        classes = (None,) if self.n_classes == 2 else (2, 0)
        odds = [(i, label) for i, member in enumerate(self.members) if "p_up" in member.outputs for label in classes]
        in_z = [(i, level) for i, member in enumerate(self.members) for output, level in _LEVELS.items() if output in member.outputs]
        object.__setattr__(self, "_odds", tuple(odds))
        object.__setattr__(self, "_in_z", tuple(in_z))
        object.__setattr__(self, "names", _names(self.members, self.n_classes, self.regimes))
        k = len(self.names)
        if self.n_classes not in (2, 3) or any(column < 0 for _, column in self.regimes):
            raise ShapeError("meta-features", f"{self.n_classes} classes, regimes {self.regimes}", expected="2 or 3, and columns from 0")
        if k == 0:
            raise ShapeError("meta-features", "there are none", expected="a member that declares an output")
        if self.centre.shape != (k,) or self.scale.shape != (k,):
            raise ShapeError("meta-features", f"scales of shape {self.centre.shape} and {self.scale.shape}", expected=f"({k},)")
        if not (np.isfinite(self.centre).all() and np.isfinite(self.scale).all() and (self.scale > 0).all()):
            raise ShapeError("meta-features", "a scale is not above 0 or not finite", expected="finite numbers")
        object.__setattr__(self, "_scaling", (self.centre[:, None], self.scale[:, None]))
        object.__setattr__(self, "_scales", tuple(zip(self.centre.tolist(), self.scale.tolist(), strict=True)))

    def of(self, said: Sequence[Said], regimes: Float64Array | None) -> Float64Array:
        """The columns of these rows, float64 of shape (k, n); a row's numbers depend on that row alone.

        said : of each member, in the order of `members`

        Raises: ShapeError for other members, a declared output or the regimes missing, or lengths that differ; ForecastError naming the
        first column and row that is not finite.
        """
        return self._standardised(self.raw(said, regimes))

    def of_row(self, said: Sequence[SaidOfRow], regimes: Sequence[float]) -> Sequence[float] | None:
        """The k numbers of one row, those of `of`, as plain floats; None where that raises an error."""
        numbers = [_held_odds(said[i].p[label or 0]) for i, label in self._odds]
        for i, level in self._in_z:
            z = said[i].expected if level is None else said[i].edges[level]
            numbers.append(math.nan if z is None else z)
        numbers += [regimes[column] for _, column in self.regimes]
        if not all(map(math.isfinite, numbers)):
            return None
        found = zip(numbers, self._scales, strict=True)
        return [min(max((number - centre) / scale, -FARTHEST), FARTHEST) for number, (centre, scale) in found]

    def raw(self, said: Sequence[Said], regimes: Float64Array | None) -> Float64Array:
        """The same before centre and scale."""
        x = self._gathered(said, regimes)
        if self._odds:
            p = x[: len(self._odds)]
            np.maximum(p, 1 - SUREST, out=p)
            np.minimum(p, SUREST, out=p)
            np.subtract(np.log(p), np.log1p(-p), out=p)
        if not np.isfinite(x).all():
            column, row = np.argwhere(~np.isfinite(x))[0]
            raise ForecastError(
                f"meta-feature '{self.names[column]}' row {row}", f"is {x[column, row]}", expected="a finite number", reason="not_finite"
            )
        return x

    def standardised(self, raw: Float64Array) -> Float64Array:
        """What `raw` gave, on the scale of the fit: a new array."""
        return self._standardised(raw.copy())

    def scaled_by(self, raw: Float64Array) -> "MetaFeatures":
        """The same columns, on the scale of rows that `raw` gave (k, n), and of no others.

        The centre is the median. The scale is the distance between the quartiles, made comparable to a standard deviation; where these
        are equal, the standard deviation; 1 where nothing varies. Raises: ShapeError for no rows.
        """
        if raw.shape[1] == 0:
            raise ShapeError("meta-features", "have no rows", expected="at least one")
        low, centre, high = np.quantile(raw, (0.25, 0.5, 0.75), axis=1)
        scale = IQR_TO_SIGMA * (high - low)
        for column in np.flatnonzero(~(scale > 0)):
            scale[column] = raw[column].std()
        varies = (raw.max(axis=1) > raw.min(axis=1)) & (scale > 0)
        return MetaFeatures(self.members, self.n_classes, self.regimes, centre, np.where(varies, scale, 1.0))

    def _gathered(self, said: Sequence[Said], regimes: Float64Array | None) -> Float64Array:
        """The columns as they are said, (k, n). What does not fit is found out about only once it did not: one row must be quick."""
        try:
            if len(said) != len(self.members):
                raise ValueError("other members")
            if len(said[0].p) == 1:
                return self._gathered_row(said, regimes)
            columns: list[Any] = [said[i].p if label is None else said[i].p[:, label] for i, label in self._odds]
            columns += [said[i].expected if level is None else said[i].quantiles[:, level] for i, level in self._in_z]
            if self.regimes:
                columns += [np.asarray(regimes)[:, column] for _, column in self.regimes]
            x = np.array(columns, dtype=np.float64)
            if x.ndim != 2:
                raise ValueError(f"columns of {x.ndim} dimensions")
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise self._misfit(said, regimes) from error
        return x

    def _gathered_row(self, said: Sequence[Said], regimes: Float64Array | None) -> Float64Array:
        """The columns of one row, (k, 1): number by number, since to slice an array takes as long as to use it."""
        if any(len(one.p) != 1 or len(one.quantiles) != 1 for one in said):
            raise ValueError("other rows")
        p: list[Any] = [one.p.item() if one.p.ndim == 1 else one.p[0].tolist() for one in said]
        expected: list[Any] = [one.expected for one in said]
        quantiles: list[list[float]] = [one.quantiles[0].tolist() for one in said]
        numbers: list[float] = [p[i] if label is None else p[i][label] for i, label in self._odds]
        numbers += [expected[i].item() if level is None else quantiles[i][level] for i, level in self._in_z]
        if self.regimes:
            numbers += [row[column] for row in np.asarray(regimes).tolist() for _, column in self.regimes]
        x = np.array(numbers, dtype=np.float64)
        if x.shape != self.centre.shape:
            raise ValueError(f"columns of shape {x.shape}")
        return x[:, None]

    def _misfit(self, said: Sequence[Said], regimes: Float64Array | None) -> ShapeError:
        """Why these are no columns of one matrix."""
        if len(said) != len(self.members):
            return ShapeError(
                "ensemble", f"{len(said)} members speak", expected=f"{len(self.members)}: {', '.join(m.label for m in self.members)}"
            )
        for member, one in zip(self.members, said, strict=True):
            if "p_up" in member.outputs and one.p.shape[1:] != (() if self.n_classes == 2 else (3,)):
                found = f"probabilities of shape {one.p.shape}"
                return ShapeError(f"member '{member.label}'", found, expected=f"{self.n_classes} classes, as all members")
            if "E_r" in member.outputs and one.expected is None:
                return ShapeError(f"member '{member.label}'", "does not say E_r", expected="every output that it declares")
        if self.regimes and (regimes is None or regimes.ndim != 2 or regimes.shape[1] <= max(column for _, column in self.regimes)):
            found = "not given" if regimes is None else f"of shape {regimes.shape}"
            return ShapeError("ensemble regimes", found, expected=f"the columns {', '.join(name for name, _ in self.regimes)}")
        lengths = {member.label: len(one.p) for member, one in zip(self.members, said, strict=True)}
        return ShapeError("ensemble", f"members speak of {lengths} rows", expected="the same rows from each, and from the regimes")

    def _standardised(self, x: Float64Array) -> Float64Array:
        centre, scale = self._scaling
        x -= centre
        x /= scale
        np.maximum(x, -FARTHEST, out=x)
        return np.minimum(x, FARTHEST, out=x)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact: `from_json` gives the same value to the bit."""
        return {
            "members": [{"label": member.label, "outputs": list(member.outputs)} for member in self.members],
            "n_classes": self.n_classes,
            "regimes": [[name, column] for name, column in self.regimes],
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "MetaFeatures":
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        try:
            members = tuple(Member(str(m["label"]), tuple(str(output) for output in m["outputs"])) for m in value["members"])
            regimes = tuple((str(name), int(column)) for name, column in value["regimes"])
            centre, scale = (np.array(value[name], np.float64) for name in ("centre", "scale"))
            return cls(members, int(value["n_classes"]), regimes, centre, scale)
        except (KeyError, TypeError, ValueError, ShapeError) as error:
            raise BundleError("ensemble meta-features", f"cannot be read: {error!r}", mend="Build the bundle again.") from error


def meta_features(members: Sequence[Member], n_classes: int, regime_columns: Mapping[str, int] | None = None) -> MetaFeatures:
    """The meta-features of these members, not yet on a scale.

    regime_columns : name and column of the regimes that are seen too; none of them unless given

    Raises: ShapeError where no member declares an output.
    """
    wanted = tuple((regime_columns or {}).items())
    k = len(_names(members, n_classes, wanted))
    return MetaFeatures(tuple(members), n_classes, wanted, np.zeros(k), np.ones(k))


def _held_odds(p: float) -> float:
    """Log-odds of one probability, held as in `MetaFeatures.raw`."""
    held = min(max(p, 1 - SUREST), SUREST)
    return float(np.log(held)) - float(np.log1p(-held))


def classes_of(rows: FitRows) -> int:
    """The number of classes, 2 or 3. Raises LabelError for a class without a row that counts: nothing can be learned of it."""
    n_classes = 2 if rows.said[0].p.ndim == 1 else int(rows.said[0].p.shape[1])
    counts = np.bincount(rows.y, weights=rows.weight, minlength=n_classes)
    if counts.min() == 0:
        found = f"no row of class {int(counts.argmin())} among {rows.y.size}"
        raise LabelError("ensemble rows", found, mend="Take more bars, a longer horizon or nearer barriers.")
    return n_classes


def _names(members: Sequence[Member], n_classes: int, regimes: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    classes = ("p_up",) if n_classes == 2 else ("p_up", "p_down")
    odds = [f"{member.label}.{name}" for member in members if "p_up" in member.outputs for name in classes]
    in_z = [f"{member.label}.{output}" for member in members for output in _LEVELS if output in member.outputs]
    return (*odds, *in_z, *(f"regime.{name}" for name, _ in regimes))


__all__ = ["FARTHEST", "SUREST", "MetaFeatures", "classes_of", "meta_features"]
