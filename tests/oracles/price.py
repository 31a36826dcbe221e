"""The bar itself."""

ORACLES = {}
