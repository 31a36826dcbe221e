"""The constant answer of last resort: what was true of the training rows as a whole, from the bundle itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from barmill.bundles import Bundle
from barmill.serving.answers import Float64Array


@dataclass(frozen=True, slots=True)
class Prior:
    """One number for each output.

    values : by output
    told_by : "training" where they are the shares and quantiles of the training rows, "golden" where the bundle does not tell these: then
        they are the means and medians of its own forecasts of its golden bars, which are training bars
    """

    values: Mapping[str, float]
    told_by: str

    @classmethod
    def of(cls, bundle: Bundle) -> "Prior":
        profile: Any = bundle.part("reference_profile")
        told: Any = profile.get("prior") if isinstance(profile, dict) else None
        if isinstance(told, dict) and all(isinstance(told.get(name), float) for name in bundle.outputs):
            return cls(MappingProxyType({name: told[name] for name in bundle.outputs}), "training")
        forecast = bundle.golden_bars.forecast
        return cls(MappingProxyType({name: _typical(name, forecast[:, i]) for i, name in enumerate(bundle.outputs)}), "golden")

    @property
    def said(self) -> str:
        """Where the numbers come from, in words."""
        return (
            "shares and quantiles of the training rows" if self.told_by == "training" else "what the model says of its golden bars at large"
        )

    def columns(self, outputs: Sequence[str], n_rows: int) -> dict[str, Float64Array]:
        """The same for each row, float64 (n_rows,). Raises KeyError for an output that the bundle does not have."""
        return {name: np.full(n_rows, self.values[name]) for name in outputs}


def _typical(name: str, said: Float64Array) -> float:
    """Of a probability the mean, so that those of all classes still sum to 1; of a quantile the median, so that they stay in order."""
    if name == "E_r":
        return 0.0
    return float(said.mean() if name.startswith("p_") else np.median(said))


__all__ = ["Prior"]
