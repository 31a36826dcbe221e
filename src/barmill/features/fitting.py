"""Features with fitted numbers: what they learn, they learn on training rows alone, arguments before those that take them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from barmill.errors import InputError
from barmill.features.computing import compute_table, new_reader, new_scan
from barmill.market import Bars
from barmill.progress import Progress

if TYPE_CHECKING:
    from barmill.features.plan import FeaturePlan


def fit_features(
    plan: "FeaturePlan", bars: Bars, stretches: Sequence[tuple[int, int]], progress: Progress | None
) -> dict[str, tuple[float, ...]]:
    """The numbers of every fitted feature of `plan`, by name; see `FeaturePlan.fit`."""
    fitted = dict(plan.fitted)
    for feature in plan.unfitted:
        known = replace(plan, features=feature.args, columns=(), fitted=fitted)
        seen = bars.slice(0, max((last for _, last in stretches), default=-1) + 1)
        values = compute_table(known, new_scan(known), new_reader(known), seen, progress).values.astype(np.float64, copy=False)
        pieces = [values[first : last + 1] for first, last in stretches]
        pieces = [piece[np.isfinite(piece).all(axis=1)] for piece in pieces]  # only a warm-up is not finite, and it stands in front
        pieces = [piece for piece in pieces if len(piece)]
        if not pieces:
            raise InputError(f"feature '{feature.name}'", "no training row on which its arguments have a value", mend="Give more bars.")
        starts = np.cumsum([0, *(len(piece) for piece in pieces[:-1])], dtype=np.int64)
        assert feature.spec.fit is not None  # that is what `learned` lists
        fitted[feature.name] = feature.spec.fit(feature.params, np.concatenate(pieces), starts)
    return fitted


__all__ = ["fit_features"]
