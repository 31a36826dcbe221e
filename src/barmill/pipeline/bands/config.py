"""Recipe keys of conformal bands."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from barmill.ensembles.catalogue import inference_spec
from barmill.pipeline.recipe_part import Part
from barmill.uncertainty.conformal import rows_needed

BandMethod = Literal["split", "cqr", "jackknife_plus", "adaptive", "mondrian"]
USUAL_STEPS = (0.005,)
USUAL_WINDOW = 500
USUAL_REGIME = "volatility_regime"
_ONLY_OF = {"steps": "adaptive", "window": "adaptive", "regime": "mondrian"}


class UncertaintyConfig(Part):
    """Conformal bands: two ends of every forecast, moved until they held the asked share of outcomes on rows of their own."""

    method: BandMethod = Field(
        description="`split` one width around E_r (q50 where a model has none); `cqr` beyond q05 and q95; `jackknife_plus` one width by "
        "forecasts out of fold, on no rows of its own; `adaptive` as cqr, following the outcomes; `mondrian` as cqr, by regime"
    )
    coverage: float = Field(default=0.9, ge=0.5, lt=1, description="share of outcomes that a band is to hold")
    holdout_fraction: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="of the validation block, for the bands alone; 0.2 if left out. `validation.conformal` goes before it",
    )
    steps: tuple[float, ...] | None = Field(
        default=None,
        min_length=1,
        description="of adaptive: how far an outcome moves the level; the best of several have the say. 0.005 if left out",
    )
    window: int | None = Field(default=None, ge=1, le=100_000, description="of adaptive: outcomes that are remembered; 500 if left out")
    regime: str | None = Field(
        default=None, description="of mondrian: feature whose whole numbers name the regimes; volatility_regime if left out"
    )

    @property
    def alpha(self) -> float:
        """The share that may fall outside."""
        return round(1 - self.coverage, 12)

    @property
    def has_slice(self) -> bool:
        """Whether the bands are fitted on a slice of the validation block; else on forecasts out of fold."""
        return inference_spec(self.method).requires_holdout

    @property
    def regime_feature(self) -> str | None:
        """The feature that tells the regime, as the recipe calls it; None for bands that are the same in all of them."""
        return (self.regime or USUAL_REGIME) if self.method == "mondrian" else None

    @field_validator("method", mode="before")
    @classmethod
    def _fits_into_a_bundle(cls, method: Any) -> Any:
        if method == "cv_plus":
            raise ValueError("cv_plus asks the model of each fold at every forecast, and a bundle holds one model; take jackknife_plus")
        return method

    @model_validator(mode="after")
    def _keys_are_of_the_method(self) -> Self:
        for key, method in _ONLY_OF.items():
            if getattr(self, key) is not None and self.method != method:
                raise ValueError(f"`{key}` is of {method}, the method is {self.method}; take it out")
        if self.holdout_fraction is not None and not self.has_slice:
            raise ValueError(f"{self.method} is fitted on forecasts out of fold and holds no rows out; take `holdout_fraction` out")
        if self.steps is not None and not all(0 <= step <= 1 for step in self.steps):
            raise ValueError(f"`steps` are {list(self.steps)}; they lie between 0 and 1")
        if self.method == "adaptive" and (self.window or USUAL_WINDOW) < (least := rows_needed(self.alpha)):
            raise ValueError(f"`window` is {self.window or USUAL_WINDOW}; a band of {self.coverage:g} needs {least} outcomes at least")
        return self


__all__ = ["USUAL_STEPS", "USUAL_WINDOW", "BandMethod", "UncertaintyConfig"]
