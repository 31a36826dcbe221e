"""The one code that turns feature rows into a model's forecasts, in training's judgement, in replay and in serving alike."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from barmill.bundles.bar_scaling import BarScaling
from barmill.bundles.direction import Columns, Direction, Float64Array, Regimes, Rows, Volatility, check_rows
from barmill.bundles.forecast_band import ForecastBand, Widen
from barmill.bundles.guard import guard
from barmill.bundles.image_scaling import ImageScaling
from barmill.bundles.seen_bars import SeenBars, SeenByMembers, SeenByOne, StreamOfOne
from barmill.ensembles.contract import Said
from barmill.errors import SchemaError, ShapeError
from barmill.market import Bars, Timeframe
from barmill.models.contract import AnsweringForecaster, Forecaster, ImageForecaster, RawForecast, View, Window
from barmill.models.resolutions import history_bars
from barmill.uncertainty import Calibrator, ResidualQuantiles
from barmill.views import FeatureMatrix, ImageBars, MultiResolution, RobustScaler, WindowTensor, window_ready
from barmill.views.image_bars import NEEDED_BARS

Scaling: TypeAlias = RobustScaler | BarScaling | ImageScaling  # of features, or how a model sees the bars themselves

_ROWS_AT_ONCE = 65_536  # so that a choice of columns never copies the whole table


@dataclass(frozen=True)
class ForecastPipeline:
    """Scaler, view, model, calibration, quantiles and guard, in this order.

    names : features of the plan, the columns of what `run` is given
    input_names : those that the model sees, in the model's order; where it sees bars, the columns of these
    scaler : over `names`; for a model that sees bars, how it sees them
    quantiles, volatility : of a model of direction; None for one of another question, which says itself what its columns are
        (`AnsweringForecaster`), each in a unit of its own
    window : bars of a window or an image, bars of each timeframe where the model sees several, None for a model that sees one row
    outputs : what a model of direction learned ("p_up", perhaps "E_r"); the quantiles are added to every such model
    band : conformal band of a model of direction, or None

    A row's forecast depends on that row (or window) alone; nothing here is fitted or changed by forecasting.
    """

    names: tuple[str, ...]
    input_names: tuple[str, ...]
    scaler: Scaling
    forecaster: Forecaster
    calibration: Calibrator
    quantiles: ResidualQuantiles | None
    volatility: Volatility | None
    window: Window
    n_classes: int
    outputs: tuple[str, ...]
    band: ForecastBand | None = None

    def __post_init__(self) -> None:
        of_bars = None if isinstance(self.scaler, RobustScaler) else self.scaler
        if self.window != of_bars.window if of_bars else isinstance(self.window, Mapping):
            raise SchemaError("scaler", f"does not go with the window {self.window}", mend="Publish the run again.")
        if self.scaler.names != (self.input_names if of_bars else self.names):
            raise SchemaError("scaler", "its features differ from those of the plan", mend="Fit the scaler on the plan's own table.")
        read = (self.volatility and self.volatility.feature, self.band and self.band.regime, self.calibration.feature)
        for name in (*(() if of_bars else self.input_names), *(name for name in read if name is not None)):
            if name not in self.names:
                raise SchemaError("forecast pipeline", f"feature '{name}' is not in the plan", mend="Build the plan with it.")
        if self.calibration.n_classes != self.n_classes:
            raise SchemaError("calibrator", f"of {self.calibration.n_classes} classes", expected=f"{self.n_classes}", mend="Fit it again.")
        self._check_answers()

    def _check_answers(self) -> None:
        """Quantiles, their unit and a band are of direction, and of nothing else."""
        answers = self._answering is not None
        if (self.quantiles is None, self.volatility is None) != (answers, answers):
            expected = "neither, for a model of another question" if answers else "both, for a model of direction"
            raise SchemaError("quantiles and volatility", "one is missing, or one too many is there", expected=expected)
        if answers and self.band is not None:
            raise SchemaError("conformal", "is a band of returns, for a model of another question", expected="none")
        _ = self.direction  # which checks what it is made of

    @cached_property
    def _answering(self) -> AnsweringForecaster | None:
        return self.forecaster if isinstance(self.forecaster, AnsweringForecaster) else None

    @cached_property
    def direction(self) -> Direction | None:
        """The last steps of a model of direction; None for one of another question."""
        if self.quantiles is None:
            return None
        return Direction(self.n_classes, self.outputs, self.calibration, self.quantiles, self.band)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the forecast's columns."""
        return self.direction.columns(banded=True) if self.direction else self.model_columns

    @cached_property
    def model_columns(self) -> tuple[str, ...]:
        """Those that `forecast` gives: all but the ends of a band."""
        if self.direction is not None:
            return self.direction.columns(banded=False)
        return self._answering.columns if self._answering else ()

    @cached_property
    def tells_all_classes(self) -> bool:
        return sum(name.startswith("p_") for name in self.model_columns) == self.n_classes

    @property
    def sees_bars(self) -> bool:
        """Whether the model sees the bars themselves, and not features of the plan."""
        return not isinstance(self.scaler, RobustScaler)

    @property
    def depth(self) -> int:
        """Rows of features that one forecast reads."""
        return self.window if isinstance(self.window, int) and isinstance(self.scaler, RobustScaler) else 1

    @property
    def width(self) -> int:
        """Rows of inputs that one forecast reads: those of its window, the bars that make an image whole, or 1."""
        if isinstance(self.scaler, ImageScaling):
            return NEEDED_BARS
        return sum(self.window.values()) if isinstance(self.window, Mapping) else self.depth

    def history_bars(self, features: int, base: Timeframe, *, settled: bool = False) -> int:
        """Gapless bars of `base` after which there is a forecast, where features take `features` bars to begin.

        settled : after which it no longer depends on where the history began, where the features settle after so many
        """
        if isinstance(self.scaler, ImageScaling):
            return self.scaler.history_bars(features, settled=settled)
        return history_bars(features, self.window, base)

    @cached_property
    def input_columns(self) -> npt.NDArray[np.int64]:
        """Of each input, its column among the plan's features; int64 (n_inputs,)."""
        return np.array([self.names.index(name) for name in self.input_names], dtype=np.int64)

    @cached_property
    def input_scaler(self) -> RobustScaler:
        """The scaler of the inputs alone, for a model that sees features."""
        columns = self.input_columns
        assert isinstance(self.scaler, RobustScaler)
        return replace(self.scaler, names=self.input_names, center=self.scaler.center[columns], scale=self.scaler.scale[columns])

    def scaled(self, values: Float64Array, rows: Rows | None = None) -> npt.NDArray[np.float32]:
        """The model's inputs, float32 (n, n_inputs), of `rows` (all, if None) of the features `values`, float64 (n_bars, n_features)."""
        if values.ndim != 2 or values.shape[1] != len(self.names):
            raise ShapeError("features", f"shape {values.shape}", expected=f"(n_bars, {len(self.names)})")
        if not isinstance(self.scaler, RobustScaler):
            raise ShapeError("features", "are not what the model sees", expected=f"bars as a {self.scaler.view}")
        if self.input_names == self.names:
            return self.scaler.transform(values, rows)
        n_rows = len(values) if rows is None else len(rows)
        inputs = np.empty((n_rows, len(self.input_names)), dtype=np.float32)
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            part = slice(start, min(start + _ROWS_AT_ONCE, n_rows))
            seen = values[part] if rows is None else values[rows[part]]
            inputs[part] = self.input_scaler.transform(np.ascontiguousarray(seen[:, self.input_columns]))
        return inputs

    def scale(self, values: Float64Array, rows: Rows | None = None) -> Float64Array:
        """Volatility of the horizon at `rows` (all, if None), float64 (n,); 1 where no returns are forecast."""
        if self.volatility is None:
            return np.ones(len(values) if rows is None else len(rows))
        return self.volatility.scale(_column(values, self.names.index(self.volatility.feature), rows))

    def view(self, base: npt.NDArray[Any], rows: Rows) -> View:
        """What the model sees at `rows` of the scaled inputs `base`: a row, the window that ends with it, or the image.

        base : float32 (n, n_inputs), for images float64 (n, 4): open, high, low, close
        """
        if isinstance(self.scaler, ImageScaling):
            return ImageBars.of_prices(base).samples(rows)
        if self.window is None:
            return FeatureMatrix(base, rows)
        windows = WindowTensor(base, rows, self.width)
        return windows if isinstance(self.window, int) else MultiResolution.of_windows(windows.gather(slice(None)), self.window)

    def closed(self, bars: Bars) -> SeenByOne | None:
        """What each of `bars` knows of the closed bars that the model sees; None for a model that sees features."""
        return None if isinstance(self.scaler, RobustScaler) else self.scaler.closed(bars)

    def stream(self, base: Timeframe, calendar: str) -> StreamOfOne | None:
        """The same while bars of `base` come in."""
        return None if isinstance(self.scaler, RobustScaler) else self.scaler.stream(base, calendar)

    def ready(self, ready: npt.NDArray[np.bool_], closed: SeenBars | None = None) -> npt.NDArray[np.bool_]:
        """Rows that can be forecast: ready themselves, and with a window full of ready rows, or of closed bars."""
        if not isinstance(self.scaler, RobustScaler):
            return ready & _known(closed).ready
        return window_ready(ready, self.window) if isinstance(self.window, int) else ready

    def run(
        self, values: Float64Array, rows: Rows, *, closed: SeenBars | None = None, place: str = "forecast", widen: Widen | None = None
    ) -> Columns:
        """Forecast the bars `rows`.

        Parameters
        ----------
        values : float64 (n_bars, n_features), features of the plan; `rows` (and their windows) are finite
        rows : int64 (n,), bars to forecast
        closed : as the method `closed` gives it for the same bars; for a model that sees bars
        widen : what makes an adaptive band of these rows, see `BandWalk`; None applies the band as it stands

        Returns
        -------
        float64 (n,) per name of `columns`, known at the bar's close. Raises ForecastError rather than give a value that is not
        finite, a probability outside [0, 1], probabilities of all classes that do not sum to 1, or quantiles or ends of a band that cross.
        """
        view, scale = self.seen(values, rows, closed), self.scale(values, rows)
        regime = self.regime(values, rows)
        if self.direction is None or self.band is None:
            return self.forecast(view, scale, rows, place=place, regime=regime)
        of_band = None if self.band.regime is None else _column(values, self.names.index(self.band.regime), rows)
        raw, told = self.forecaster.raw(view), Regimes(regime, of_band)
        return self.direction.forecast(raw, scale, rows, place=place, banded=True, regimes=told, widen=widen)

    def regime(self, values: Float64Array, rows: Rows) -> Float64Array | None:
        """What the calibration goes by at the bars `rows`, float64 (n,); None where it is the same for all."""
        return None if self.calibration.feature is None else _column(values, self.names.index(self.calibration.feature), rows)

    def said(self, values: Float64Array, rows: Rows, *, closed: SeenBars | None = None, place: str = "forecast") -> Said:
        """What a model of direction says as a member of an ensemble, of the bars `rows` as in `run`: calibrated, and in z."""
        assert self.direction is not None
        raw = self.forecaster.raw(self.seen(values, rows, closed))
        check_rows(raw, rows, place)
        return self.direction.said(raw, self.regime(values, rows))

    def inputs(self, values: Float64Array, rows: Rows, closed: MultiResolution) -> npt.NDArray[np.float32]:
        """The windows that a model of several timeframes sees at the bars `rows`, float32 (n, width, n_inputs)."""
        return self._windows(values, rows, closed).gather(slice(None))

    def _windows(self, values: Float64Array, rows: Rows, closed: MultiResolution) -> MultiResolution:
        assert self.volatility is not None  # the models of several timeframes are of direction
        return closed.samples(rows, self.volatility.per_bar(_column(values, self.names.index(self.volatility.feature), rows)))

    def seen(self, values: Float64Array, rows: Rows, closed: SeenBars | None = None) -> View:
        """What the model sees at the bars `rows`, as in `run`."""
        if not isinstance(self.scaler, RobustScaler):
            known = _known(closed)
            return known.samples(rows) if isinstance(known, ImageBars) else self._windows(values, rows, known)
        if self.window is None:
            return self.view(self.scaled(values, rows), np.arange(len(rows), dtype=np.int64))
        return self.view(self.scaled(values), rows)

    def forecast(
        self, view: View, scale: Float64Array, rows: Rows, *, place: str = "forecast", regime: Float64Array | None = None
    ) -> Columns:
        """Forecast the samples of `view`, whose returns come in units of `scale` (n,), without a band; `rows` names them in an error.

        regime : float64 (n,), where calibration goes by it
        """
        raw = self.forecaster.raw(view)
        if self.direction is not None:
            return self.direction.forecast(raw, scale, rows, place=place, regimes=Regimes(regime))
        return self._answered(raw, rows, place, regime)

    def forecast_images(self, images: npt.NDArray[np.float32], *, place: str = "forecast") -> Columns:
        """Forecast pictures that were drawn elsewhere, float32 (n, 3, 64, 64) as `PatternImage` draws them, every value in 0 .. 1."""
        if not isinstance(self.forecaster, ImageForecaster) or self.calibration.feature is not None:
            raise SchemaError(place, "the model does not go by images alone", expected="a model of patterns")
        return self._answered(self.forecaster.raw_images(images), np.arange(len(images)), place, None)

    def _answered(self, raw: RawForecast, rows: Rows, place: str, regime: Float64Array | None) -> Columns:
        """The columns of a model of another question than direction, calibrated, once the guard has seen them."""
        assert self._answering is not None
        check_rows(raw, rows, place)
        found = self._answering.table(raw, self.calibration.apply(raw.logits, regime))
        checked = {name: np.ascontiguousarray(found[name]) for name in self.columns}
        guard(checked, rows, place=place, whole=self.tells_all_classes)
        return checked


def _column(values: Float64Array, number: int, rows: Rows | None) -> Float64Array:
    return np.ascontiguousarray(values[:, number] if rows is None else values[rows, number])


def _known(closed: SeenBars | None) -> SeenByOne:
    if closed is None or isinstance(closed, SeenByMembers):
        raise ShapeError("forecast", "no bars are given", expected="the bars of the features, for a model that sees bars")
    return closed


__all__ = ["ForecastPipeline", "Scaling", "SeenBars", "Volatility", "guard"]
