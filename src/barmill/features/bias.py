"""Bias: which way the higher timeframes point."""

from barmill.features.spec import FeatureSpec

FAMILY = "bias"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
