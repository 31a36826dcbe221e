"""The bar itself."""

import numpy as np

ORACLES = {
    "open": lambda b, p: b.open,
    "high": lambda b, p: b.high,
    "low": lambda b, p: b.low,
    "close": lambda b, p: b.close,
    "volume": lambda b, p: b.volume,
    "log_open": lambda b, p: np.log(b.open),
    "log_high": lambda b, p: np.log(b.high),
    "log_low": lambda b, p: np.log(b.low),
    "log_close": lambda b, p: np.log(b.close),
    "log_volume": lambda b, p: np.log1p(b.volume),
}
