"""The feature whose value at the decision bar names the regime of a band."""

import numpy as np

from barmill.ensembles.contract import Float64Array
from barmill.ensembles.regime_gate import with_parameters
from barmill.pipeline.bands.config import UncertaintyConfig
from barmill.pipeline.dataset import Positions, ScaledData


def regime_name(config: UncertaintyConfig | None) -> str | None:
    """As the plan calls it; None for a run without bands by regime."""
    feature = None if config is None else config.regime_feature
    return None if feature is None else with_parameters((feature,))[0]


def regime_at(config: UncertaintyConfig | None, data: ScaledData, positions: Positions) -> Float64Array | None:
    """The regimes of the labels at `positions`, float64 (n,), known at the decision; None where no band goes by them."""
    name = regime_name(config)
    return None if name is None else np.array(data.values[data.labels.t0[positions], data.names.index(name)])


__all__ = ["regime_at", "regime_name"]
