"""Golden samples: inputs with the forecasts that they gave when the bundle was made, replayed whenever it is loaded.

Two kinds. Model inputs (scaled float32 rows, or windows over them; of several timeframes, whole windows one after another; of
images, the bars that they are drawn from; with the regime, where calibration goes by it): the first ready rows, the extremes of
each input, rows that were clipped, rows spread over the bars, and rows held at zero and at either clip; another runtime can be tested
on them alone.
And a stretch of bars that warms up the plan, with the features and forecasts of its last bars: from raw bars to the end.

An ensemble has the bars alone, and more of them. What its members see differs from one to the other, and the bundle of each member that
a run publishes holds that model's edges; through the bars every member, what combines them and all that follows is replayed at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from barmill.bundles.direction import Columns, Float64Array
from barmill.bundles.ensemble_pipeline import Pipeline
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.golden_inputs import LIVE_ROWS, N_ROWS, chosen_inputs
from barmill.bundles.image_scaling import ImageScaling
from barmill.errors import BundleCorruption, BundleError
from barmill.features import FeaturePlan, FeatureTable
from barmill.market import Bars, Instrument

Tensors = dict[str, npt.NDArray[Any]]

# What another processor or C library may change in the last bits; on one machine nothing differs.
FEATURE_TOLERANCE = 1e-9  # relative
FORECAST_TOLERANCE = 1e-6  # of a probability, of a return in units of its volatility, of another answer in its unit (relative above 1)

_BAR_KINDS = {
    "bar_open_time": (np.int64, 1),
    "bar_prices": (np.float64, 2),
    "bar_further": (np.float64, 2),
    "bar_rows": (np.int64, 1),
    "bar_features": (np.float64, 2),
    "bar_forecast": (np.float64, 2),
}
_INPUT_KINDS = {
    "inputs": (np.float32, 2),
    "input_rows": (np.int64, 1),
    "input_scale": (np.float64, 1),
    "input_forecast": (np.float64, 2),
}


@dataclass(frozen=True, slots=True)
class Replay:
    """How the golden samples came out.

    n_inputs, n_bars : forecasts replayed from model inputs (none of an ensemble) and from bars
    features, forecasts : largest difference found; 0.0 where every bit is the same
    """

    n_inputs: int
    n_bars: int
    features: float
    forecasts: float

    @property
    def exact(self) -> bool:
        return self.features == 0.0 and self.forecasts == 0.0


class GoldenBars(NamedTuple):
    """Bars with forecasts that were made of the last of them.

    rows : int64 (n,), bars that were forecast; forecast : float64 (n, n_outputs), in the order of the bundle's outputs
    """

    bars: Bars
    rows: npt.NDArray[np.int64]
    forecast: Float64Array


def read_golden_bars(data: bytes, pipeline: Pipeline, plan: FeaturePlan, instrument: Instrument, place: str) -> GoldenBars:
    """The golden bars in `data`, which `replay` replays."""
    golden = _read(data, pipeline, plan, place)
    return GoldenBars(_bars(golden, instrument, plan), golden["bar_rows"], golden["bar_forecast"])


class GoldenInputs(NamedTuple):
    """What a model sees in its golden samples: `base` and `rows` as `ForecastPipeline.view` takes them."""

    base: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]


def read_golden_inputs(data: bytes, pipeline: ForecastPipeline, plan: FeaturePlan, place: str) -> GoldenInputs:
    """The golden inputs in `data`, which `replay` replays."""
    golden = _read(data, pipeline, plan, place)
    return GoldenInputs(golden["inputs"], golden["input_rows"])


def make_golden(pipeline: Pipeline, plan: FeaturePlan, bars: Bars) -> bytes:
    """Golden samples from `bars`, as safetensors. Raises BundleError if too few of the bars are ready."""
    table = plan.compute(bars)
    closed = pipeline.closed(bars)
    rows = np.flatnonzero(pipeline.ready(table.ready, closed))
    if rows.size == 0:
        needed = pipeline.history_bars(plan.warmup_bars, plan.base)
        raise BundleError(
            "golden bars", f"none of {len(bars)} is ready", expected=f"more than {needed} bars", mend="Give a longer stretch."
        )
    of_model = isinstance(pipeline, ForecastPipeline)
    inputs = _golden_inputs(pipeline, table, bars) if of_model else {}
    return save_tensors(inputs | _golden_bars(pipeline, plan, bars, LIVE_ROWS if of_model else N_ROWS))


def _golden_inputs(pipeline: ForecastPipeline, table: FeatureTable, bars: Bars) -> Tensors:
    closed = pipeline.closed(bars)
    base, seen, rows = chosen_inputs(pipeline, table.values, np.flatnonzero(pipeline.ready(table.ready, closed)), closed)
    scale = pipeline.scale(table.values, rows)
    unit = np.concatenate((scale, np.repeat(np.median(scale), 3)))
    regime = pipeline.regime(table.values, rows)
    told: Tensors = {} if regime is None else {"input_regime": np.concatenate((regime, np.repeat(np.median(np.unique(regime)).round(), 3)))}
    found = pipeline.forecast(pipeline.view(base, seen), unit, seen, place="golden inputs", regime=told.get("input_regime"))
    return {"inputs": base, "input_rows": seen, "input_scale": unit, **told, "input_forecast": _matrix(found)}


def _golden_bars(pipeline: Pipeline, plan: FeaturePlan, bars: Bars, n_rows: int) -> Tensors:
    """The shortest stretch at the end of `bars` (doubling) whose last `n_rows` bars can be forecast; all bars if none is."""
    length = pipeline.history_bars(plan.warmup_bars, plan.base) + n_rows
    while True:
        stretch = bars.slice(max(len(bars) - length, 0), len(bars))
        table = plan.compute(stretch)
        values, closed = table.values, pipeline.closed(stretch)
        rows = np.flatnonzero(pipeline.ready(table.ready, closed))[-n_rows:]
        if rows.size == n_rows or length >= len(bars):
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


def replay(data: bytes, pipeline: Pipeline, plan: FeaturePlan, instrument: Instrument, place: str) -> Replay:
    """Forecast the golden samples in `data` again.

    On the machine and with the libraries that made them every bit is the same. Elsewhere the last bits may differ; the largest
    difference is told in the result. Raises BundleError if one goes beyond FEATURE_TOLERANCE or FORECAST_TOLERANCE.
    """
    golden = _read(data, pipeline, plan, place)
    n_inputs, of_inputs = _replay_inputs(golden, pipeline, place) if isinstance(pipeline, ForecastPipeline) else (0, 0.0)
    rows = golden["bar_rows"]
    bars = _bars(golden, instrument, plan)
    values = plan.compute(bars).values
    offered, recorded = values[rows], golden["bar_features"]
    relative = _difference(offered, recorded, np.maximum(np.abs(recorded), 1e-12))
    _refuse(relative, FEATURE_TOLERANCE, place, "features of its golden bars")
    found = pipeline.run(values, rows, closed=pipeline.closed(bars), place=f"{place}: golden bars")
    unit = pipeline.scale(recorded)
    of_bars = _apart(found, golden["bar_forecast"], unit, pipeline)
    _refuse(of_bars, FORECAST_TOLERANCE, place, "forecasts of its golden bars")
    return Replay(n_inputs, len(rows), relative, max(of_inputs, of_bars))


def _replay_inputs(golden: Mapping[str, npt.NDArray[Any]], pipeline: ForecastPipeline, place: str) -> tuple[int, float]:
    """How many golden inputs there are, and how far their forecasts come out from those that they gave."""
    inputs, seen, unit = golden["inputs"], golden["input_rows"], golden["input_scale"]
    regime = golden.get("input_regime")
    found = pipeline.forecast(pipeline.view(inputs, seen), unit, seen, place=f"{place}: golden inputs", regime=regime)
    apart = _apart(found, golden["input_forecast"], unit, pipeline)
    _refuse(apart, FORECAST_TOLERANCE, place, "forecasts of its golden inputs")
    return len(seen), apart


def _bars(golden: Mapping[str, npt.NDArray[Any]], instrument: Instrument, plan: FeaturePlan) -> Bars:
    columns = [np.ascontiguousarray(column) for column in golden["bar_prices"].T]
    further = dict(zip(plan.sources, golden["bar_further"].T, strict=True))
    return Bars.from_columns(instrument, plan.base, golden["bar_open_time"], *columns, **further)


def _read(data: bytes, pipeline: Pipeline, plan: FeaturePlan, place: str) -> dict[str, npt.NDArray[Any]]:
    """The tensors, of the shapes and types that they must have."""
    try:
        golden: dict[str, npt.NDArray[Any]] = load_tensors(data)
    except Exception as error:  # the Rust reader raises a type of its own
        raise BundleCorruption(place, f"golden samples do not load: {error}") from error
    kinds = _kinds(pipeline)
    if golden.keys() != kinds.keys() or any((golden[name].dtype, golden[name].ndim) != kind for name, kind in kinds.items()):
        raise BundleCorruption(place, "golden samples lack a tensor, or one is of another type", expected=", ".join(kinds))
    if not _fits(golden, pipeline, plan):
        raise BundleCorruption(place, "golden samples do not fit together")
    return golden


def _kinds(pipeline: Pipeline) -> dict[str, Any]:
    if not isinstance(pipeline, ForecastPipeline):
        return dict(_BAR_KINDS)
    of_images = {"inputs": (np.float64, 2)} if isinstance(pipeline.scaler, ImageScaling) else {}
    by_regime = {} if pipeline.calibration.feature is None else {"input_regime": (np.float64, 1)}
    return {**_BAR_KINDS, **_INPUT_KINDS, **of_images, **by_regime}


def _fits(golden: Mapping[str, npt.NDArray[Any]], pipeline: Pipeline, plan: FeaturePlan) -> bool:
    """Whether the tensors are as long and wide as each other, and positions lie where there is something."""
    n_bars, n_rows = len(golden["bar_open_time"]), len(golden["bar_rows"])
    shapes = {
        "bar_prices": (n_bars, 5),
        "bar_further": (n_bars, len(plan.sources)),
        "bar_features": (n_rows, len(pipeline.names)),
        "bar_forecast": (n_rows, len(pipeline.columns)),
    }
    inside = {"bar_rows": (pipeline.depth - 1, n_bars)}
    if isinstance(pipeline, ForecastPipeline):
        n_base, n_seen = len(golden["inputs"]), len(golden["input_rows"])
        shapes |= {
            "inputs": (n_base, len(pipeline.input_names)),
            "input_scale": (n_seen,),
            "input_forecast": (n_seen, len(pipeline.model_columns)),
            **({} if pipeline.calibration.feature is None else {"input_regime": (n_seen,)}),
        }
        inside["input_rows"] = (pipeline.width - 1, n_base)
    return all(golden[name].shape == shape for name, shape in shapes.items()) and all(
        golden[name].size > 0 and low <= int(golden[name].min()) and int(golden[name].max()) < high for name, (low, high) in inside.items()
    )


def _matrix(columns: Columns) -> Float64Array:
    return np.stack(list(columns.values()), axis=1)


def _apart(found: Columns, recorded: npt.NDArray[Any], unit: npt.NDArray[Any], pipeline: Pipeline) -> float:
    """The largest difference of two forecasts, as FORECAST_TOLERANCE counts it: returns in units of their volatility, so that one
    tolerance fits all columns."""
    again = _matrix(found)
    if pipeline.volatility is None:
        return _difference(again, recorded, np.maximum(np.abs(recorded), 1.0))
    is_p = np.array([name.startswith("p_") for name in found])
    units = np.where(is_p[None, :], 1.0, unit[:, None])
    return _difference(again / units, recorded / units)


def _difference(found: Float64Array, recorded: Float64Array, unit: Float64Array | float = 1.0) -> float:
    with np.errstate(invalid="ignore"):
        largest = float(np.max(np.abs(found - recorded) / unit, initial=0.0))
    return float("inf") if np.isnan(largest) else largest


def _refuse(difference: float, tolerance: float, place: str, what: str) -> None:
    if difference > tolerance:
        found = f"the {what} come out differently, by up to {difference:.3g}"
        mend = "It cannot be used here: compare the library versions with `barmill bundle show`, or publish the run again on this machine."
        raise BundleError(place, found, expected=f"at most {tolerance:g}", mend=mend)


__all__ = [
    "FEATURE_TOLERANCE",
    "FORECAST_TOLERANCE",
    "LIVE_ROWS",
    "N_ROWS",
    "GoldenBars",
    "GoldenInputs",
    "Replay",
    "make_golden",
    "read_golden_bars",
    "read_golden_inputs",
    "replay",
]
