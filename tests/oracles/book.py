"""Book and footprint by arithmetic on whole columns."""

import numpy as np

from oracles.slow import per_window


def balance(first, second):
    def slow(b, p):
        return per_window(lambda x, y: (x.sum() - y.sum()) / (x.sum() + y.sum()), p.window, b.column(first), b.column(second))

    return slow


def middle(b):
    return (b.column("bid_price") + b.column("ask_price")) / 2


def microprice(b):
    bid, ask, bid_size, ask_size = (b.column(name) for name in ("bid_price", "ask_price", "bid_size", "ask_size"))
    return (bid * ask_size + ask * bid_size) / (bid_size + ask_size)


def control_distance(b, p):
    return (b.close - b.column("point_of_control")) / (b.high - b.low)


ORACLES = {
    "spread_bps": lambda b, p: 1e4 * (b.column("ask_price") - b.column("bid_price")) / middle(b),
    "middle_distance_bps": lambda b, p: 1e4 * (b.close / middle(b) - 1),
    "microprice_distance_bps": lambda b, p: 1e4 * (microprice(b) / middle(b) - 1),
    "top_imbalance": balance("bid_size", "ask_size"),
    "depth_imbalance": balance("bid_depth", "ask_depth"),
    "footprint_balance": lambda b, p: per_window(
        lambda high, low: np.sum(high + low) / np.sum(high - low), p.window, b.column("max_delta"), b.column("min_delta")
    ),
    "control_distance": control_distance,
}
