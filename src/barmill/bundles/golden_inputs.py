"""Golden inputs of one model: which bars they are taken from, and the edges that they hold."""

from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.bundles.bar_scaling import BarScaling
from barmill.bundles.direction import Float64Array, Rows
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.seen_bars import SeenByOne
from barmill.views import ImageBars, MultiResolution, RobustScaler
from barmill.views.image_bars import NEEDED_BARS
from barmill.views.image_signals import SIDE

N_ROWS = 256  # golden inputs at least, where there are as many ready rows
LIVE_ROWS = 64  # last bars of the stretch that carry features and forecasts
_FIRST_ROWS = 8
_CLIPPED_ROWS = 32
_WINDOWED_SPAN = 1500  # ready rows from which windows are taken, so that windows overlap and the file stays small
_HELD_STEP = 1.02  # from bar to bar of an image held at its reach: the close runs further from its mean than is drawn


def chosen_inputs(
    pipeline: ForecastPipeline, values: Float64Array, ready: Rows, closed: SeenByOne | None
) -> tuple[npt.NDArray[Any], Rows, Rows]:
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


__all__ = ["LIVE_ROWS", "N_ROWS", "chosen_inputs"]
