"""Wavelets: one series cut into scales, from past values alone."""

from barmill.features.spec import FeatureSpec

FAMILY = "wavelet"

FEATURES: tuple[FeatureSpec, ...] = ()

__all__ = ["FAMILY", "FEATURES"]
