"""How the learning rate moves: a pure function of the step, so that a resumed training needs no memory of it."""

import math
from typing import Literal, TypeAlias

FLOOR = 0.01  # share of the peak at which the cosine ends: the last steps still move


Schedule: TypeAlias = Literal["cosine", "constant", "halving"]


def rate_factor(step: int, total_steps: int, warmup_share: float, schedule: Schedule, steps_per_epoch: int = 1) -> float:
    """Share of the peak learning rate at `step` of `total_steps`, counted from 0.

    Linear from near 0 to 1 over the first `warmup_share` of the steps; then constant, half a cosine down to 0.01
    (Loshchilov and Hutter 2017, SGDR, ICLR, without restarts), or halved after every epoch, much as the
    published results on ETTh1 were trained (Zhou et al. 2021, Informer, AAAI, whose code begins to halve after the second).
    """
    warmup = math.ceil(warmup_share * total_steps)
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    if schedule == "halving":
        return 0.5 ** (step // steps_per_epoch)
    progress = (step - warmup) / max(1, total_steps - warmup)
    return FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
