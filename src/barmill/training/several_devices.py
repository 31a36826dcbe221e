"""One fit on several devices: a process for each, started by torch's own launcher, all on this machine.

The processes run the same fit on the same samples and meet in the training loop. What leaves this process is files in a
folder of its own; what comes back is lines of JSON while they work, and the fitted model as bytes. Their end is the launcher's to see
to, and they end when this process does: each watches the standard input that they inherit, as every worker does.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import barmill.errors
from barmill.errors import BarmillError, RecipeError, TrainingError
from barmill.models.catalogue import load_fit, spec_of
from barmill.models.contract import FitContext, FittedModel, ModelParams, ModelSpec, Samples
from barmill.models.network_params import NetworkParams
from barmill.progress import Progress
from barmill.training.handing import Task, read_fitted, write_task

MOST_PROCESSES = 64
WORKER_NUMBER = "BARMILL_WORKER"  # in the environment of a worker: its number among those that run side by side, from 0
_LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
_ENVIRONMENT = {  # nothing listens to other machines: the transports use the loopback, and the launcher opens no store of its own
    "GLOO_SOCKET_IFNAME": _LOOPBACK,
    "NCCL_SOCKET_IFNAME": _LOOPBACK,
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
}
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_ENDS_WITHIN = 10.0  # seconds in which processes whose input has closed are gone


def devices_of(asked: str) -> tuple[str, ...]:
    """The devices that `asked` names: "cuda:0,cuda:1" two GPUs, "cpu*4" the CPU four times, and any other name itself.

    Raises RecipeError where several are named that cannot train together.
    """
    kind, star, times = asked.partition("*")
    if star and kind == "cpu" and times.isdigit() and 1 <= int(times) <= MOST_PROCESSES:
        return ("cpu",) * int(times)
    named = tuple(one.strip() for one in asked.split(","))
    several = len(named) > 1
    if star or (several and (len(set(named)) < len(named) or not all(_is_gpu(one) for one in named))):
        expected = f"GPUs, each named once (cuda:0,cuda:1), or cpu*2 to cpu*{MOST_PROCESSES}"
        raise RecipeError("device", f"'{asked}' names no devices that train together", expected=expected)
    return named


def _is_gpu(name: str) -> bool:
    kind, _, index = name.partition(":")
    return kind == "cuda" and index.isdigit()


def fit_on_devices(spec: ModelSpec, params: ModelParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit a model as its `fit` does, a network on all devices that `context.device` names, see `devices_of`.

    Each process has a share of every batch, and the sums are over all of them. The same number of processes gives the same bytes on
    one kind of device; another number gives other sums in the last digit, and other draws of dropout. A model that is no network, or
    one device, is fitted in this process.

    Raises
    ------
    RecipeError : devices that cannot train together; a model that is not in the catalogue, which the processes could not find
    TrainingError : a process that ended, by a signal or otherwise; the same fit with the same `scratch` goes on from its checkpoint
    And what the fit itself raises, as if it were fitted here.
    """
    devices = devices_of(context.device)
    fit = load_fit(spec)  # what is not installed is told before anything is written
    if len(devices) == 1 or not isinstance(params, NetworkParams):
        return fit(params, train, valid, replace(context, device=devices[0]))
    if spec_of(spec.name) != spec:
        raise RecipeError(f"model '{spec.name}'", "differs from the catalogue's", mend="Name one device, or fit a model of the catalogue.")
    with tempfile.TemporaryDirectory(prefix="barmill-fit-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_task(folder, Task(spec, params, train, valid, context, devices))
        _run(folder, f"model '{spec.name}'", len(devices), context.progress)
        return read_fitted(folder)


@dataclass(slots=True)
class _Heard:
    """What the processes have told: errors in their order, and how the first of them ended that did not end well."""

    errors: list[BarmillError] = field(default_factory=list[BarmillError])
    ended: Mapping[str, Any] | None = None


def _run(folder: Path, place: str, n: int, progress: Progress) -> None:
    """Run the processes of the task in `folder` to their end. Raises what the first of them raised."""
    heard = _Heard()
    launcher = subprocess.Popen(
        [sys.executable, "-m", "barmill.training.launcher", str(folder), str(n)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**_ENVIRONMENT, **os.environ, **_ONE_THREAD},
    )
    assert launcher.stdin is not None
    assert launcher.stdout is not None
    try:
        for line in launcher.stdout:  # ends when all processes have, as they hold the other end
            _hear(line, heard, progress)
        code = launcher.wait()
    finally:
        launcher.stdin.close()
        _end(launcher)
        launcher.stdout.close()
    if heard.errors:
        raise heard.errors[0]
    if code != 0:
        raise _died(place, n, code, heard.ended)


def _hear(line: bytes, heard: _Heard, progress: Progress) -> None:
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        sys.stderr.write(line.decode(errors="replace"))  # a library's own output
        return
    match event["event"]:
        case "progress":
            progress.update(event["done"], event["total"], event["note"])
        case "error":
            kind: type[BarmillError] = getattr(barmill.errors, event["kind"], TrainingError)
            heard.errors.append(kind(event["place"], event["found"], expected=event["expected"], mend=event["mend"]))
        case _:
            heard.ended = event


def _died(place: str, n: int, code: int, ended: Mapping[str, Any] | None) -> TrainingError:
    """The error that names the process which ended first, or the launcher if it says of none."""
    who, how = ("the launcher of its processes", code) if ended is None else (f"process {ended['rank'] + 1} of {n}", ended["code"])
    if how < 0:
        mend = "If memory ran out, take smaller batches or fewer processes. The same fit goes on from its last checkpoint, if it keeps any."
        return TrainingError(place, f"{who} was ended by {signal.Signals(-how).name}", mend=mend)
    return TrainingError(place, f"{who} ended with code {how}", mend="What it said is on standard error.")


def _end(launcher: subprocess.Popen[bytes]) -> None:
    """See the launcher gone, whose processes end by themselves now that their input is closed."""
    for stop in (lambda: None, launcher.terminate, launcher.kill):
        stop()
        try:
            launcher.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            continue
        return
