"""Derivatives: funding, basis and open interest."""

from barmill.features.spec import FeatureSpec

FAMILY = "derivatives"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
