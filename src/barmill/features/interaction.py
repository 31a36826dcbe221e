"""Interactions: two features in one."""

from barmill.features.spec import FeatureSpec

FAMILY = "interaction"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
