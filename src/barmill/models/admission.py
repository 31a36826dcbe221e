"""What a fit and a forecaster refuse at the door: rows that do not fit together, or are not numbers.

Checked once and in the same words for every model, so that no library gets to answer with a traceback of its own.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, ForecastError, LabelError, RecipeError, SchemaError, ShapeError
from barmill.models.catalogue import view_of, window_of
from barmill.models.contract import FitContext, ModelParams, ModelSpec, Samples, View, Window
from barmill.views import FeatureMatrix, MultiResolution, PatternImage, WindowTensor

ROWS_AT_ONCE = 65_536  # rows per pass, so that a check never holds a second copy of the inputs


def admit(spec: ModelSpec, params: ModelParams, train: Samples, valid: Samples, context: FitContext) -> None:
    """Refuse what cannot be learned from; called first by every fit.

    Raises
    ------
    RecipeError : outputs that the model does not have, or a number of classes other than 2 and 3
    SchemaError : columns that differ in number from the features named, or another view or window than the model's
    ShapeError : arrays of unequal length, or no rows
    LabelError : class indices out of range, or a class without a row to train on
    DataError : inputs, targets or weights that are not finite
    """
    place = f"model '{spec.name}'"
    unknown = [output for output in context.outputs if output not in spec.outputs]
    if unknown:
        raise RecipeError(place, f"has no output '{unknown[0]}'", expected=f"some of {', '.join(spec.outputs)}")
    if context.n_classes not in (2, 3):
        raise RecipeError(place, f"{context.n_classes} classes", expected="2 or 3")
    window = window_of(spec, params)
    if view_of(window) not in spec.views:
        raise RecipeError(place, f"does not take the view {view_of(window)}", expected=" or ".join(spec.views))
    for name, samples in (("train", train), ("valid", valid)):
        check_view(f"{place}, {name} rows", samples.view, view_of(window), len(context.feature_names), window)
        _check_targets(f"{place}, {name} rows", samples, context.n_classes)
        assert not isinstance(samples.view, PatternImage)
        _check_inputs(f"{place}, {name} rows", samples.view, context.feature_names)
    counts = np.bincount(train.y, minlength=context.n_classes)
    if counts.min() == 0:
        mend = "Take more bars, a longer horizon or nearer barriers."
        raise LabelError(f"{place}, train rows", f"no row of class {int(counts.argmin())} among {len(train)}", mend=mend)


def check_targets(place: str, spec: ModelSpec, samples: Samples, mend: str) -> None:
    """Raise ShapeError where there are no rows, or a target of the spec is missing; `mend` says where targets come from."""
    if len(samples.view) == 0:
        raise ShapeError(place, "there are none", mend="Take more bars.")
    for name in spec.targets:
        if name not in samples.targets:
            raise ShapeError(place, f"there is no target '{name}'", expected=", ".join(spec.targets), mend=mend)


def check_view(place: str, view: View, kind: str, n_features: int, window: Window = None) -> None:
    """Refuse a view of another kind, another number of features, or another window (or bars of timeframes) than was trained."""
    if kind_of(view) != kind:
        raise SchemaError(place, f"a {kind_of(view)} is offered", expected=f"a {kind}")
    assert not isinstance(view, PatternImage)  # which has an admission of its own
    if view.n_features != n_features:
        found = f"{view.n_features} features are offered"
        raise SchemaError(place, found, expected=f"{n_features}", mend="Use the feature plan that was trained.")
    if isinstance(window, int) and isinstance(view, WindowTensor) and view.window != window:
        raise SchemaError(place, f"windows of {view.window} bars are offered", expected=f"{window} bars, the model's seq_len")
    if isinstance(window, Mapping) and isinstance(view, MultiResolution) and view.lengths != window:
        raise SchemaError(place, f"windows of {lengths_told(view.lengths)} are offered", expected=lengths_told(window))


def kind_of(view: View) -> str:
    """What a recipe calls it."""
    if isinstance(view, FeatureMatrix):
        return "feature_matrix"
    if isinstance(view, PatternImage):
        return "pattern_image"
    return "window_tensor" if isinstance(view, WindowTensor) else "multi_resolution"


def lengths_told(lengths: Mapping[str, int]) -> str:
    """Bars of timeframes as a message has them: "60 of 1m, 12 of 5m"."""
    return ", ".join(f"{length} of {timeframe}" for timeframe, length in lengths.items())


def check_finite(place: str, inputs: npt.NDArray[np.float32], first_row: int, first_column: int = 0) -> None:
    """Refuse a batch of inputs, rows first, that holds NaN or an infinity; `first_row` and `first_column` are its place in the view."""
    finite = np.isfinite(inputs)
    if not finite.all():
        at = np.argwhere(~finite)[0]
        found = f"row {first_row + int(at[0])}, feature {first_column + int(at[-1])} is {inputs[tuple(at)]}"
        raise ForecastError(place, found, expected="finite inputs", mend="Forecast only rows whose features are ready.")


def _check_targets(place: str, samples: Samples, n_classes: int) -> None:
    n = len(samples.view)
    if n == 0:
        raise ShapeError(place, "there are none", mend="Take more bars.")
    for name, array in (("y", samples.y), ("z", samples.z), ("weight", samples.weight)):
        if array.shape != (n,):
            raise ShapeError(place, f"{name} has shape {array.shape}", expected=f"({n},), one for each row of the view")
    if samples.y.min() < 0 or samples.y.max() >= n_classes:
        row = int(np.flatnonzero((samples.y < 0) | (samples.y >= n_classes))[0])
        raise LabelError(place, f"row {row} has class {int(samples.y[row])}", expected=f"0 to {n_classes - 1}")
    for name, array in (("z", samples.z), ("weight", samples.weight)):
        wrong = ~np.isfinite(array)
        if name == "weight":
            wrong |= array < 0
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(
                place, f"{name} of row {row} is {array[row]}", expected="a finite number" + (" of at least 0" if name == "weight" else "")
            )


def _check_inputs(place: str, view: FeatureMatrix | WindowTensor | MultiResolution, names: Sequence[str]) -> None:
    """Refuse a non-finite input, naming its feature and its row of the base table."""
    if isinstance(view, MultiResolution):
        _check_timeframes(place, view)
        return
    rows = view.rows if isinstance(view, FeatureMatrix) else covered_rows(view)
    for start in range(0, rows.size, ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        wrong = ~np.isfinite(view.base[part])
        if wrong.any():
            at, column = np.argwhere(wrong)[0]
            found = f"feature '{names[column]}' is {view.base[part[at], column]} at bar {int(part[at])}"
            raise DataError(place, found, expected="a finite number", mend="Use only rows at which every feature is ready.")


def _check_timeframes(place: str, view: MultiResolution) -> None:
    """Refuse a non-finite input, naming its timeframe, its column and the bar of that timeframe."""
    whose = [(resolution, place) for resolution in view.resolutions for place in range(resolution.length)]
    at_once = max(1, ROWS_AT_ONCE // view.window)
    for start in range(0, len(view), at_once):
        wrong = ~np.isfinite(view.gather(slice(start, start + at_once)))
        if wrong.any():
            sample, row, column = (int(number) for number in np.argwhere(wrong)[0])
            resolution, within = whose[row]
            end = int(view.ends[start + sample])
            bar = int(resolution.last[end]) - resolution.length + 1 + within
            found = f"'{view.names[column]}' of bar {bar} of {resolution.timeframe} is not finite, as seen from base bar {end}"
            raise DataError(place, found, expected="a finite number", mend="Mend the bars, or leave out the samples that see it.")


def covered_rows(view: WindowTensor) -> npt.NDArray[np.int64]:
    """Rows of the base table that some window of `view` holds, ascending."""
    opened = np.zeros(view.base.shape[0] + 1, dtype=np.int64)
    np.add.at(opened, view.ends - view.window + 1, 1)
    np.add.at(opened, view.ends + 1, -1)
    return np.flatnonzero(np.cumsum(opened[:-1]) > 0)
