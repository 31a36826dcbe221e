"""Recipe keys of what a run is to keep to when it serves: how large its weights are, and how long a forecast takes."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from barmill.pipeline.recipe_part import Part

TOTAL = "total"
EACH, ALL, CALIBRATION, COMBINING = "each", "all", "calibration", "combining"
OF_LATENCY = (EACH, ALL, CALIBRATION, COMBINING)

Limit = Annotated[float, Field(gt=0, le=1e9)]


class TargetsConfig(Part):
    """Limits that are told as met or not met; a run never fails by them."""

    size_kb: Mapping[str, Limit] = Field(
        default_factory=dict[str, float],
        description="bytes of weights as bundled, in thousands, by a model's or an ensemble's name; `total`: each model once, and what the "
        "ensembles add to them",
    )
    latency_ms: Mapping[str, Limit] = Field(
        default_factory=dict[str, float],
        description="99th percentile of one forecast, in milliseconds, by name; `each`: every model and ensemble by itself; `all`: the "
        "models one after the other; `calibration`: the slowest calibrator; `combining`: the slowest ensemble once its members spoke",
    )


__all__ = ["ALL", "CALIBRATION", "COMBINING", "EACH", "OF_LATENCY", "TOTAL", "TargetsConfig"]
