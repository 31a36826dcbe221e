"""Which device trains, and with which numbers."""

import os
from typing import Literal

import torch

from barmill.errors import RecipeError, SetupError
from barmill.training.several_devices import WORKER_NUMBER


def choose_device(asked: str) -> torch.device:
    """The device named "cpu", "cuda", "cuda:1", or the best there is for "auto".

    Processes that torch's launcher started side by side, and models that a run fits side by side, get different GPUs by "auto" as
    long as there are enough: each takes the one of its number.

    Raises
    ------
    SetupError : a GPU is asked for where torch finds none
    RecipeError : a name that means nothing
    """
    if asked == "auto":
        return _best()
    if asked == "cpu":
        return torch.device("cpu")
    if "," in asked or "*" in asked:
        mend = "Fit with barmill.training.fit_on_devices, which starts a process for each."
        raise RecipeError("device", f"'{asked}' names several, and this process trains on one", mend=mend)
    kind, _, index = asked.partition(":")
    if kind != "cuda" or not (index == "" or index.isdigit()):
        raise RecipeError("device", f"no device named '{asked}'", expected="cpu, cuda, cuda:<number> or auto")
    if not torch.cuda.is_available():
        built = "sees no GPU" if torch.version.cuda else "was built without CUDA"
        mend = "Take device auto or cpu, or install a torch built for your GPU."
        raise SetupError("device", f"'{asked}' is asked for, but torch {torch.__version__} {built}", mend=mend)
    if index and int(index) >= torch.cuda.device_count():
        raise SetupError("device", f"there is no '{asked}'", expected=f"cuda:0 to cuda:{torch.cuda.device_count() - 1}")
    return torch.device("cuda", int(index) if index else torch.cuda.current_device())


def _best() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    number = os.environ.get("LOCAL_RANK") or os.environ.get(WORKER_NUMBER)
    return torch.device("cuda", int(number) % torch.cuda.device_count()) if number else torch.device("cuda")


def choose_precision(asked: Literal["auto", "float32", "bf16", "fp16"], device: torch.device) -> torch.dtype:
    """The type of the forward pass: float32 on a CPU; bf16 for "auto" on a GPU that has it.

    Raises RecipeError if half precision is asked for on a CPU, where it would only be slower.
    """
    if device.type == "cpu":
        if asked in ("bf16", "fp16"):
            raise RecipeError("precision", f"{asked} needs a GPU, and this trains on the CPU", mend="Take precision auto or float32.")
        return torch.float32
    if asked == "auto":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[asked]
