"""Whether there are rows enough for a band of the asked coverage: told before anything is fitted."""

from barmill.errors import SplitError
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


__all__ = ["check_band_rows"]
