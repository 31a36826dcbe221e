"""Two features in one, in NumPy."""

import numpy as np

ORACLES = {
    "product": lambda b, p, x, y: np.multiply(x, y),
    "difference": lambda b, p, x, y: np.subtract(x, y),
    "ratio": lambda b, p, x, y: np.divide(x, y, out=np.zeros_like(x), where=y != 0.0),
    "crossing": lambda b, p, x, y: np.sign(x - y),
}
