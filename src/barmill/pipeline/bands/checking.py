"""Whether the asked bands can be: rows enough for their coverage, and regimes that are ones. Told before anything is fitted."""

import numpy as np

from barmill.errors import RecipeError, SplitError
from barmill.pipeline.bands.regime import regime_at, regime_name
from barmill.pipeline.dataset import Positions, ScaledData
from barmill.pipeline.recipe import Recipe
from barmill.uncertainty.conformal import rows_needed


def check_band_rows(recipe: Recipe, n_rows: int, place: str = "the conformal slice") -> None:
    """Refuse a slice of `n_rows` rows, if the recipe asks for bands that are fitted on one and would have no end on so few."""
    config = recipe.inference.uncertainty
    if config is None or not config.has_slice or n_rows >= (least := rows_needed(config.alpha)):
        return
    found = f"has {n_rows} rows, too few for a band of {config.coverage:g}"
    mend = "Give more bars, a larger inference.uncertainty.holdout_fraction, or a lower coverage."
    raise SplitError(place, found, expected=f"at least {least}", mend=mend)


def check_regime(recipe: Recipe, data: ScaledData, positions: Positions) -> None:
    """Refuse a feature that names no regimes, by its values at the labels `positions`."""
    config = recipe.inference.uncertainty
    regime = regime_at(config, data, positions)
    if regime is None or (wrong := regime != np.floor(regime)).sum() == 0:
        return
    found = f"{regime_name(config)} is {regime[np.argmax(wrong)]:.4g} at bar {data.labels.t0[positions[np.argmax(wrong)]]}"
    mend = "Name a feature that does, such as volatility_regime, trend_regime or structure_regime."
    raise RecipeError("recipe:inference.uncertainty.regime", found, expected="whole numbers, one for each regime", mend=mend)


__all__ = ["check_band_rows", "check_regime"]
