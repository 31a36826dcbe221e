import pytest
import torch

from barmill.errors import RecipeError, SetupError
from barmill.training.device import choose_device, choose_precision

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens where there is no GPU")


@needs_no_gpu
def test_auto_takes_the_cpu_where_there_is_no_gpu() -> None:
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")


@needs_no_gpu
@pytest.mark.parametrize("asked", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_refused_with_the_mend(asked: str) -> None:
    with pytest.raises(SetupError, match=rf"device: '{asked}' is asked for, but torch .* Take device auto or cpu"):
        choose_device(asked)


@pytest.mark.parametrize("asked", ["gpu", "tpu", "cuda:x", ""])
def test_a_device_that_means_nothing_is_refused(asked: str) -> None:
    with pytest.raises(RecipeError, match="expected cpu, cuda, cuda:<number> or auto"):
        choose_device(asked)


def test_the_cpu_trains_in_float32_and_refuses_half_precision() -> None:
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu) is choose_precision("float32", cpu) is torch.float32
    for asked in ("bf16", "fp16"):
        with pytest.raises(RecipeError, match=f"precision: {asked} needs a GPU"):
            choose_precision(asked, cpu)


def test_a_gpu_takes_what_is_asked_for() -> None:
    gpu = torch.device("cuda", 0)
    assert [choose_precision(asked, gpu) for asked in ("float32", "bf16", "fp16")] == [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize(
    ("environment", "device"),
    [
        ({}, torch.device("cuda")),
        ({"BARMILL_WORKER": "1"}, torch.device("cuda", 1)),
        ({"BARMILL_WORKER": "3"}, torch.device("cuda", 1)),
        ({"LOCAL_RANK": "0", "BARMILL_WORKER": "1"}, torch.device("cuda", 0)),
    ],
)
def test_those_side_by_side_take_different_gpus(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], device: torch.device) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("LOCAL_RANK", "BARMILL_WORKER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert choose_device("auto") == device
