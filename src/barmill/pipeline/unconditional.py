"""What is true of the training labels as a whole: the answer that a server gives when it has no better one."""

import numpy as np

from barmill.bundles import ForecastBand
from barmill.bundles.direction import LEVELS
from barmill.labels import Labels
from barmill.pipeline.dataset import Positions
from barmill.uncertainty.conformal.adaptive import AdaptiveState


def unconditional(labels: Labels, train: Positions, n_classes: int, band: ForecastBand | None) -> dict[str, float]:
    """A forecast of direction that knows nothing of the bar: shares of the classes, and quantiles of the net log return.

    train : positions of the training labels, the only ones that are looked at
    band : of the bundle, whose coverage its ends have; None without one

    Returns
    -------
    A number by output, of which a bundle gives some: E_r is 0, since nothing says which way the next return goes.
    """
    classes, returns = labels.classes(n_classes)[train], labels.net_log_return[train]
    shares = {"p_up": np.mean(classes == n_classes - 1)} | ({"p_down": np.mean(classes == 0)} if n_classes == 3 else {})
    quantiles = dict(zip(("q05", "q50", "q95"), np.quantile(returns, LEVELS), strict=True))
    ends: dict[str, np.floating] = {}
    if band is not None:
        outside = _share_outside(band)
        ends = dict(zip(("lower", "upper"), np.quantile(returns, (outside / 2, 1 - outside / 2)), strict=True))
    return {"E_r": 0.0, **{name: float(value) for name, value in (shares | quantiles | ends).items()}}


def _share_outside(band: ForecastBand) -> float:
    return band.band.settings.alpha if isinstance(band.band, AdaptiveState) else band.band.alpha


__all__ = ["unconditional"]
