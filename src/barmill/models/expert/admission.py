"""What an expert refuses at the door when it learns something else than classes."""

import numpy as np

from barmill.errors import DataError, RecipeError, ShapeError
from barmill.models.admission import ROWS_AT_ONCE, check_targets, check_view
from barmill.models.contract import FitContext, ModelSpec, Samples
from barmill.views import FeatureMatrix


def admit_targets(spec: ModelSpec, train: Samples, valid: Samples, context: FitContext) -> None:
    """Refuse what cannot be learned from: as `barmill.models.admission.admit`, with the targets of the spec in the place of classes.

    Raises
    ------
    RecipeError : outputs that the model does not have
    SchemaError : another view or number of features
    ShapeError : no rows, a missing target or arrays of unequal length
    DataError : inputs, targets or weights that are not finite
    """
    place = f"model '{spec.name}'"
    unknown = [output for output in context.outputs if output not in spec.outputs]
    if unknown:
        raise RecipeError(place, f"has no output '{unknown[0]}'", expected=f"some of {', '.join(spec.outputs)}")
    for name, samples in (("train", train), ("valid", valid)):
        where = f"{place}, {name} rows"
        check_view(where, samples.view, spec.view, len(context.feature_names))
        _check_columns(where, spec, samples)
        _check_inputs(where, samples.view, context)


def _check_columns(place: str, spec: ModelSpec, samples: Samples) -> None:
    check_targets(place, spec, samples, "Label with barmill.labels.back_label; its `targets` are what the experts learn.")
    n = len(samples.view)
    for name, array in (*((name, samples.targets[name]) for name in spec.targets), ("weight", samples.weight)):
        if array.shape != (n,):
            raise ShapeError(place, f"{name} has shape {array.shape}", expected=f"({n},), one for each row of the view")
        wrong = ~np.isfinite(array) | ((array < 0) if name == "weight" else False)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            expected = "a finite number" + (" of at least 0" if name == "weight" else "")
            raise DataError(place, f"{name} of row {row} is {array[row]}", expected=expected)


def _check_inputs(place: str, view: object, context: FitContext) -> None:
    assert isinstance(view, FeatureMatrix)
    for start in range(0, len(view), ROWS_AT_ONCE):
        rows = view.rows[start : start + ROWS_AT_ONCE]
        wrong = ~np.isfinite(view.base[rows])
        if wrong.any():
            at, column = np.argwhere(wrong)[0]
            found = f"feature '{context.feature_names[column]}' is {view.base[rows[at], column]} at bar {int(rows[at])}"
            raise DataError(place, found, expected="a finite number", mend="Use only rows at which every feature is ready.")
