"""Golden samples: inputs with the forecasts that they gave when the bundle was made, replayed whenever it is loaded.

Two kinds. Model inputs (scaled float32 rows, or windows over them; of several timeframes, whole windows one after another; of
images, the bars that they are drawn from): the first ready rows, the extremes of each input, rows that were clipped, rows spread
over the bars, and rows held at zero and at either clip; another runtime can be tested on them alone.
And a stretch of bars that warms up the plan, with the features and forecasts of its last bars: from raw bars to the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from barmill.bundles.bar_scaling import BarScaling
from barmill.bundles.forecasting import Columns, Float64Array, ForecastPipeline, SeenBars
from barmill.bundles.image_scaling import ImageScaling
from barmill.errors import BundleCorruption, BundleError
from barmill.features import FeaturePlan
from barmill.market import Bars, Instrument
from barmill.views import ImageBars, MultiResolution, RobustScaler
from barmill.views.image_bars import NEEDED_BARS
from barmill.views.image_signals import SIDE

Tensors = dict[str, npt.NDArray[Any]]
Rows = npt.NDArray[np.int64]

N_ROWS = 256  # golden inputs at least, where there are as many ready rows
LIVE_ROWS = 64  # last bars of the stretch that carry features and forecasts
_FIRST_ROWS = 8
_CLIPPED_ROWS = 32
_WINDOWED_SPAN = 1500  # ready rows from which windows are taken, so that windows overlap and the file stays small
_HELD_STEP = 1.02  # from bar to bar of an image held at its reach: the close runs further from its mean than is drawn

# What another processor or C library may change in the last bits; on one machine nothing differs.
FEATURE_TOLERANCE = 1e-9  # relative
FORECAST_TOLERANCE = 1e-6  # of a probability, of a return in units of its volatility, of another answer in its unit (relative above 1)

_KINDS = {
    "bar_open_time": (np.int64, 1),
    "bar_prices": (np.float64, 2),
    "bar_further": (np.float64, 2),
    "bar_rows": (np.int64, 1),
    "bar_features": (np.float64, 2),
    "bar_forecast": (np.float64, 2),
    "inputs": (np.float32, 2),
    "input_rows": (np.int64, 1),
    "input_scale": (np.float64, 1),
    "input_forecast": (np.float64, 2),
}


@dataclass(frozen=True, slots=True)
class Replay:
    """How the golden samples came out.

    n_inputs, n_bars : forecasts replayed from model inputs and from bars
    features, forecasts : largest difference found; 0.0 where every bit is the same
    """

    n_inputs: int
    n_bars: int
    features: float
    forecasts: float

    @property
    def exact(self) -> bool:
        return self.features == 0.0 and self.forecasts == 0.0


def make_golden(pipeline: ForecastPipeline, plan: FeaturePlan, bars: Bars) -> bytes:
    """Golden samples from `bars`, as safetensors. Raises BundleError if too few of the bars are ready."""
    table = plan.compute(bars)
    values, closed = table.values, pipeline.closed(bars)
    rows = np.flatnonzero(pipeline.ready(table.ready, closed))
    if rows.size == 0:
        needed = pipeline.history_bars(plan.warmup_bars, plan.base)
        raise BundleError(
            "golden bars", f"none of {len(bars)} is ready", expected=f"more than {needed} bars", mend="Give a longer stretch."
        )
    base, seen, rows = _chosen(pipeline, values, rows, closed)
    scale = pipeline.scale(values, rows)
    unit = np.concatenate((scale, np.repeat(np.median(scale), 3)))
    found = pipeline.forecast(pipeline.view(base, seen), unit, seen, place="golden inputs")
    inputs: Tensors = {"inputs": base, "input_rows": seen, "input_scale": unit, "input_forecast": _matrix(found)}
    return save_tensors(inputs | _golden_bars(pipeline, plan, bars))


def _chosen(pipeline: ForecastPipeline, values: Float64Array, ready: Rows, closed: SeenBars | None) -> tuple[npt.NDArray[Any], Rows, Rows]:
    """What the samples are taken from, as `ForecastPipeline.view` takes it; the last row of each sample there; the bars chosen."""
    if isinstance(closed, ImageBars):
        return _images(ready, closed)
    return _inputs(pipeline, values, ready) if closed is None else _windows(pipeline, values, ready, closed)


def _inputs(pipeline: ForecastPipeline, values: Float64Array, ready: Rows) -> tuple[npt.NDArray[np.float32], Rows, Rows]:
    """Scaled features of the chosen bars and of their windows, with the held ones; the last row of each sample; the bars chosen."""
    scaled = pipeline.scaled(values)
    pool = ready if pipeline.window is None else ready[-_WINDOWED_SPAN:]
    rows = _choose(scaled[pool], pool, ready, _clip(pipeline))
    width = pipeline.width
    opened = np.zeros(len(values) + 1, dtype=np.int64)
    np.add.at(opened, rows - width + 1, 1)
    np.add.at(opened, rows + 1, -1)
    kept = np.cumsum(opened[:-1]) > 0  # rows that some chosen window holds; a window stays consecutive among them
    place = np.cumsum(kept) - 1
    base = np.concatenate((scaled[kept], _held(pipeline)))
    seen = np.concatenate((place[rows], int(kept.sum()) + width * np.arange(1, 4) - 1))
    return base, seen, rows


def _windows(
    pipeline: ForecastPipeline, values: Float64Array, ready: Rows, closed: MultiResolution
) -> tuple[npt.NDArray[np.float32], Rows, Rows]:
    """The same for windows of several timeframes, which do not lie in one table: whole windows, one after another."""
    pool = ready[-_WINDOWED_SPAN:]
    windows = pipeline.inputs(values, pool, closed)
    furthest = np.where(windows.max(axis=1) > -windows.min(axis=1), windows.max(axis=1), windows.min(axis=1))
    rows = _choose(furthest, pool, pool, _clip(pipeline))
    chosen = windows[np.searchsorted(pool, rows)]
    base = np.concatenate((chosen.reshape(-1, windows.shape[2]), _held(pipeline)))
    return base, pipeline.width * np.arange(1, len(rows) + 4) - 1, rows


def _images(ready: Rows, closed: ImageBars) -> tuple[Float64Array, Rows, Rows]:
    """The same for images: the prices of the bars that the chosen ones show, and that their indicators begin with."""
    pool = ready[-_WINDOWED_SPAN:]
    rows = _choose(closed.signals[pool], pool, pool, np.inf)
    first = int(rows[0]) + 1 - NEEDED_BARS
    prices = closed.prices[first : int(rows[-1]) + 1]
    held = _held_bars(float(prices[-1, 3]))
    return np.concatenate((prices, held)), np.concatenate((rows - first, len(prices) + SIDE * np.arange(1, 4) - 1)), rows


def _held_bars(close: float) -> Float64Array:
    """An image of bars that stand still, and one at either reach of the distance from the mean and of relative strength."""
    steps = np.repeat([1.0, _HELD_STEP, 1 / _HELD_STEP], SIDE)
    closes: Float64Array = close * steps ** np.tile(np.arange(1.0, SIDE + 1), 3)
    opens = closes / steps
    return np.column_stack((opens, np.maximum(opens, closes), np.minimum(opens, closes), closes))


def _clip(pipeline: ForecastPipeline) -> float:
    assert isinstance(pipeline.scaler, RobustScaler | BarScaling)  # images have no clip
    return pipeline.scaler.clip


def _held(pipeline: ForecastPipeline) -> npt.NDArray[np.float32]:
    """A sample of zeros, and one at either clip."""
    clip = _clip(pipeline)
    levels = np.repeat(np.array([0.0, clip, -clip], dtype=np.float32), pipeline.width)
    return np.repeat(levels[:, None], len(pipeline.input_names), axis=1)


def _choose(inputs: npt.NDArray[np.float32], pool: Rows, ready: Rows, clip: float) -> Rows:
    """At least N_ROWS ready rows (or all), edge cases of the `inputs` of `pool` first."""
    clipped = pool[(np.abs(inputs) >= np.float32(clip)).any(axis=1)]
    edges = np.unique(
        np.concatenate((ready[:_FIRST_ROWS], pool[inputs.argmin(axis=0)], pool[inputs.argmax(axis=0)], clipped[:_CLIPPED_ROWS]))
    )
    others = np.setdiff1d(pool, edges, assume_unique=True)
    missing = min(max(N_ROWS - edges.size, LIVE_ROWS), others.size)
    spread = others[np.linspace(0, others.size - 1, missing).astype(np.int64)] if missing else others[:0]
    return np.union1d(edges, spread)


def _golden_bars(pipeline: ForecastPipeline, plan: FeaturePlan, bars: Bars) -> Tensors:
    """The shortest stretch at the end of `bars` (doubling) whose last LIVE_ROWS bars can be forecast; all bars if none is."""
    length = pipeline.history_bars(plan.warmup_bars, plan.base) + LIVE_ROWS
    while True:
        stretch = bars.slice(max(len(bars) - length, 0), len(bars))
        table = plan.compute(stretch)
        values, closed = table.values, pipeline.closed(stretch)
        rows = np.flatnonzero(pipeline.ready(table.ready, closed))[-LIVE_ROWS:]
        if rows.size == LIVE_ROWS or length >= len(bars):
            break
        length *= 2
    if rows.size == 0:
        raise BundleError("golden bars", "none of the last bars is ready", mend="Give a longer stretch without gaps at its end.")
    prices = np.stack([stretch.open, stretch.high, stretch.low, stretch.close, stretch.volume], axis=1)
    found = pipeline.run(values, rows, closed=closed, place="golden bars")
    return {
        "bar_open_time": stretch.open_time.astype(np.int64),
        "bar_prices": np.ascontiguousarray(prices),
        "bar_further": np.stack([stretch.column(name) for name in plan.sources], axis=1) if plan.sources else np.empty((len(stretch), 0)),
        "bar_rows": rows.astype(np.int64),
        "bar_features": np.ascontiguousarray(values[rows]),
        "bar_forecast": _matrix(found),
    }


def replay(data: bytes, pipeline: ForecastPipeline, plan: FeaturePlan, instrument: Instrument, place: str) -> Replay:
    """Forecast the golden samples in `data` again.

    On the machine and with the libraries that made them every bit is the same. Elsewhere the last bits may differ; the largest
    difference is told in the result. Raises BundleError if one goes beyond FEATURE_TOLERANCE or FORECAST_TOLERANCE.
    """
    golden = _read(data, pipeline, plan, place)
    inputs, seen, unit = golden["inputs"], golden["input_rows"], golden["input_scale"]
    found = pipeline.forecast(pipeline.view(inputs, seen), unit, seen, place=f"{place}: golden inputs")
    of_inputs = _apart(_matrix(found), golden["input_forecast"], unit, pipeline)
    _refuse(of_inputs, FORECAST_TOLERANCE, place, "forecasts of its golden inputs")

    rows = golden["bar_rows"]
    bars = _bars(golden, instrument, plan)
    values = plan.compute(bars).values
    offered, recorded = values[rows], golden["bar_features"]
    relative = _difference(offered, recorded, np.maximum(np.abs(recorded), 1e-12))
    _refuse(relative, FEATURE_TOLERANCE, place, "features of its golden bars")
    found = pipeline.run(values, rows, closed=pipeline.closed(bars), place=f"{place}: golden bars")
    unit = pipeline.scale(recorded)
    of_bars = _apart(_matrix(found), golden["bar_forecast"], unit, pipeline)
    _refuse(of_bars, FORECAST_TOLERANCE, place, "forecasts of its golden bars")
    return Replay(len(seen), len(rows), relative, max(of_inputs, of_bars))


def _bars(golden: Mapping[str, npt.NDArray[Any]], instrument: Instrument, plan: FeaturePlan) -> Bars:
    columns = [np.ascontiguousarray(column) for column in golden["bar_prices"].T]
    further = dict(zip(plan.sources, golden["bar_further"].T, strict=True))
    return Bars.from_columns(instrument, plan.base, golden["bar_open_time"], *columns, **further)


def _read(data: bytes, pipeline: ForecastPipeline, plan: FeaturePlan, place: str) -> dict[str, npt.NDArray[Any]]:
    """The tensors, of the shapes and types that they must have."""
    try:
        golden: dict[str, npt.NDArray[Any]] = load_tensors(data)
    except Exception as error:  # the Rust reader raises a type of its own
        raise BundleCorruption(place, f"golden samples do not load: {error}") from error
    kinds = _KINDS | {"inputs": (np.float64, 2)} if isinstance(pipeline.scaler, ImageScaling) else _KINDS
    if golden.keys() != kinds.keys() or any((golden[name].dtype, golden[name].ndim) != kind for name, kind in kinds.items()):
        raise BundleCorruption(place, "golden samples lack a tensor, or one is of another type", expected=", ".join(_KINDS))
    n_bars, n_base = len(golden["bar_open_time"]), len(golden["inputs"])
    n_rows, n_seen = len(golden["bar_rows"]), len(golden["input_rows"])
    shapes = {
        "bar_prices": (n_bars, 5),
        "bar_further": (n_bars, len(plan.sources)),
        "bar_features": (n_rows, len(pipeline.names)),
        "bar_forecast": (n_rows, len(pipeline.columns)),
        "inputs": (n_base, len(pipeline.input_names)),
        "input_scale": (n_seen,),
        "input_forecast": (n_seen, len(pipeline.columns)),
    }
    inside = {"bar_rows": (pipeline.depth - 1, n_bars), "input_rows": (pipeline.width - 1, n_base)}
    fits = all(golden[name].shape == shape for name, shape in shapes.items())
    fits = fits and n_rows > 0 and n_seen > 0
    fits = fits and all(low <= int(golden[name].min()) and int(golden[name].max()) < high for name, (low, high) in inside.items())
    if not fits:
        raise BundleCorruption(place, "golden samples do not fit together")
    return golden


def _matrix(columns: Columns) -> Float64Array:
    return np.stack(list(columns.values()), axis=1)


def _apart(found: Float64Array, recorded: npt.NDArray[Any], unit: npt.NDArray[Any], pipeline: ForecastPipeline) -> float:
    """The largest difference of two forecasts, as FORECAST_TOLERANCE counts it."""
    if pipeline.volatility is None:
        return _difference(found, recorded, np.maximum(np.abs(recorded), 1.0))
    return _difference(_in_units(found, unit, pipeline), _in_units(recorded, unit, pipeline))


def _in_units(forecast: npt.NDArray[Any], unit: npt.NDArray[Any], pipeline: ForecastPipeline) -> Float64Array:
    """Forecasts with the returns in units of their volatility, so that one tolerance fits all columns."""
    is_p = np.array([name.startswith("p_") for name in pipeline.columns])
    return np.where(is_p[None, :], forecast, forecast / unit[:, None])


def _difference(found: Float64Array, recorded: Float64Array, unit: Float64Array | float = 1.0) -> float:
    with np.errstate(invalid="ignore"):
        largest = float(np.max(np.abs(found - recorded) / unit, initial=0.0))
    return float("inf") if np.isnan(largest) else largest


def _refuse(difference: float, tolerance: float, place: str, what: str) -> None:
    if difference > tolerance:
        found = f"the {what} come out differently, by up to {difference:.3g}"
        mend = "It cannot be used here: compare the library versions with `barmill bundle show`, or publish the run again on this machine."
        raise BundleError(place, found, expected=f"at most {tolerance:g}", mend=mend)


__all__ = ["FEATURE_TOLERANCE", "FORECAST_TOLERANCE", "LIVE_ROWS", "N_ROWS", "Replay", "make_golden", "replay"]
