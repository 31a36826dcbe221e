"""Bands: where the price stands in the range of the day and of the days before."""

from barmill.features.spec import FeatureSpec

FAMILY = "bands"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
