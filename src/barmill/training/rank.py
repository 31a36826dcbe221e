"""One of the processes that fit a network together, started by torch's launcher: `python -m barmill.training.rank FOLDER`.

It runs the model's fit as any process would. The training loop finds the process group and does its share; once the weights
are learned, which all processes then hold, the first one exports them and the others end.
"""

import os
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from barmill.errors import BarmillError
from barmill.progress import SilentProgress
from barmill.training.launcher import LOST
from barmill.training.telling import end_with_input, tell

PATIENCE = timedelta(hours=2)  # for the slowest validation by the first process; one that is gone is seen at once


class _Learned(Exception):
    """The weights are learned, and the rest is the first process's."""


class _Telling:
    """A listener that passes on to the asking process."""

    def update(self, done: int, total: int, note: str = "") -> None:
        tell(event="progress", done=done, total=total, note=note)


def work(folder: Path, rank: int, size: int) -> None:
    """Fit the task in `folder` as process `rank` of `size`; the first one leaves the fitted model there."""
    import torch
    import torch.distributed as dist

    from barmill.models.catalogue import load_fit
    from barmill.training.device import choose_device
    from barmill.training.handing import read_task, write_fitted
    from barmill.training.loop import TrainedNetwork, train_network

    task = read_task(folder)
    device = choose_device(task.devices[rank])
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, init_method=f"file://{folder / 'group'}", rank=rank, world_size=size, timeout=PATIENCE)

    def train_together(*args: Any, **named: Any) -> TrainedNetwork:
        trained = train_network(*args, **named)
        dist.destroy_process_group()
        if rank > 0:
            raise _Learned
        return trained

    progress = _Telling() if rank == 0 else SilentProgress()
    context = replace(task.context, device=task.devices[rank], train_network=train_together, progress=progress)
    fitted = load_fit(task.spec)(task.params, task.train, task.valid, context)
    write_fitted(folder, fitted)


def main() -> None:
    """Run `work` and tell an error of ours; exit code 0, 1, or `LOST` where another process failed."""
    folder = Path(sys.argv[1])
    threading.Thread(target=end_with_input, args=(folder,), daemon=True).start()
    sys.stdout = sys.stderr  # what a library prints is no event
    try:
        with suppress(_Learned):
            work(folder, int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    except BarmillError as error:
        from barmill.training.processes import PeerLost

        if isinstance(error, PeerLost):
            time.sleep(1.0)  # the launcher shall see the one that failed first
            sys.exit(LOST)
        tell(event="error", kind=type(error).__name__, place=error.place, found=error.found, expected=error.expected, mend=error.mend)
        sys.exit(1)
    except Exception:  # noqa: BLE001 - the last rim of the process: standard error gets the traceback
        traceback.print_exc()
        sys.exit(1)
    leave()


def leave() -> None:
    """End at once, with all that was said: threads of a process group may abort a process that takes itself apart around them."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
