"""Cross-pair: this market beside a reference one."""

from barmill.features.spec import FeatureSpec

FAMILY = "cross_pair"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
