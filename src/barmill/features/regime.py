"""Regimes: quiet or wild, trending or not, and what a hidden Markov model makes of it."""

from barmill.features.spec import FeatureSpec

FAMILY = "regime"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
