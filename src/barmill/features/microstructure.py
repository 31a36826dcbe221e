"""Microstructure: what bars alone tell of spreads, order flow and the price of trading."""

from barmill.features.spec import FeatureSpec

FAMILY = "microstructure"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
