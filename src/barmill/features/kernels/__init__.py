"""The compiled kernels, one file per mechanism: every feature is one output of one of them.

`kernel.py` states the contract that all of them keep (one signature, all memory in `state`, nothing called from
another file but `rings.py` and `lanes.py`). Each file lists its kernels in `KERNELS`; `timeframes.py` holds the engine's own
routines.
"""

from barmill.features.kernels import (
    averages,
    bands,
    bias,
    book,
    co_moments,
    cross_pair,
    cycles,
    derivatives,
    exponential,
    flow,
    hidden_markov,
    interactions,
    moments,
    order_flow,
    oscillators,
    price,
    regimes,
    sessions,
    timeframes,
    transforms,
    volatilities,
    volumes,
    vpin,
    wavelets,
    wilder,
    window_sums,
    windows,
)
from barmill.features.kernels.kernel import Kernel, Routine

KERNELS: tuple[Kernel, ...] = (
    *averages.KERNELS,
    *bands.KERNELS,
    *bias.KERNELS,
    *book.KERNELS,
    *co_moments.KERNELS,
    *cross_pair.KERNELS,
    *cycles.KERNELS,
    *derivatives.KERNELS,
    *exponential.KERNELS,
    *flow.KERNELS,
    *hidden_markov.KERNELS,
    *interactions.KERNELS,
    *order_flow.KERNELS,
    *oscillators.KERNELS,
    *price.KERNELS,
    *regimes.KERNELS,
    *sessions.KERNELS,
    *transforms.KERNELS,
    *volatilities.KERNELS,
    *volumes.KERNELS,
    *vpin.KERNELS,
    *wavelets.KERNELS,
    *wilder.KERNELS,
    *window_sums.KERNELS,
    *windows.KERNELS,
    *moments.KERNELS,
)
ROUTINES: tuple[Routine, ...] = (*timeframes.ROUTINES, *hidden_markov.ROUTINES, *vpin.ROUTINES)

__all__ = ["KERNELS", "ROUTINES", "Kernel", "Routine"]
