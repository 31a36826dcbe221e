"""Book: the best levels of the order book."""

from barmill.features.spec import FeatureSpec

FAMILY = "book"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
