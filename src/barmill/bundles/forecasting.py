"""The one code that turns feature rows into forecasts, in training's judgement, in replay and in serving alike."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from barmill.bundles.bar_scaling import BarScaling
from barmill.bundles.forecast import forecast_columns
from barmill.errors import ForecastError, SchemaError, ShapeError
from barmill.market import Bars
from barmill.models.contract import Forecaster, View, Window
from barmill.uncertainty import Calibration, ResidualQuantiles
from barmill.views import FeatureMatrix, MultiResolution, RobustScaler, WindowTensor, window_ready

Float64Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Columns = dict[str, Float64Array]

LEVELS = (0.05, 0.5, 0.95)  # of q05, q50 and q95
_ROWS_AT_ONCE = 65_536  # so that a choice of columns never copies the whole table


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
class ForecastPipeline:
    """Scaler, view, model, calibration, quantiles and guard, in this order.

    names : features of the plan, the columns of what `run` is given
    input_names : those that the model sees, in the model's order; of several timeframes, the columns of their bars
    scaler : over `names`; for a model that sees several timeframes, how it sees their bars
    window : bars of a window, bars of each timeframe where the model sees several, None for a model that sees one row
    outputs : what the model learned ("p_up", perhaps "E_r"); the quantiles are added to every model

    A row's forecast depends on that row (or window) alone; nothing here is fitted or changed by forecasting.
    """

    names: tuple[str, ...]
    input_names: tuple[str, ...]
    scaler: RobustScaler | BarScaling
    forecaster: Forecaster
    calibration: Calibration
    quantiles: ResidualQuantiles
    volatility: Volatility
    window: Window
    n_classes: int
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        of_bars = isinstance(self.scaler, BarScaling)
        if self.window != self.scaler.resolutions if isinstance(self.scaler, BarScaling) else isinstance(self.window, Mapping):
            raise SchemaError("scaler", f"does not go with the window {self.window}", mend="Publish the run again.")
        if self.scaler.names != (self.input_names if of_bars else self.names):
            raise SchemaError("scaler", "its features differ from those of the plan", mend="Fit the scaler on the plan's own table.")
        for name in (*(() if of_bars else self.input_names), self.volatility.feature):
            if name not in self.names:
                raise SchemaError("forecast pipeline", f"feature '{name}' is not in the plan", mend="Build the plan with it.")
        if self.quantiles.levels != LEVELS:
            raise SchemaError("quantiles", f"levels {self.quantiles.levels}", expected=f"{LEVELS}", mend="Fit the quantiles at these.")

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the forecast's columns."""
        return forecast_columns(self.n_classes, self.outputs)

    @property
    def depth(self) -> int:
        """Rows of features that one forecast reads."""
        return self.window if isinstance(self.window, int) else 1

    @property
    def width(self) -> int:
        """Rows of inputs that one forecast reads: those of its window, or 1."""
        return sum(self.window.values()) if isinstance(self.window, Mapping) else self.depth

    @cached_property
    def _input_columns(self) -> npt.NDArray[np.int64]:
        return np.array([self.names.index(name) for name in self.input_names], dtype=np.int64)

    @cached_property
    def _input_scaler(self) -> RobustScaler:
        columns = self._input_columns
        assert isinstance(self.scaler, RobustScaler)
        return replace(self.scaler, names=self.input_names, center=self.scaler.center[columns], scale=self.scaler.scale[columns])

    def scaled(self, values: Float64Array, rows: Rows | None = None) -> npt.NDArray[np.float32]:
        """The model's inputs, float32 (n, n_inputs), of `rows` (all, if None) of the features `values`, float64 (n_bars, n_features)."""
        if values.ndim != 2 or values.shape[1] != len(self.names):
            raise ShapeError("features", f"shape {values.shape}", expected=f"(n_bars, {len(self.names)})")
        if not isinstance(self.scaler, RobustScaler):
            raise ShapeError("features", "are not what the model sees", expected="bars of several timeframes")
        if self.input_names == self.names:
            return self.scaler.transform(values, rows)
        n_rows = len(values) if rows is None else len(rows)
        inputs = np.empty((n_rows, len(self.input_names)), dtype=np.float32)
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            part = slice(start, min(start + _ROWS_AT_ONCE, n_rows))
            seen = values[part] if rows is None else values[rows[part]]
            inputs[part] = self._input_scaler.transform(np.ascontiguousarray(seen[:, self._input_columns]))
        return inputs

    def scale(self, values: Float64Array, rows: Rows | None = None) -> Float64Array:
        """Volatility of the horizon at `rows` (all, if None), float64 (n,)."""
        return self.volatility.scale(self._per_bar(values, rows))

    def _per_bar(self, values: Float64Array, rows: Rows | None = None) -> Float64Array:
        column = values[:, self.names.index(self.volatility.feature)]
        return np.ascontiguousarray(column if rows is None else column[rows])

    def view(self, base: npt.NDArray[np.float32], rows: Rows) -> View:
        """What the model sees at `rows` of the scaled inputs `base`: a row, or the window that ends with it."""
        if self.window is None:
            return FeatureMatrix(base, rows)
        windows = WindowTensor(base, rows, self.width)
        return windows if isinstance(self.window, int) else MultiResolution.of_windows(windows.gather(slice(None)), self.window)

    def closed(self, bars: Bars) -> MultiResolution | None:
        """What each of `bars` knows of the bars of several timeframes; None for a model that does not see them."""
        return self.scaler.closed(bars) if isinstance(self.scaler, BarScaling) else None

    def ready(self, ready: npt.NDArray[np.bool_], closed: MultiResolution | None = None) -> npt.NDArray[np.bool_]:
        """Rows that can be forecast: ready themselves, and with a window full of ready rows, or of closed bars."""
        if isinstance(self.window, int):
            return window_ready(ready, self.window)
        return ready if self.window is None else ready & _known(closed).ready

    def run(self, values: Float64Array, rows: Rows, *, closed: MultiResolution | None = None, place: str = "forecast") -> Columns:
        """Forecast the bars `rows`.

        Parameters
        ----------
        values : float64 (n_bars, n_features), features of the plan; `rows` (and their windows) are finite
        rows : int64 (n,), bars to forecast
        closed : as the method `closed` gives it for the same bars; for a model that sees several timeframes

        Returns
        -------
        float64 (n,) per name of `columns`, known at the bar's close. Raises ForecastError rather than give a value that is not
        finite, a probability outside [0, 1], or quantiles that cross.
        """
        return self.forecast(self._seen(values, rows, closed), self.scale(values, rows), rows, place=place)

    def inputs(self, values: Float64Array, rows: Rows, closed: MultiResolution) -> npt.NDArray[np.float32]:
        """The windows that a model of several timeframes sees at the bars `rows`, float32 (n, width, n_inputs)."""
        return closed.samples(rows, self.volatility.per_bar(self._per_bar(values, rows))).gather(slice(None))

    def _seen(self, values: Float64Array, rows: Rows, closed: MultiResolution | None) -> View:
        if isinstance(self.window, Mapping):
            return _known(closed).samples(rows, self.volatility.per_bar(self._per_bar(values, rows)))
        if self.window is None:
            return self.view(self.scaled(values, rows), np.arange(len(rows), dtype=np.int64))
        return self.view(self.scaled(values), rows)

    def forecast(self, view: View, scale: Float64Array, rows: Rows, *, place: str = "forecast") -> Columns:
        """Forecast the samples of `view`, whose returns come in units of `scale` (n,); `rows` names them in an error."""
        raw = self.forecaster.raw(view)
        if len(raw.logits) != len(rows):
            raise ForecastError(place, f"{len(raw.logits)} rows came out", expected=f"{len(rows)}, as many as went in")
        p = self.calibration.apply(raw.logits)
        z = self.quantiles.apply(raw.expected, raw.logits, raw.quantiles)
        found: Columns = {"p_up": p} if p.ndim == 1 else {"p_up": p[:, 2], "p_down": p[:, 0]}
        if "E_r" in self.outputs:
            if raw.expected is None:
                raise ForecastError(place, "the model gives no E_r, which the bundle declares")
            found["E_r"] = raw.expected * scale
        for level, column in enumerate(("q05", "q50", "q95")):
            found[column] = z[:, level] * scale
        checked = {name: np.ascontiguousarray(found[name]) for name in self.columns}
        guard(checked, rows, place=place)
        return checked


def _known(closed: MultiResolution | None) -> MultiResolution:
    if closed is None:
        raise ShapeError("forecast", "no bars are given", expected="the bars of the features, for a model that sees several timeframes")
    return closed


def guard(columns: Mapping[str, Float64Array], rows: Rows, *, place: str) -> None:
    """Let nothing out but finite values, probabilities in [0, 1] and quantiles in order.

    Raises ForecastError naming the first row, the output and its value.
    """
    for name, values in columns.items():
        _refuse(~np.isfinite(values), rows, name, values, place, "a finite number")
    for name in ("p_up", "p_down"):
        if name in columns:
            _refuse((columns[name] < 0) | (columns[name] > 1), rows, name, columns[name], place, "a probability in [0, 1]")
    if "p_down" in columns:
        total = columns["p_up"] + columns["p_down"]
        _refuse(total > 1 + 1e-9, rows, "p_up + p_down", total, place, "at most 1")
    for low, high in (("q05", "q50"), ("q50", "q95")):
        if low in columns and high in columns:
            _refuse(columns[low] > columns[high], rows, low, columns[low], place, f"at most {high}")


def _refuse(wrong: npt.NDArray[np.bool_], rows: Rows, name: str, values: Float64Array, place: str, expected: str) -> None:
    if wrong.any():
        first = int(np.argmax(wrong))
        found = f"row {int(rows[first])}, {name} is {float(values[first])!r} ({int(wrong.sum())} of {len(values)} rows)"
        raise ForecastError(place, found, expected=expected, mend="Report the bundle and the bars: a forecast must never look like this.")


__all__ = ["ForecastPipeline", "Volatility", "guard"]
