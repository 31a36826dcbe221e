"""The compiled kernels, one file per mechanism: every feature is one output of one of them.

`kernel.py` states the contract that all of them keep (one signature, all memory in `state`, nothing called from another
file). Each file lists its kernels in `KERNELS`; `timeframes.py` holds the engine's own routines.
"""

from barmill.features.kernels import (
    bands,
    bias,
    book,
    cross_pair,
    cycles,
    derivatives,
    exponential,
    flow,
    hidden_markov,
    interactions,
    order_flow,
    price,
    price_impact,
    regimes,
    spreads,
    timeframes,
    transforms,
    vpin,
    wavelets,
    wilder,
    windows,
)
from barmill.features.kernels.kernel import Kernel, Routine

KERNELS: tuple[Kernel, ...] = (
    *bands.KERNELS,
    *bias.KERNELS,
    *book.KERNELS,
    *cross_pair.KERNELS,
    *cycles.KERNELS,
    *derivatives.KERNELS,
    *exponential.KERNELS,
    *flow.KERNELS,
    *hidden_markov.KERNELS,
    *interactions.KERNELS,
    *order_flow.KERNELS,
    *price.KERNELS,
    *price_impact.KERNELS,
    *regimes.KERNELS,
    *spreads.KERNELS,
    *transforms.KERNELS,
    *vpin.KERNELS,
    *wavelets.KERNELS,
    *wilder.KERNELS,
    *windows.KERNELS,
)
ROUTINES: tuple[Routine, ...] = (*timeframes.ROUTINES, *hidden_markov.ROUTINES, *vpin.ROUTINES)

__all__ = ["KERNELS", "ROUTINES", "Kernel", "Routine"]
