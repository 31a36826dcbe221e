"""Macro: what was joined is what is shown."""


def as_it_stands(name):
    return lambda b, p: b.column(name)


ORACLES = {name: as_it_stands(name) for name in ("mvrv", "asopr", "nupl", "exchange_netflow", "volatility_index")}
