"""The calibration of a forecast: one for all rows, or one for each regime that a feature tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from barmill.errors import BundleError, ForecastError
from barmill.uncertainty.calibration import Calibration
from barmill.uncertainty.conditional import RegimeCalibration

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FeatureCalibration:
    """A calibration by regime, and the feature whose value at the decision bar is the regime."""

    feature: str
    by_regime: RegimeCalibration

    @property
    def n_classes(self) -> int:
        return self.by_regime.pooled.n_classes

    @property
    def methods(self) -> tuple[str, ...]:
        return self.by_regime.methods

    def apply(self, logits: npt.ArrayLike, regimes: npt.ArrayLike | None = None) -> Float64Array:
        """As `RegimeCalibration.apply`. Raises ForecastError where the regimes are not given."""
        if regimes is None:
            raise ForecastError("calibrator", f"the regime is not given, which '{self.feature}' tells")
        return self.by_regime.apply(logits, regimes)

    def at(self, logit: float, regime: float) -> float:
        """As `Calibration.at`, by a regime that is a whole number."""
        return self.by_regime.of(int(regime)).at(logit)

    def of_row(self, logits: Sequence[float], regime: float) -> Sequence[float]:
        """As `Calibration.of_row`, by a regime that is a whole number."""
        return self.by_regime.of(int(regime)).of_row(logits)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact: `read_calibrator` gives the same value to the bit."""
        return {"feature": self.feature, **self.by_regime.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        found = cls(str(value["feature"]), RegimeCalibration.from_json(value))
        if found.to_json() != dict(value):
            raise BundleError("calibrator by regime", "has another content than was expected", mend="Build the bundle again.")
        return found


Calibrator: TypeAlias = Calibration | FeatureCalibration


def read_calibrator(value: Mapping[str, Any]) -> Calibrator:
    """Read what either kind's `to_json` wrote. Raises BundleError where it is something else."""
    return FeatureCalibration.from_json(value) if "feature" in value else Calibration.from_json(value)


__all__ = ["Calibrator", "FeatureCalibration", "read_calibrator"]
