"""A band for each regime, where the regime has rows enough, and the pooled one elsewhere (Mondrian conformal bands)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import ForecastError, InputError, ShapeError
from barmill.uncertainty.checked import vector
from barmill.uncertainty.conformal.bands import CqrBand, unreadable
from barmill.uncertainty.conformal.intervals import Bounds, band_scores, widened
from barmill.uncertainty.conformal.rank import finite_threshold, rows_needed

Float64Array = npt.NDArray[np.float64]


class RegimeThreshold(NamedTuple):
    """A regime of the calibration rows: how many rows it had, and its q, or None where they were too few and the pooled q serves it."""

    regime: int
    n_rows: int
    q: float | None


@dataclass(frozen=True, slots=True)
class RegimeBand:
    """[lo - q, hi + q] with the q of the row's regime; lo = hi = prediction for a model that says a point.

    A regime with a q of its own holds 1 - alpha within itself where its rows are exchangeable. The pooled q, which serves regimes with
    too few rows and regimes that calibration never saw, holds it over all rows together only.

    pooled : q of all calibration rows
    regimes : one entry for each regime of the calibration rows, ascending
    """

    pooled: CqrBand
    regimes: tuple[RegimeThreshold, ...]
    _q: Mapping[float, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = [entry.regime for entry in self.regimes]
        own = {float(entry.regime): entry.q for entry in self.regimes if entry.q is not None}
        if numbers != sorted(set(numbers)) or not np.isfinite(list(own.values())).all():
            raise ShapeError("regimes", f"are {self.regimes}", expected="ascending regimes, each with a finite q or none")
        object.__setattr__(self, "_q", own)

    @property
    def alpha(self) -> float:
        return self.pooled.alpha

    def apply(self, lo: npt.ArrayLike, hi: npt.ArrayLike, regime: npt.ArrayLike) -> Bounds:
        """Band of each row; lo, hi, regime : shape (n,). Ends that would cross are the middle of lo and hi.

        A regime that calibration never saw takes the pooled q.

        Raises: ForecastError for a number that is not finite, or rows of unequal number.
        """
        said: list[float] = np.asarray(regime, dtype=np.float64).tolist()
        if len(said) != len(np.asarray(lo)) or not all(map(math.isfinite, said)):
            raise ForecastError("regime", f"is {said[:5]}", expected=f"a finite number for each of {len(np.asarray(lo))} rows")
        return widened(lo, hi, np.array([self.q_at(number) for number in said]))

    def q_at(self, regime: float) -> float:
        """The q that serves one regime."""
        return self._q.get(regime, self.pooled.q)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact: `from_json` gives the same value to the bit."""
        entries = [{"regime": entry.regime, "n_rows": entry.n_rows, "q": entry.q} for entry in self.regimes]
        return {"method": "by_regime", "pooled": self.pooled.to_json(), "regimes": entries}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RegimeBand":
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        try:
            if value["method"] != "by_regime":
                raise ValueError(f"the method is {value['method']!r}, not 'by_regime'")
            return cls(CqrBand.from_json(value["pooled"]), tuple(_entry(entry) for entry in value["regimes"]))
        except (KeyError, TypeError, ValueError, OverflowError, InputError) as error:
            raise unreadable(error) from error


def _entry(value: Mapping[str, Any]) -> RegimeThreshold:
    q = None if value["q"] is None else float(value["q"])
    return RegimeThreshold(int(value["regime"]), int(value["n_rows"]), q)


def fit_regime_band(y: npt.ArrayLike, lo: npt.ArrayLike, hi: npt.ArrayLike, regime: npt.ArrayLike, alpha: float) -> RegimeBand:
    """`cqr` within each regime of the calibration rows, and over all of them.

    Parameters
    ----------
    y, lo, hi : float64 of shape (n,), as in `cqr`; lo = hi = prediction for a model that says a point
    regime : whole numbers of shape (n,), known when the forecast was made
    alpha : in (0, 1)

    Raises: SplitError with the number of rows needed where all rows together are too few for alpha; ShapeError for arrays that do not
    fit, or a regime that is no whole number.
    Source: Vovk, Lindsay, Nouretdinov & Gammerman (2003), 'Mondrian Confidence Machine'; Vovk (2012), ACML 25, section 4.
    """
    scores = band_scores(y, lo, hi)
    groups = _whole(vector(regime, "regime", scores.size))
    pooled = CqrBand(finite_threshold(scores, alpha), alpha, scores.size)
    least = rows_needed(alpha)
    entries: list[RegimeThreshold] = []
    for number in np.unique(groups).tolist():
        own = scores[groups == number]
        entries.append(RegimeThreshold(number, own.size, finite_threshold(own, alpha) if own.size >= least else None))
    return RegimeBand(pooled, tuple(entries))


def _whole(regime: Float64Array) -> npt.NDArray[np.int64]:
    numbers = regime.astype(np.int64)
    if (numbers != regime).any():
        row = int(np.argmax(numbers != regime))
        raise ShapeError(f"regime row {row}", f"is {regime[row]:g}", expected="the number of a regime, a whole one")
    return numbers


__all__ = ["RegimeBand", "RegimeThreshold", "fit_regime_band"]
