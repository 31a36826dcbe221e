"""The last steps of one row with plain floats: what `Direction` does with arrays, the same sums in the same order."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from barmill.bundles.direction import Direction, Float64Array, Volatility
from barmill.bundles.forecast_band import ForecastBand
from barmill.bundles.guard import TOTAL_TOLERANCE
from barmill.models.contract import RawForecast
from barmill.uncertainty import Calibrator, ResidualQuantiles

Edges: TypeAlias = tuple[float, float, float]
WidenRow: TypeAlias = Callable[[float, float, float], tuple[float, float]]  # `Widen` of one row


class SaidRow:
    """Calibrated probabilities and quantiles in z of one row.

    quantiles : None for a model of another question than direction, which says nothing of returns
    names : of the features' columns, one of which may tell the regime of the calibration

    p : p_up alone of two classes; down, neither, up of three
    """

    def __init__(self, calibration: Calibrator, quantiles: ResidualQuantiles | None, names: tuple[str, ...]) -> None:
        self._calibration, self._quantiles = calibration, quantiles
        self._regime = -1 if calibration.feature is None else names.index(calibration.feature)
        self.p: Sequence[float] = (0.0,) * (1 if calibration.n_classes == 2 else calibration.n_classes)
        self.expected: float | None = None
        self.edges: Edges = (0.0, 0.0, 0.0)

    def take(self, raw: RawForecast, line: Float64Array) -> bool:
        """Read what a model says, `line` being the features (n_features,); False where a number is not sound, or no regime."""
        said = raw.logits.tolist()
        logits: list[float] = said if raw.logits.ndim == 1 else said[0]
        expected = None if raw.expected is None else raw.expected.item()
        if expected is not None and not math.isfinite(expected):
            return False
        for logit in logits:
            if not math.isfinite(logit):
                return False
        regime = line.item(self._regime) if self._regime >= 0 else 0.0
        if not regime.is_integer():
            return False
        if self._quantiles is not None:
            edges = self._quantiles.at(expected, logits[0] if len(logits) == 1 else logits[-1] - logits[0], raw.quantiles)
            if edges is None:
                return False
            self.edges = edges
        self.expected = expected
        if len(logits) == 1:
            p = self._calibration.at(logits[0], regime)
            self.p = (p,)
            return 0 <= p <= 1
        self.p = self._calibration.of_row(logits, regime)
        return all(0 <= one <= 1 for one in self.p)


class DirectionRow:
    """From what a model or a combiner says of one row to the columns of the forecast.

    widen : what makes the band of each row instead of the band as it stands in the bundle
    """

    def __init__(self, direction: Direction, volatility: Volatility, names: tuple[str, ...], widen: WidenRow | None = None) -> None:
        self._said = SaidRow(direction.calibration, direction.quantiles, names)
        self._returns = "E_r" in direction.outputs
        self._band = None if direction.band is None else _BandRow(direction.band, names, widen)
        self._unit, self._floor, self._root = names.index(volatility.feature), volatility.floor, math.sqrt(volatility.horizon)

    def into(self, raw: RawForecast, line: Float64Array, out: Float64Array) -> bool:
        """Write the columns (n_columns,); False, and anything in `out`, where the array's way would refuse to: it says then why."""
        said = self._said
        if not said.take(raw, line):
            return False
        unit = max(line.item(self._unit), self._floor) * self._root
        p, expected, (low, middle, high) = said.p, said.expected, said.edges
        q05, q50, q95 = low * unit, middle * unit, high * unit
        out[0] = p[-1]
        at = 1
        sound = -math.inf < q05 <= q50 <= q95 < math.inf
        if len(p) > 1:
            out[1] = p[0]
            at, sound = 2, sound and p[-1] + p[0] <= 1 + TOTAL_TOLERANCE
        if self._returns:
            if expected is None:
                return False
            out[at] = returns = expected * unit
            at, sound = at + 1, sound and -math.inf < returns < math.inf
        out[at], out[at + 1], out[at + 2] = q05, q50, q95
        if self._band is None or not sound:  # a band that moves remembers what it is asked
            return sound
        bounds = self._band.bounds(expected, said.edges, line, unit)
        if bounds is None:
            return False
        out[at + 3], out[at + 4] = lower, upper = bounds[0] * unit, bounds[1] * unit
        return -math.inf < lower <= upper < math.inf


class _BandRow:
    """A band around one row."""

    def __init__(self, band: ForecastBand, names: tuple[str, ...], widen: WidenRow | None) -> None:
        self._band, self._widen = band, widen
        self._regime = -1 if band.regime is None else names.index(band.regime)

    def bounds(self, expected: float | None, edges: Edges, line: Float64Array, unit: float) -> tuple[float, float] | None:
        if self._widen is not None:
            ends = self._band.ends_at(expected, edges)
            return None if ends is None else self._widen(*ends, unit)
        regime = line.item(self._regime) if self._regime >= 0 else 0.0
        return self._band.at(expected, edges, regime)


__all__ = ["DirectionRow", "SaidRow", "WidenRow"]
