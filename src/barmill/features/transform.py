"""Transforms: any feature in stationary, bounded or smoothed form."""

from barmill.features.spec import FeatureSpec

FAMILY = "transform"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
