"""The recursion of a GARCH(1, 1) volatility, compiled. All chance is drawn before and handed in."""

import numba
import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]


@numba.njit(cache=True)
def garch_volatility(shocks: Float64Array, sigma: float, alpha: float, beta: float) -> Float64Array:
    """Volatility of each bar: s2[t] = (1 - alpha - beta) sigma^2 + alpha (s[t-1] shocks[t-1])^2 + beta s2[t-1], from s2[0] = sigma^2.

    Parameters
    ----------
    shocks : (n,) innovations of unit variance
    sigma : volatility in the long run

    Source: Bollerslev (1986), Journal of Econometrics 31(3), equation 5.
    """
    made = np.empty(shocks.size)
    variance = sigma * sigma
    base = (1.0 - alpha - beta) * sigma * sigma
    for t in range(shocks.size):
        made[t] = np.sqrt(variance)
        variance = base + (alpha * shocks[t] * shocks[t] + beta) * variance
    return made
