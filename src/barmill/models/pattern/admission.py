"""What the Pattern CNN refuses at the door: no images, bars that are no numbers, or labels that are none of patterns."""

import numpy as np

from barmill.errors import DataError, LabelError, RecipeError, SchemaError, ShapeError
from barmill.models.admission import check_targets, kind_of
from barmill.models.contract import FitContext, ModelSpec, Samples
from barmill.models.pattern.detectors import FLAG, PATTERNS
from barmill.models.pattern.drawn_bars import broken_bar
from barmill.views import PatternImage


def admit_patterns(spec: ModelSpec, train: Samples, valid: Samples, context: FitContext) -> None:
    """Refuse what cannot be learned from; called first by the fit.

    Raises
    ------
    RecipeError : outputs that the model does not have, or a number of classes other than that of the patterns
    SchemaError : another view than images
    ShapeError : no rows, a missing target or arrays of unequal length
    LabelError : class indices out of range, or fewer than two patterns to tell apart
    DataError : a bar that is drawn and not finite, a quality outside 0 .. 1, a flag without a pole, or a weight that is not finite
    """
    place = f"model '{spec.name}'"
    unknown = [output for output in context.outputs if output not in spec.outputs]
    if unknown:
        raise RecipeError(place, f"has no output '{unknown[0]}'", expected=f"some of {', '.join(spec.outputs)}")
    if context.n_classes != len(PATTERNS):
        raise RecipeError(place, f"{context.n_classes} classes", expected=f"{len(PATTERNS)}: {', '.join(PATTERNS)}")
    for name, samples in (("train", train), ("valid", valid)):
        where = f"{place}, {name} rows"
        if not isinstance(samples.view, PatternImage):
            raise SchemaError(where, f"a {kind_of(samples.view)} is offered", expected="a pattern_image")
        _check_rows(where, spec, samples)
        broken = broken_bar(samples.view)
        if broken:
            raise DataError(where, broken, expected="a finite number", mend="Use only bars whose images are whole.")
    if np.unique(train.y).size < 2:
        raise LabelError(f"{place}, train rows", f"all {len(train)} are '{PATTERNS[train.y[0]]}'", expected="two patterns or more")


def _check_rows(place: str, spec: ModelSpec, samples: Samples) -> None:
    check_targets(place, spec, samples, "Label with detect_patterns; its `targets` are what the network learns.")
    n = len(samples.view)
    columns = {"y": samples.y, "weight": samples.weight, **{name: samples.targets[name] for name in spec.targets}}
    for name, array in columns.items():
        if array.shape != (n,):
            raise ShapeError(place, f"{name} has shape {array.shape}", expected=f"({n},), one for each image")
    if samples.y.min() < 0 or samples.y.max() >= len(PATTERNS):
        row = int(np.flatnonzero((samples.y < 0) | (samples.y >= len(PATTERNS)))[0])
        raise LabelError(place, f"row {row} has class {int(samples.y[row])}", expected=f"0 to {len(PATTERNS) - 1}")
    quality, pole = samples.targets["quality"], samples.targets["pole_kATR"]
    for name, right, expected in (
        ("weight", np.isfinite(samples.weight) & (samples.weight >= 0), "a finite number of at least 0"),
        ("quality", (quality >= 0) & (quality <= 1), "a number in 0 .. 1"),
        ("pole_kATR", np.isfinite(pole) | (samples.y != FLAG), "a finite number for each flag"),
    ):
        if not right.all():
            row = int(np.argmin(right))
            raise DataError(place, f"{name} of row {row} is {columns[name][row]}", expected=expected)


__all__ = ["admit_patterns"]
