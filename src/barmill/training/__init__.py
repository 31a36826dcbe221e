"""The one training loop, which every network goes through; no model has a loop of its own.

`loop` reads as the algorithm; beside it stand one file per idea: the schedule, early stopping, batches, checkpoints,
determinism, the choice of device, what to say of a loss that is not finite, figures of health, and TensorBoard events.
Several processes train one network together where a fit names several devices: what they add up is in `processes` and
`shared_norm`; `several_devices` starts them, and `handing`, `launcher`, `rank` and `telling` are their side of it.
The loop needs torch, so the names below load it only when they are asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barmill.training.loop import TrainedNetwork, train_network
    from barmill.training.several_devices import devices_of, fit_on_devices

__all__ = ["TrainedNetwork", "devices_of", "fit_on_devices", "train_network"]

_PLACES = {"TrainedNetwork": "loop", "train_network": "loop", "devices_of": "several_devices", "fit_on_devices": "several_devices"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"barmill.training.{_PLACES[name]}"), name)
