"""Price: the bar itself, as given and as logarithms."""

from barmill.features.spec import FeatureSpec

FAMILY = "price"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
