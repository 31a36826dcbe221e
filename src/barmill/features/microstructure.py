"""Microstructure: what bars alone, or with takers' volume, tell of spreads, order flow and the price of trading."""

from barmill.features import order_flow, price_impact, spreads

FAMILY = "microstructure"

FEATURES = (*spreads.FEATURES, *order_flow.FEATURES, *price_impact.FEATURES)

__all__ = ["FAMILY", "FEATURES"]
