"""The compiled kernels, one file per mechanism: every feature is one output of one of them.

`kernel.py` states the contract that all of them keep (one signature, all memory in `state`, nothing called from another
file). Each file lists its kernels in `KERNELS`; `timeframes.py` holds the engine's own routines.
"""

from barmill.features.kernels import cycles, exponential, timeframes, wilder, windows
from barmill.features.kernels.kernel import Kernel, Routine

KERNELS: tuple[Kernel, ...] = (*wilder.KERNELS, *exponential.KERNELS, *windows.KERNELS, *cycles.KERNELS)
ROUTINES: tuple[Routine, ...] = timeframes.ROUTINES

__all__ = ["KERNELS", "ROUTINES", "Kernel", "Routine"]
