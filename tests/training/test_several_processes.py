"""Processes that train together do what one does: the same steps, the same bytes each time, and an end that is told."""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from barmill.errors import RecipeError, TrainingError
from barmill.models import FittedModel, Samples, load_forecaster, spec_of
from barmill.training import devices_of, fit_on_devices
from barmill.training.handing import Task, read_task, write_task
from barmill.training.processes import Processes
from barmill.views import MultiResolution, PatternImage, Resolution, WindowTensor
from trainings import together

# One worker, which makes the trainings once; another would only wait for them.
pytestmark = pytest.mark.xdist_group("trained together")

TESTS = Path(__file__).parents[1]
By = Callable[[int], dict[str, Any]]
LOOPBACK = "0100007F"
CPU = torch.device("cpu")

# One process adds up a batch as a whole, several by shares: the last digits of a gradient differ, and AdamW spreads them.
CLOSE = 2e-6


@functools.cache
def _alone() -> dict[str, Any]:
    return together.everything()


@pytest.fixture(scope="module")
def by(tmp_path_factory: pytest.TempPathFactory) -> By:
    """All trainings by so many processes under torch's own command, as a user's script would run: done once for all tests."""

    @functools.cache
    def trained(size: int) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp(f"trained-by-{size}")
        _train_by(size, folder)
        found: dict[str, Any] = json.loads((folder / "results.json").read_bytes())
        found["weights"] = {kind: dict(np.load(folder / f"{kind}.npz")) for kind in together.kinds_of(size)}
        found["fitted"] = (folder / "weights.safetensors").read_bytes()
        return found

    return trained


def _train_by(size: int, folder: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={size}", "--rdzv-backend=c10d"]
    meeting = [f"--rdzv-endpoint={folder / 'meeting'}", "--rdzv-conf=store_type=file", "--local-addr=127.0.0.1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(TESTS)}
    command = [*launcher, *meeting, "-m", "trainings.together", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


SIZES = pytest.mark.parametrize("size", [2, 3])


@pytest.mark.parametrize(("size", "kind"), [(size, kind) for size in (2, 3) for kind in together.kinds_of(size) if kind != "dropout"])
def test_several_processes_take_the_steps_of_one(by: By, kind: str, size: int) -> None:
    one, several = _alone(), by(size)
    for name, array in one["weights"][kind].items():
        np.testing.assert_allclose(several["weights"][kind][name], array, rtol=CLOSE, atol=CLOSE, err_msg=name)
    expected, found = one["summaries"][kind], several["summaries"][kind]
    assert found["processes"] == size
    assert {name: found[name] for name in ("epochs", "best_epoch", "stopped", "steps")} == {
        name: expected[name] for name in ("epochs", "best_epoch", "stopped", "steps")
    }
    for name, values in expected["history"].items():
        np.testing.assert_allclose(found["history"][name], values, rtol=1e-4, atol=1e-7, err_msg=name)


@SIZES
def test_the_same_number_of_processes_gives_the_same_bytes_in_every_one_of_them(by: By, size: int) -> None:
    digests = by(size)["digests"]
    assert len(digests) == size
    assert all(one == digests[0] for one in digests)
    assert by(size)["again"] == digests[0]["dropout"]  # each process draws from a stream of its own, the same one each time


@SIZES
def test_what_cannot_be_trained_together_is_told_alike_by_all(by: By, size: int) -> None:
    found, alone = by(size)["refusals"], _alone()["refusals"]
    assert found["a loss that is not finite"] == alone["a loss that is not finite"]
    assert found["another seed"].startswith("TrainingError: processes: data, parameters, seed or first weights of process 2")
    assert found["a small batch"].startswith(f"RecipeError: batch_size: 1 samples a batch for {size} processes; expected at least {size}.")


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_shares_of_a_batch_are_the_batch(rank: int) -> None:
    positions = np.arange(7, 18)
    shares = [Processes(one, 3, CPU).share(positions) for one in range(3)]
    assert np.array_equal(np.concatenate(shares), positions)
    assert {share.size for share in shares} == {3, 4}
    processes = Processes(rank, 3, CPU)
    assert np.array_equal(processes.share(positions[:2]), positions[:2])
    assert processes.factor == (1.0 if rank == 0 else 0.0)
    processes.share(positions)
    assert processes.factor == 1.0


@pytest.mark.parametrize(
    ("asked", "devices"),
    [("cpu", ("cpu",)), ("auto", ("auto",)), ("cpu*3", ("cpu",) * 3), ("cuda:0,cuda:2", ("cuda:0", "cuda:2")), ("cpu*1", ("cpu",))],
)
def test_devices_are_named_by_a_list_or_a_number(asked: str, devices: tuple[str, ...]) -> None:
    assert devices_of(asked) == devices


@pytest.mark.parametrize("asked", ["cpu*0", "cpu*", "cpu*65", "cuda*2", "cuda:0,cuda:0", "cuda:0,cpu", "cpu,cpu", "cuda,cuda:1", "cpu*-1"])
def test_devices_that_cannot_train_together_are_refused(asked: str) -> None:
    with pytest.raises(RecipeError, match="names no devices that train together; expected GPUs, each named once"):
        devices_of(asked)


def test_one_process_refuses_several_devices(small: Any) -> None:
    with pytest.raises(RecipeError, match=r"'cpu\*2' names several, and .* Fit with barmill.training.fit_on_devices"):
        small.train(context=small.context(device="cpu*2"))


def test_a_model_that_is_not_in_the_catalogue_is_refused(small: Any) -> None:
    own = replace(spec_of("lstm"), summary="ours")
    with pytest.raises(RecipeError, match="model 'lstm': differs from the catalogue's"):
        fit_on_devices(own, small.params(), small.samples(), small.samples(420, 600), small.context(device="cpu*2"))


def _images() -> Samples:
    rng = np.random.default_rng(1)
    prices = 100.0 + rng.random((120, 1)) + np.array([0.0, 1.0, -1.0, 0.5])
    view = PatternImage(prices, rng.random((120, 3)).astype(np.float32), np.arange(90, 110))
    ones = np.ones(20)
    return Samples(view, ones.astype(np.int8), np.column_stack([ones, ones]), ones, {"quality": ones, "pole_kATR": 2 * ones})


def _several_timeframes() -> Samples:
    at = np.arange(40)
    resolutions = (Resolution("1m", 3, np.random.default_rng(2).random((40, 2)), at), Resolution("5m", 2, np.ones((8, 2)), at // 5 - 1, 5))
    view = MultiResolution(resolutions, ("close", "volume"), np.arange(20, 30), unit=np.full(10, 0.5), reference=np.ones(40))
    return Samples(view, np.zeros(10, dtype=np.int8), np.ones(10), np.ones(10))


@pytest.mark.parametrize("kind", ["windows", "images", "several timeframes"])
def test_a_task_comes_back_as_it_was_handed_over(small: Any, tmp_path: Path, kind: str) -> None:
    made = {"windows": small.samples, "images": _images, "several timeframes": _several_timeframes}[kind]()
    context = small.context(scratch=tmp_path / "scratch", explain=made.view, horizon=7)
    write_task(tmp_path, Task(spec_of("lstm"), small.params(), made, made, context, ("cpu", "cpu")))
    found = read_task(tmp_path)
    rows = np.arange(len(made))
    for one in (found.train, found.valid):
        assert np.array_equal(one.view.gather(rows), made.view.gather(rows))
        assert all(np.array_equal(getattr(one, name), getattr(made, name)) for name in ("y", "z", "weight"))
        assert {name: array.tolist() for name, array in one.targets.items()} == {
            name: array.tolist() for name, array in made.targets.items()
        }
    assert found.context.explain is not None
    assert np.array_equal(found.context.explain.gather(rows), made.view.gather(rows))
    assert replace(found.context, explain=None, progress=context.progress) == replace(context, explain=None)
    assert (found.spec, found.params, found.devices) == (spec_of("lstm"), small.params(), ("cpu", "cpu"))
    assert isinstance(found.train.y, np.memmap)
    if isinstance(found.train.view, WindowTensor):
        assert found.train.view.base is found.valid.view.base  # one table, moved to a device once


class Notes:
    """A listener that keeps what it hears, and once kills a process of the fit."""

    def __init__(self, kill_at: int = -1) -> None:
        self.heard: list[tuple[int, str]] = []
        self.kill_at = kill_at
        self.processes: list[int] = []
        self.killed_at = 0.0

    def update(self, done: int, total: int, note: str = "") -> None:
        self.heard.append((done, note))
        if done == self.kill_at:
            self.processes = _below(os.getpid())
            ranks = [pid for pid in self.processes if b"barmill.training.rank" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            assert len(ranks) == 2
            os.kill(max(ranks), signal.SIGKILL)
            self.killed_at = time.monotonic()


def _below(pid: int) -> list[int]:
    """The processes that `pid` has started, and those that they have."""
    own = [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]
    return [*own, *(one for child in own for one in _below(child))]


def _lives(pid: int) -> bool:
    """Whether a process is at work; one that has ended and was not waited for yet is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _listening(processes: list[int]) -> set[str]:
    """The addresses, as the kernel writes them, at which one of the processes waits for connections."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    addresses = {f"socket:[{line[9]}]": line[1].partition(":")[0] for line in lines if line[3] == "0A"}
    open_files: set[str] = set()
    for pid in processes:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                open_files.add(str(file.readlink()))
    return {address for socket, address in addresses.items() if socket in open_files}


def _fit(small: Any, **context: Any) -> FittedModel:
    told = small.context(device="cpu*2", **context)
    return fit_on_devices(spec_of("lstm"), small.params(), small.samples(), small.samples(420, 600), told)


def test_a_killed_process_is_told_at_once_and_the_same_fit_goes_on_to_the_same_bytes(
    small: Any, by: By, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    killing = Notes(kill_at=17)
    with pytest.raises(TrainingError, match=r"model 'lstm': process [12] of 2 was ended by SIGKILL"):
        _fit(small, scratch=tmp_path / "scratch", progress=killing)
    assert time.monotonic() - killing.killed_at < 15
    assert len(killing.processes) == 3
    assert not any(_lives(pid) for pid in killing.processes)
    assert not list(temporary.iterdir())

    resuming = Notes()
    resumed = _fit(small, scratch=tmp_path / "scratch", progress=resuming)
    assert resuming.heard[0] == (13, "resumed in epoch 2")
    assert [done for done, _ in resuming.heard[1:]] == list(range(14, 53))
    assert resumed.training_files["weights.safetensors"] == by(2)["fitted"]  # of a script that was not disturbed
    assert resumed.summary["processes"] == 2
    forecaster = load_forecaster(spec_of("lstm"), resumed.files)
    assert np.isfinite(forecaster.raw(small.samples(420, 600).view).logits).all()


def test_an_error_of_the_fit_comes_back_whole(small: Any) -> None:
    overflowing = small.z[10:400].copy()
    overflowing[77] = 1e300
    rows, told = small.samples(z=overflowing), small.context(device="cpu*2")
    with pytest.raises(TrainingError, match=r"^epoch 1, batch \d+: the loss of E_r is not finite"):
        fit_on_devices(spec_of("lstm"), small.params(), rows, small.samples(420, 600), told)


_PARENT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from trainings.small import Small
from barmill.models import spec_of
from barmill.training import fit_on_devices
class Kill:
    def update(self, done, total, note=""):
        if done == 3:
            Path({marker!r}).touch()
            signal.pause()
small = Small()
params, context = small.params(epochs=10000, patience=10000), small.context(device="cpu*2", progress=Kill())
fit_on_devices(spec_of("lstm"), params, small.samples(), small.samples(420, 600), context)
"""


def test_no_process_listens_to_other_machines_or_outlives_the_one_that_asked_for_the_fit(tmp_path: Path) -> None:
    marker = tmp_path / "working"
    (tmp_path / "temporary").mkdir()
    code = _PARENT.format(folder=str(TESTS), marker=str(marker))
    parent = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path / "temporary")})
    try:
        deadline = time.monotonic() + 120
        while not marker.exists():
            assert parent.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        processes = _below(parent.pid)
        assert len(processes) == 3
        assert _listening(processes) == {LOOPBACK}
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 15
    while any(_lives(pid) for pid in processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_lives(pid) for pid in processes)
    assert not list((tmp_path / "temporary").glob("barmill-fit-*"))
