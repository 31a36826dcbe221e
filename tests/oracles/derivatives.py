"""Funding and basis by arithmetic on whole columns."""

import pandas as pd


def time_to_funding(b, p):
    """The time from each close to the next settlement, by pandas' calendar."""
    closes = pd.to_datetime(b.close_time, unit="ms")
    following = closes.floor(f"{p.hours}h") + pd.Timedelta(hours=p.hours)
    return ((following - closes) / pd.Timedelta(hours=p.hours)).to_numpy()


ORACLES = {
    "funding_rate": lambda b, p: b.column("funding_rate"),
    "time_to_funding": time_to_funding,
    "basis_bps": lambda b, p: 1e4 * (b.close - b.column("spot_close")) / b.column("spot_close"),
}
