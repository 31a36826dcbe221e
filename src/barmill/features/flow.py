"""Flow: who crossed the spread, and how open interest answered."""

from barmill.features.spec import FeatureSpec

FAMILY = "flow"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
