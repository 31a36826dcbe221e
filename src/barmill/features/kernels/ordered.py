"""Values in ascending order, one of which is replaced as a window moves on. It is compiled into each kernel that keeps them."""

import numba

from barmill.features.kernels.kernel import Float64Array


@numba.njit(error_model="numpy")
def first_not_below(ordered: Float64Array, n: int, value: float) -> int:
    """How many of the first n ascending values are below `value`."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(error_model="numpy")
def replace(ordered: Float64Array, n: int, old: float, new: float) -> None:
    """Put `new` for `old` among n ascending values."""
    place = first_not_below(ordered, n, old)
    while place + 1 < n and ordered[place + 1] < new:
        ordered[place] = ordered[place + 1]
        place += 1
    while place > 0 and ordered[place - 1] > new:
        ordered[place] = ordered[place - 1]
        place -= 1
    ordered[place] = new


__all__ = ["first_not_below", "replace"]
