"""The last steps of every forecast of direction, a model's as an ensemble's: calibration, quantiles, unit, band and guard."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.bundles.forecast import forecast_columns
from barmill.bundles.forecast_band import ForecastBand, Widen
from barmill.bundles.guard import guard
from barmill.ensembles.contract import Said
from barmill.errors import ForecastError, SchemaError
from barmill.models.contract import RawForecast
from barmill.uncertainty import Calibrator, ResidualQuantiles

Float64Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Columns = dict[str, Float64Array]

LEVELS = (0.05, 0.5, 0.95)  # of q05, q50 and q95


@dataclass(frozen=True, slots=True)
class Volatility:
    """The unit in which returns are learned: what a label's horizon moves, as known at the decision.

    feature : str, per-bar volatility in the plan
    horizon : int, bars
    floor : float, least per-bar volatility, so that bars that stood still do not make a forecast of nothing
    """

    feature: str
    horizon: int
    floor: float

    def per_bar(self, per_bar: Float64Array) -> Float64Array:
        """Volatility of a bar, float64 like `per_bar`: max(per_bar, floor)."""
        return np.maximum(per_bar, self.floor)

    def scale(self, per_bar: Float64Array) -> Float64Array:
        """Volatility of the horizon, float64 like `per_bar`: max(per_bar, floor) sqrt(horizon)."""
        return self.per_bar(per_bar) * np.sqrt(self.horizon)


@dataclass(frozen=True)
class Direction:
    """What becomes of scores and returns in z before they are given out.

    outputs : what was learned, "p_up" and perhaps "E_r"; the quantiles are added to every forecast of direction
    """

    n_classes: int
    outputs: tuple[str, ...]
    calibration: Calibrator
    quantiles: ResidualQuantiles
    band: ForecastBand | None

    def __post_init__(self) -> None:
        if self.quantiles.levels != LEVELS:
            raise SchemaError("quantiles", f"levels {self.quantiles.levels}", expected=f"{LEVELS}", mend="Fit the quantiles at these.")
        if self.band is not None and self.band.around == "E_r" and "E_r" not in self.outputs:
            raise SchemaError("conformal.around", "is E_r, which is not forecast", expected="q50 or q05_q95")

    def columns(self, *, banded: bool) -> tuple[str, ...]:
        """Names of the forecast's columns."""
        return forecast_columns(self.n_classes, self.outputs, banded=banded and self.band is not None)

    def said(self, raw: RawForecast, regime: Float64Array | None = None) -> Said:
        """Calibrated probabilities, and returns in z. regime : float64 (n,), where calibration goes by it."""
        quantiles = self.quantiles.apply(raw.expected, raw.logits, raw.quantiles)
        return Said(self.calibration.apply(raw.logits, regime), raw.expected, quantiles)

    def forecast(
        self,
        raw: RawForecast,
        scale: Float64Array,
        rows: Rows,
        *,
        place: str,
        banded: bool = False,
        regimes: "Regimes | None" = None,
        widen: Widen | None = None,
    ) -> Columns:
        """The columns, returns in units of `scale` (n,), once the guard has seen them.

        rows : what an error calls the rows
        banded : with the band, where there is one
        regimes : where calibration or the band goes by them
        widen : what makes the band of each row instead of the band as it stands in the bundle
        """
        check_rows(raw, rows, place)
        told = regimes or Regimes()
        said = self.said(raw, told.calibration)
        p = said.p
        found: Columns = {"p_up": p} if p.ndim == 1 else {"p_up": p[:, 2].copy(), "p_down": p[:, 0].copy()}
        if "E_r" in self.outputs:
            if said.expected is None:
                raise ForecastError(place, "the model gives no E_r, which the bundle declares")
            found["E_r"] = said.expected * scale
        for level, column in enumerate(("q05", "q50", "q95")):
            found[column] = said.quantiles[:, level] * scale
        if banded and self.band is not None:
            bounds = self.band.of(said, told.band) if widen is None else widen(*self.band.ends(said), scale)
            found["lower"], found["upper"] = bounds.lower * scale, bounds.upper * scale
        guard(found, rows, place=place)
        return found


class Regimes(NamedTuple):
    """The regimes of rows, float64 (n,), as the features of a calibration and of a band tell them; None where none does."""

    calibration: Float64Array | None = None
    band: Float64Array | None = None


def check_rows(raw: RawForecast, rows: Rows, place: str) -> None:
    """Refuse a forecast of another number of rows than were asked for."""
    if len(raw.logits) != len(rows):
        raise ForecastError(place, f"{len(raw.logits)} rows came out", expected=f"{len(rows)}, as many as went in", reason="wrong_rows")


__all__ = ["LEVELS", "Columns", "Direction", "Float64Array", "Regimes", "Rows", "Volatility", "check_rows"]
