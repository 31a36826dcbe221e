"""The one training loop, which every network goes through; no model has a loop of its own.

`loop` reads as the algorithm; beside it stand one file per idea: the schedule, early stopping, batches, checkpoints,
determinism, the choice of device, what to say of a loss that is not finite, figures of health, and TensorBoard events.
Everything here needs torch, so the names below load it only when they are asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barmill.training.loop import TrainedNetwork, train_network

__all__ = ["TrainedNetwork", "train_network"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from barmill.training import loop

    return getattr(loop, name)
