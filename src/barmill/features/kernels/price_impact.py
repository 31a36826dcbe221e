"""How far trading moves the price: by the money traded, by the volume bought less sold, by the root of the volume."""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, VOLUME, Float64Array, kernel

HALF = math.sqrt(0.5)


@numba.njit(error_model="numpy")
def _push(ring: Float64Array, n: int, place: int, value: float) -> int:
    """Put `value` over the oldest; returns the place of the next one, which is where the window now starts."""
    ring[place] = value
    ring[place + n] = value
    return place + 1 if place + 1 < n else 0


@numba.njit(error_model="numpy")
def _sum(window: Float64Array) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = window.size - window.size % 4
    for i in range(0, whole, 4):
        a += window[i]
        b += window[i + 1]
        c += window[i + 2]
        d += window[i + 3]
    total = (a + b) + (c + d)
    for i in range(whole, window.size):
        total += window[i]
    return total


@numba.njit(error_model="numpy")
def _sum_of_products(x: Float64Array, y: Float64Array, x_centre: float, y_centre: float) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = x.size - x.size % 4
    for i in range(0, whole, 4):
        a += (x[i] - x_centre) * (y[i] - y_centre)
        b += (x[i + 1] - x_centre) * (y[i + 1] - y_centre)
        c += (x[i + 2] - x_centre) * (y[i + 2] - y_centre)
        d += (x[i + 3] - x_centre) * (y[i + 3] - y_centre)
    total = (a + b) + (c + d)
    for i in range(whole, x.size):
        total += (x[i] - x_centre) * (y[i] - y_centre)
    return total


@numba.njit(error_model="numpy")
def _varies(window: Float64Array) -> bool:
    """Whether not all values are equal; a rounded sum of squares cannot tell."""
    for i in range(1, window.size):  # noqa: SIM110  compiled code
        if window[i] != window[0]:
            return True
    return False


@numba.njit(error_model="numpy")
def _slope(x: Float64Array, y: Float64Array, constant: float, undefined: float) -> float:
    """Of the least-squares line of y on x, through the origin unless `constant`."""
    if not _varies(x):
        return undefined
    x_mean, y_mean = 0.0, 0.0
    if constant:
        x_mean, y_mean = _sum(x) / x.size, _sum(y) / x.size
    spread = _sum_of_products(x, x, x_mean, x_mean)
    return _sum_of_products(x, y, x_mean, y_mean) / spread if spread > 0.0 else undefined


@kernel("amihud", ("money", "relative"), lambda params: 4 + 4 * int(params[0]))
def amihud(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing was traded. state: bars seen, place, last close, bars with volume, rings of ratios, of turnover.

    outputs: |return| per unit of money traded, |return| per mean turnover of a bar; both over the bars with volume.
    """
    n, undefined = int(params[0]), params[1]
    seen, place, last, traded = state[0], int(state[1]), state[2], state[3]
    ratios, turnovers = state[4 : 4 + 2 * n], state[4 + 2 * n :]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        turnover = close * bars[VOLUME, t]
        money, relative = np.nan, np.nan
        if seen > 0.0:
            traded += float(turnover > 0.0) - float(turnovers[place] > 0.0)
            _push(ratios, n, place, abs(close / last - 1.0) / turnover if turnover > 0.0 else 0.0)
            place = _push(turnovers, n, place, turnover)
            if seen >= n:
                money, relative = undefined, undefined
                if traded > 0.0:
                    money = _sum(ratios[place : place + n]) / traded
                    relative = money * (_sum(turnovers[place : place + n]) / traded)
        out[0, t], out[1, t] = money, relative
        last = close
        seen += 1.0
    state[0], state[1], state[2], state[3] = seen, float(place), last, traded


@kernel("bulk_kyle_lambda", ("price", "relative"), lambda params: 3 + 6 * int(params[0]))
def bulk_kyle_lambda(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, 1 with a constant or 0, value where nothing varies. state: bars seen, place, last close, rings of changes, of bought
    less sold by bulk classification, of volumes.

    outputs: change of the price per unit of volume, share of the close per mean volume of a bar.
    """
    n, constant, undefined = int(params[0]), params[1], params[2]
    seen, place, last = state[0], int(state[1]), state[2]
    changes, signed, volumes = state[3 : 3 + 2 * n], state[3 + 2 * n : 3 + 4 * n], state[3 + 4 * n :]
    for t in range(bars.shape[1]):
        close, volume = bars[CLOSE, t], bars[VOLUME, t]
        price, relative = np.nan, np.nan
        if seen > 0.0:
            change = close - last
            start = _push(changes, n, place, change)
            window = changes[start : start + n]
            sigma = math.sqrt(_sum_of_products(window, window, 0.0, 0.0) / n)
            _push(signed, n, place, volume * math.erf(change / sigma * HALF) if sigma > 0.0 else 0.0)
            place = _push(volumes, n, place, volume)
            if seen >= 2 * n - 1:  # the oldest bar of the window has n changes behind it
                price = _slope(signed[place : place + n], window, constant, undefined)
                relative = price * (_sum(volumes[place : place + n]) / n) / close
        out[0, t], out[1, t] = price, relative
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, float(place), last


@kernel("taker_kyle_lambda", ("price", "relative"), lambda params: 3 + 6 * int(params[0]))
def taker_kyle_lambda(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, 1 with a constant or 0, value where nothing varies, row of what takers bought. state, outputs: as `bulk_kyle_lambda`."""
    n, constant, undefined, row = int(params[0]), params[1], params[2], int(params[3])
    seen, place, last = state[0], int(state[1]), state[2]
    changes, signed, volumes = state[3 : 3 + 2 * n], state[3 + 2 * n : 3 + 4 * n], state[3 + 4 * n :]
    for t in range(bars.shape[1]):
        close, volume, bought = bars[CLOSE, t], bars[VOLUME, t], bars[row, t]
        price, relative = np.nan, np.nan
        if math.isfinite(bought):
            if seen > 0.0:
                _push(changes, n, place, close - last)
                _push(signed, n, place, 2.0 * bought - volume)
                place = _push(volumes, n, place, volume)
                if seen >= n:
                    price = _slope(signed[place : place + n], changes[place : place + n], constant, undefined)
                    relative = price * (_sum(volumes[place : place + n]) / n) / close
            last = close
            seen += 1.0
        out[0, t], out[1, t] = price, relative
    state[0], state[1], state[2] = seen, float(place), last


@kernel("price_impact", ("price_impact",), lambda params: 3 + 4 * int(params[0]))
def price_impact(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing was traded.

    state: bars seen, place, last close, rings of |return| times the root of the volume, of volumes.
    """
    n, undefined = int(params[0]), params[1]
    seen, place, last = state[0], int(state[1]), state[2]
    products, volumes = state[3 : 3 + 2 * n], state[3 + 2 * n :]
    for t in range(bars.shape[1]):
        close, volume = bars[CLOSE, t], bars[VOLUME, t]
        value = np.nan
        if seen > 0.0:
            _push(products, n, place, abs(math.log(close / last)) * math.sqrt(volume))
            place = _push(volumes, n, place, volume)
            if seen >= n:
                mean = _sum(volumes[place : place + n]) / n
                value = _sum(products[place : place + n]) / (n * math.sqrt(mean)) if mean > 0.0 else undefined
        out[0, t] = value
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, float(place), last


KERNELS = (amihud, bulk_kyle_lambda, taker_kyle_lambda, price_impact)
