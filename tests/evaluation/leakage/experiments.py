"""A small honest experiment on simulated bars, to change one thing of."""

from functools import cache

import numpy as np

from barmill.evaluation import Dossier
from barmill.market import simulate

HORIZON, EMBARGO, EVERY = 30, 20, 3


@cache
def bars(seed=1, n_bars=7_000, strength=1.0):
    return simulate(n_bars, seed=seed, strength=strength).bars


def honest_columns(market):
    """A return, a distance from a mean, a volatility and a place in the day: float64 (n_bars, 4)."""
    price = np.log(market.close)
    moves = np.diff(price, prepend=price[0])
    mean = np.convolve(price, np.ones(40) / 40)[: price.size]
    spread = np.sqrt(np.convolve(moves**2, np.ones(30) / 30)[: price.size])
    day = np.sin(2 * np.pi * (market.open_time // 60_000 % 1440) / 1440)
    return np.column_stack([moves, price - mean, spread, day])


def blocks_of(t0, t1, embargo=EMBARGO):
    """Train, stop and test in time order, with exactly the embargo free between them."""
    cuts = [0, int(0.6 * t0.size), int(0.8 * t0.size), t0.size]
    made = {}
    for number, name in enumerate(("train", "early_stopping", "test")):
        rows = np.arange(cuts[number], cuts[number + 1])
        if made:
            last = list(made.values())[-1]
            rows = rows[t0[rows] > t1[last].max() + embargo]
        made[name] = rows
    return made


def experiment(seed=1, extra=None, market=None, **changes):
    """The honest dossier; `extra` is name to a value per bar, `changes` are fields to put in the place of others."""
    market = bars(seed) if market is None else market
    t0 = np.arange(1_000, len(market) - HORIZON - 1, EVERY)
    t1 = t0 + HORIZON
    extra = extra or {}
    table = np.column_stack([honest_columns(market), *extra.values()])
    outcome = market.close[t1] / market.open[t0 + 1] - 1
    fields = {
        "columns": ("move", "distance", "spread", "day", *extra),
        "X": table[t0],
        "y": (outcome > 0).astype(np.int64),
        "outcome": outcome,
        "t0": t0,
        "t1": t1,
        "known_at": market.close_time[t0],
        "blocks": blocks_of(t0, t1),
        "embargo_bars": EMBARGO,
        "bars": market,
        "fitted": (),
    }
    return Dossier(**{**fields, **changes})
