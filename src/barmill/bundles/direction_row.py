"""The last steps of one row with plain floats: what `Direction` does with arrays, the same sums in the same order."""

import math

import numpy as np

from barmill.bundles.direction import Direction, Float64Array, Volatility
from barmill.bundles.forecast_band import ForecastBand
from barmill.ensembles.contract import Said
from barmill.models.contract import RawForecast
from barmill.uncertainty import Calibrator, ResidualQuantiles


class SaidRow:
    """Calibrated probability and quantiles in z of one row of two classes.

    names : of the features' columns, one of which may tell the regime of the calibration
    """

    def __init__(self, calibration: Calibrator, quantiles: ResidualQuantiles, names: tuple[str, ...]) -> None:
        self._calibration, self._quantiles = calibration, quantiles
        self._regime = -1 if calibration.feature is None else names.index(calibration.feature)
        self.p = 0.0
        self.expected: float | None = None
        self.edges = (0.0, 0.0, 0.0)

    def take(self, raw: RawForecast, line: Float64Array) -> bool:
        """Read what a model says, `line` being the features (n_features,); False where a number is not finite, or no regime."""
        logit = raw.logits.item()
        expected = None if raw.expected is None else raw.expected.item()
        if not math.isfinite(logit) or (expected is not None and not math.isfinite(expected)):
            return False
        regime = line.item(self._regime) if self._regime >= 0 else 0.0
        if not regime.is_integer():
            return False
        edges = self._quantiles.at(expected, logit, raw.quantiles)
        if edges is None:
            return False
        self.p, self.expected, self.edges = self._calibration.at(logit, regime), expected, edges
        return True


class MemberSaid:
    """What a member of an ensemble says of one row, as its combiner takes it."""

    def __init__(self, row: SaidRow) -> None:
        self._row = row
        self._p, self._quantiles = np.empty(1), np.empty((1, 3))

    def of(self, raw: RawForecast, line: Float64Array) -> Said | None:
        """As `SaidRow.take`, None where that is False; the next call overwrites it."""
        row = self._row
        if not row.take(raw, line):
            return None
        self._p[0] = row.p
        self._quantiles[0, 0], self._quantiles[0, 1], self._quantiles[0, 2] = row.edges
        return Said(self._p, raw.expected, self._quantiles)


class DirectionRow:
    """From what a model or a combiner says of one row of two classes to the columns of the forecast."""

    def __init__(self, direction: Direction, volatility: Volatility, names: tuple[str, ...]) -> None:
        self._said = SaidRow(direction.calibration, direction.quantiles, names)
        self._returns = "E_r" in direction.outputs
        self._band = _BandRow(direction.band, names) if direction.band is not None else None
        self._unit, self._floor, self._root = names.index(volatility.feature), volatility.floor, math.sqrt(volatility.horizon)

    def into(self, raw: RawForecast, line: Float64Array, out: Float64Array) -> bool:
        """Write the columns (n_columns,); False, and anything in `out`, where the array's way would refuse to: it says then why."""
        said = self._said
        if not said.take(raw, line):
            return False
        unit = max(line.item(self._unit), self._floor) * self._root
        p, expected, (low, middle, high) = said.p, said.expected, said.edges
        q05, q50, q95 = low * unit, middle * unit, high * unit
        out[0] = p
        at = 1
        sound = 0 <= p <= 1 and -math.inf < q05 <= q50 <= q95 < math.inf
        if self._returns:
            if expected is None:
                return False
            out[1] = returns = expected * unit
            at, sound = 2, sound and -math.inf < returns < math.inf
        out[at], out[at + 1], out[at + 2] = q05, q50, q95
        if self._band is not None:
            bounds = self._band.bounds(expected, said.edges, line)
            if bounds is None:
                return False
            lower, upper = bounds[0] * unit, bounds[1] * unit
            out[at + 3], out[at + 4] = lower, upper
            sound = sound and -math.inf < lower <= upper < math.inf
        return sound


class _BandRow:
    """A band that stands still, around one row."""

    def __init__(self, band: ForecastBand, names: tuple[str, ...]) -> None:
        self._band = band
        self._regime = -1 if band.regime is None else names.index(band.regime)

    def bounds(self, expected: float | None, edges: tuple[float, float, float], line: Float64Array) -> tuple[float, float] | None:
        regime = line.item(self._regime) if self._regime >= 0 else 0.0
        return self._band.at(expected, edges, regime)


__all__ = ["DirectionRow", "MemberSaid", "SaidRow"]
