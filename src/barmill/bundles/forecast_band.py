"""A conformal band in a bundle: which of the fitted bands, around what of a forecast, and the feature that tells its regime."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from barmill.ensembles.contract import Float64Array, Said
from barmill.errors import BundleError, ForecastError, SchemaError
from barmill.uncertainty.conformal.adaptive import AdaptiveState
from barmill.uncertainty.conformal.bands import JackknifeBand, SplitBand
from barmill.uncertainty.conformal.cv_plus_band import CvPlusBand
from barmill.uncertainty.conformal.intervals import Bounds, widened_at
from barmill.uncertainty.conformal.reading import ConformalBand, read_band
from barmill.uncertainty.conformal.regime_band import RegimeBand

if TYPE_CHECKING:
    from barmill.labels import LabelConfig

COLUMNS = ("lower", "upper")
QUANTILES = "q05_q95"
AROUND = ("E_r", "q50", QUANTILES)
_MEND = "Build the bundle again."

Widen: TypeAlias = Callable[[Float64Array, Float64Array, Float64Array], Bounds]  # of lo, hi in z, and the unit of each row


@dataclass(frozen=True, slots=True)
class BandOutcomes:
    """What an adaptive band learns from once it is served.

    labels : whose outcome a decision has
    since : open time (UTC ms) of the last bar that calibration knew; decisions after it move the band
    """

    labels: "LabelConfig"
    since: int

    def to_json(self) -> dict[str, Any]:
        return {"labels": self.labels.model_dump(mode="json"), "since": self.since}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "BandOutcomes":
        """Read what `to_json` wrote. Raises ValueError or KeyError where it is something else."""
        from barmill.labels import LabelConfig  # a server of any other band does without labels

        return cls(LabelConfig.model_validate(value["labels"]), int(value["since"]))


@dataclass(frozen=True, slots=True)
class ForecastBand:
    """A band of z, the return in units of its volatility.

    band : fitted on z. An adaptive one is applied as it stood when the bundle was made; who walks through time moves a state of his own
        (`BandWalk`)
    around : what of a forecast it goes around: "E_r", "q50", or "q05_q95", beyond whose ends it then goes
    regime : feature of the plan whose value at the decision bar is the regime, for a band by regime; None for any other
    outcomes : what moves an adaptive band as bars come in; None for one that stands still, and for any other
    """

    band: ConformalBand
    around: str
    regime: str | None = None
    outcomes: BandOutcomes | None = None

    def __post_init__(self) -> None:
        if isinstance(self.band, CvPlusBand):
            raise BundleError("conformal", "a CV+ band asks the model of each fold, which no bundle holds", mend="Take the jackknife's.")
        if self.around not in AROUND:
            raise BundleError("conformal.around", f"is {self.around!r}", expected=" or ".join(AROUND))
        if isinstance(self.band, SplitBand | JackknifeBand) and self.around == QUANTILES:
            raise BundleError("conformal.around", "is q05_q95 for a band around a point", expected="E_r or q50")
        if isinstance(self.band, RegimeBand) != (self.regime is not None):
            raise BundleError("conformal.regime", f"is {self.regime!r}", expected="a feature for a band by regime, and none for another")
        if self.outcomes is not None and not isinstance(self.band, AdaptiveState):
            raise BundleError("conformal.outcomes", "are given for a band that does not adapt", expected="none")

    def of(self, said: Said, regime: Float64Array | None) -> Bounds:
        """The band of each row, in z. regime : float64 of shape (n,), where `regime` names a feature."""
        lo, hi = self.ends(said)
        match self.band:
            case SplitBand() | JackknifeBand():
                return self.band.apply(lo)
            case AdaptiveState():
                return self.band.band(lo, hi)
            case RegimeBand():
                if regime is None:
                    raise ForecastError("conformal", f"the regime is not given, which '{self.regime}' tells")
                return self.band.apply(lo, hi, regime)
            case CvPlusBand():
                raise AssertionError("refused when the bundle was made")
            case _:
                return self.band.apply(lo, hi)

    def at(self, expected: float | None, edges: tuple[float, float, float], regime: float) -> tuple[float, float] | None:
        """`of` of one row with plain floats, all of them finite; None where it would raise an error.

        edges : q05, q50 and q95 in z
        """
        ends = self.ends_at(expected, edges)
        if ends is None:
            return None
        low, high = ends
        match self.band:
            case SplitBand() | JackknifeBand():
                return low - self.band.q, high + self.band.q
            case RegimeBand():
                return widened_at(low, high, self.band.q_at(regime))
            case CvPlusBand():
                return None
            case _:
                return widened_at(low, high, self.band.q)

    def ends(self, said: Said) -> tuple[Float64Array, Float64Array]:
        """What the band goes around, in z: lo = hi for a point."""
        if self.around == QUANTILES:
            return said.quantiles[:, 0], said.quantiles[:, 2]
        point = said.expected if self.around == "E_r" else said.quantiles[:, 1]
        if point is None:
            raise SchemaError("conformal.around", "is E_r, which is not forecast", expected="q50 or q05_q95")
        return point, point

    def ends_at(self, expected: float | None, edges: tuple[float, float, float]) -> tuple[float, float] | None:
        """`ends` of one row; None where it would raise an error."""
        if self.around == QUANTILES:
            return edges[0], edges[2]
        point = expected if self.around == "E_r" else edges[1]
        return None if point is None else (point, point)

    def to_json(self) -> dict[str, Any]:
        online = {} if self.outcomes is None else {"outcomes": self.outcomes.to_json()}
        return {"around": self.around, "band": self.band.to_json(), "regime": self.regime, **online}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        try:
            regime = value["regime"]
            band, around = read_band(value["band"]), str(value["around"])
            outcomes = BandOutcomes.from_json(value["outcomes"]) if "outcomes" in value else None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError("conformal", f"cannot be read: {error!r}", mend=_MEND) from error
        found = cls(band, around, None if regime is None else str(regime), outcomes)
        if found.to_json() != dict(value):
            raise BundleError("conformal", "has another content than was expected", mend=_MEND)
        return found


__all__ = ["AROUND", "COLUMNS", "BandOutcomes", "ForecastBand", "Widen"]
