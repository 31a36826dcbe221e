"""What a kernel is, and how it is compiled.

A kernel is one plain function over one signature:

    kernel(params, state, bars, out)

    params  float64 (n_params,), what it was asked for (windows, factors, the value to take where nothing is defined), then
            the row in `bars` of each further column and each feature that it reads, in the order of its declaration
    state   float64 (state_size,), all it remembers; zeros before the first bar
    bars    float64 (7 or more, n), rows OPEN_TIME .. VOLUME and those that `params` tell; closed bars in time order; n may be
            0, 1 or millions
    out     float64 (n_outputs, n), written in full; NaN until the first value

It reads bar t, moves its state, writes column t, and goes on. The history is one call with all bars, live is a call
with one, and both run the same machine code: cutting the bars elsewhere cannot change a bit. For the same reason no
kernel uses `fastmath` or parallel reductions, and windows are summed anew from the oldest bar to the newest instead of
by adding one and dropping another, which would drift.

A row other than the first seven may begin with NaN (a feature in its warm-up, a column that starts late). A kernel that
reads such rows writes NaN and leaves its state alone until all of them are finite, and counts its bars from there.

**Trap.** Numba's cache on disk is keyed by the source file of the kernel alone; it does not notice a change in a
function that the kernel calls in another file, and would go on running the old code. So a kernel calls nothing that is
compiled outside its own file but what stands in SHARED, whose source is part of our key; a test holds the rule. The row
numbers below and the options of `compile_cached` are not seen either: they are fixed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.core.caching import FunctionCache

from barmill.artefacts import sha256

Float64Array = npt.NDArray[np.float64]
Step = Callable[[Any, Any, Any, Any], None]

OPEN_TIME: Final = 0
CLOSE_TIME: Final = 1
OPEN: Final = 2
HIGH: Final = 3
LOW: Final = 4
CLOSE: Final = 5
VOLUME: Final = 6
BAR_ROWS: Final = ("open_time", "close_time", "open", "high", "low", "close", "volume")

SHARED: Final = ("calls.py", "lanes.py", "ordered.py", "rings.py")

VALUES: Final = types.float64[::1]
TABLE: Final = types.float64[:, :]
BARS: Final = types.Array(types.float64, 2, "A", readonly=True)  # what `Bars` hands out cannot be written to
SIGNATURE: Final = types.void(VALUES, VALUES, BARS, TABLE)


@cache
def _shared_source() -> str:
    """Digest of the files that kernels of other files call."""
    folder = Path(__file__).parent
    return sha256(b"".join((folder / name).read_bytes() for name in SHARED))


class _KernelCache(FunctionCache):
    """Numba's cache on disk, whose key holds the shared source too."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return *super()._index_key(sig, codegen), _shared_source()


def compile_cached(function: Callable[..., None], signature: Any) -> Callable[..., None]:
    """Machine code of `function` for exactly this `signature` (or these), from the cache on disk or newly compiled.

    Numba keeps it beside the source or, where that folder is read-only, in the user's cache folder; where neither can
    be written it is compiled for this process alone.
    """
    compiled: Any = numba.njit(error_model="numpy", nogil=True)(function)
    if compiled is function:  # NUMBA_DISABLE_JIT: plain Python
        return function
    try:
        compiled._cache = _KernelCache(function)  # what `cache=True` does with a cache of Numba's own
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
    for one in signature if isinstance(signature, list) else [signature]:
        compiled.compile(one)
    compiled.disable_compile()
    return compiled


@dataclass(frozen=True)
class Routine:
    """A function of the engine itself, compiled when first needed and not before."""

    name: str
    signature: Any
    function: Callable[..., None]

    @cached_property
    def compiled(self) -> Callable[..., None]:
        """The machine code."""
        return compile_cached(self.function, self.signature)


def routine(signature: Any) -> Callable[[Callable[..., None]], Routine]:
    """Decorate a function of the engine with its signature, or a list of them."""

    def declare(function: Callable[..., None]) -> Routine:
        return Routine(function.__name__, signature, function)

    return declare


@dataclass(frozen=True)
class Kernel:
    """A kernel with what the engine must know to run it.

    name : str, unique among the kernels
    outputs : tuple of str, the rows of `out`
    state_size : from the params, without the row numbers, to the number of float64 that the state holds
    function : the Python function, compiled when first needed and not before
    """

    name: str
    outputs: tuple[str, ...]
    state_size: Callable[[tuple[float, ...]], int]
    function: Step

    @cached_property
    def compiled(self) -> Callable[..., None]:
        """The machine code (a second or two the first time on a machine, then read from the cache)."""
        return compile_cached(self.function, SIGNATURE)

    @cached_property
    def address(self) -> int:
        """Where the machine code lies in this process, for the engine to call it without Python in between."""
        (made,) = self.compiled.overloads.values()  # pyright: ignore[reportFunctionMemberAccess]  Numba's dispatcher
        return int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))

    def new_state(self, params: tuple[float, ...]) -> Float64Array:
        """The state before the first bar."""
        return np.zeros(self.state_size(params))

    def run(self, params: tuple[float, ...], *further: Float64Array, **columns: Float64Array) -> Float64Array:
        """Run over a whole history given as named columns (`close=...`); those not given are NaN.

        further : the rows that the kernel reads beyond the seven, in its order; their numbers are put behind `params`

        Returns
        -------
        float64 array of shape (n_outputs, n_bars)
        """
        n_bars = len(further[0]) if further else len(next(iter(columns.values())))
        bars = np.full((len(BAR_ROWS) + len(further), n_bars), np.nan)
        for name, values in columns.items():
            bars[BAR_ROWS.index(name)] = values
        for row, values in enumerate(further):
            bars[len(BAR_ROWS) + row] = values
        numbers = (*params, *range(len(BAR_ROWS), len(bars)))
        out = np.empty((len(self.outputs), n_bars))
        self.compiled(np.array(numbers, dtype=np.float64), self.new_state(params), bars, out)
        return out


def kernel(name: str, outputs: tuple[str, ...], state_size: Callable[[tuple[float, ...]], int]) -> Callable[[Step], Kernel]:
    """Decorate a kernel function; see the head of this file for its contract."""

    def declare(function: Step) -> Kernel:
        return Kernel(name, outputs, state_size, function)

    return declare


__all__ = [
    "BARS",
    "BAR_ROWS",
    "CLOSE",
    "CLOSE_TIME",
    "HIGH",
    "LOW",
    "OPEN",
    "OPEN_TIME",
    "SIGNATURE",
    "TABLE",
    "VALUES",
    "VOLUME",
    "Float64Array",
    "Kernel",
    "Routine",
    "compile_cached",
    "kernel",
    "routine",
]
