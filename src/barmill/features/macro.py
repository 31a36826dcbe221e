"""Macro: daily series from outside the market."""

from barmill.features.spec import FeatureSpec

FAMILY = "macro"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
